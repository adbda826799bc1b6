"""`new_event_loop`: asyncio on a reactor of its own, for programs that bring their own main."""

from typing import TYPE_CHECKING

from floodway.conn.reactor import Admission, make_reactor
from floodway.limits import Limits

if TYPE_CHECKING:
    import asyncio


def new_event_loop() -> "asyncio.SelectorEventLoop":
    """A standard asyncio event loop that waits on a Floodway reactor, for the thread that will run it.

    Pass it where a loop factory is asked for: `asyncio.Runner(loop_factory=floodway.new_event_loop)`, since Python 3.12
    `asyncio.run(main(), loop_factory=...)`, or uvicorn's `--loop floodway:new_event_loop`. Closing the loop ends the
    reactor. Raises OSError when there is no descriptor left for it. Costs about as much memory as any reactor; see
    `Engine`.

    >>> import asyncio
    >>> with asyncio.Runner(loop_factory=new_event_loop) as runner:
    ...     runner.run(asyncio.sleep(0, "done"))
    'done'
    """
    from floodway.conn.standalone_loop import StandaloneLoop  # asyncio takes longer to import than all of Floodway

    core = make_reactor("event-loop", "auto", Limits(), Admission(None, None))
    return StandaloneLoop(core)
