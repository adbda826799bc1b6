"""Making what exists before a fork immortal: what is looked at afterwards is not written to."""

import subprocess
import sys
import textwrap

import pytest

from floodway._core import immortalize


class Something:
    pass


@pytest.fixture
def something() -> Something:
    one = Something()
    if immortalize([one]) != [one]:
        pytest.skip("not on this platform: objects that CPython 3.12 and 3.13 with the GIL can keep for ever")
    return one


def run(program: str) -> str:
    """In a process of its own: what is immortal stays so. Returns what it printed; it has to end in order."""
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False, timeout=30
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def test_references_to_an_immortal_object_are_not_counted(something: Something) -> None:
    before = sys.getrefcount(something)
    references = [something] * 100
    assert sys.getrefcount(something) == before
    references.clear()
    assert sys.getrefcount(something) == before


def test_only_what_is_made_immortal_now_is_returned(something: Something) -> None:
    other = Something()
    assert immortalize([something, None, other]) == [other]


def test_what_there_is_before_the_fork_is_shared_down_to_the_constants_of_code() -> None:
    printed = run("""
        import gc
        from floodway._core import immortalize
        from floodway.app.workers.sharing import share_memory
        from floodway.conn.engine import Engine

        share_memory()
        assert gc.get_freeze_count() > 10_000
        code = Engine.start.__code__
        print(immortalize([Engine, Engine.start, code, code.co_consts, *code.co_consts, code.co_names, *code.co_names]))
    """)
    assert printed == "[]\n"


def test_a_program_goes_on_with_what_is_shared_and_ends_in_order() -> None:
    printed = run("""
        import gc, os, sys, threading, weakref
        from floodway.app.workers.sharing import share_memory

        class Node:
            def __init__(self, next):
                self.next = next

        text, numbers = "a" * 40, list(range(5_000, 5_100))
        pair, names, nodes = (text, numbers), {str(i): i for i in range(100)}, Node(Node(None))
        generator = (number for number in range(3))
        next(generator)
        share_memory()

        for _ in range(3):
            text += "b"
            numbers += [object()]
            numbers.sort(key=id)
            names.update({str(i): [] for i in range(200)})
            names.pop("7")
            names["7"] = nodes.next
            nodes.next = Node(nodes)
            sys.intern(text)
            gc.collect()
        assert list(generator) == [1, 2]
        gone = weakref.ref(nodes.next)
        nodes.next = None
        gc.collect()
        assert gone() is None  # what was made later is freed as ever
        del pair, numbers, names, nodes, generator
        child = os.fork()
        if child == 0:
            thread = threading.Thread(target=gc.collect)
            thread.start()
            thread.join()
            sys.exit(0)
        print(os.waitpid(child, 0)[1], len(text))
    """)
    assert printed == "0 43\n"
