"""What workers share with the supervisor: the pages that nobody has written to since the fork.

Two habits of the interpreter write to objects that are only looked at. The garbage collector marks what it visits, so
what there is before the first fork is taken out of its sight. And every use counts references, in the object itself, so
where CPython can, that ends as well (PEP 683, "immortal objects"): what there is then stays for ever, which it would in
a module anyway. Left are true changes, and the bytecode that the interpreter specialises as it runs.
"""

import gc
from collections.abc import Iterable
from types import CodeType, FrameType

from floodway._core import immortalize


def share_memory() -> None:
    """Prepare what there is now for being shared by processes that are forked later. Once, before the first fork."""
    gc.collect()
    _make_immortal()
    gc.freeze()


def _make_immortal() -> None:
    """What the garbage collector knows, and what that refers to."""
    found: list[object] = gc.get_objects()
    while found:
        # A function that runs now gives its frame up when it returns, which an immortal one cannot be.
        fresh = immortalize([one for one in found if not isinstance(one, FrameType)])
        found = gc.get_referents(*fresh)
        found += _parts_of_code(fresh)


def _parts_of_code(objects: Iterable[object]) -> Iterable[object]:
    """What the collector does not know that code refers to."""
    for one in objects:
        if isinstance(one, CodeType):
            yield one.co_consts
            yield one.co_names
            yield one.co_name
            yield one.co_qualname
            yield one.co_filename
