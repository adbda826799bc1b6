"""A sub reactor whose loop is asyncio's: handlers that are called on it find a running event loop.

The loop lives as long as the reactor. When that is told to stop, all connections have ended; what is left are tasks.
They are cancelled, and have a moment to clean up, for which the reactor goes on polling.
"""

import asyncio
import logging
from typing import Final

from floodway.conn.reactor_event_loop import ReactorEventLoop
from floodway.conn.selector import ReactorSelector
from floodway.conn.sub_reactor import SubReactor

logger: Final = logging.getLogger(__name__)

CLEAN_UP_SECONDS: Final = 0.4
"""How long cancelled tasks may clean up, and asynchronous generators after them. Both together are less than the time
after which the shutdown says that a thread is stuck."""


class LoopReactor(SubReactor):
    """Polls its connections and calls their handlers from within an asyncio event loop."""

    _is_stopped = False

    def run(self) -> None:
        """Run the event loop until this reactor is told to stop, then end its tasks and close it."""
        loop = self._loop = ReactorEventLoop(self.core, ReactorSelector(self.core, self._calls, self._fail, self._stop))
        try:
            while not self._is_stopped:  # `loop.stop()` is not for applications: the engine's stop is
                self._run(loop)
            loop.create_task(_clean_up()).add_done_callback(lambda _: loop.stop())
            self._run(loop)
        finally:
            loop.close()

    def _run(self, loop: ReactorEventLoop) -> None:
        try:
            loop.run_forever()
        except (KeyboardInterrupt, SystemExit) as error:  # a task raised it
            self._failures.handle(self.core, loop, error)

    def _fail(self, target: object, error: BaseException) -> None:
        self._failures.handle(self.core, target, error)

    def _stop(self) -> None:
        self._is_stopped = True
        self._loop.stop()


async def _clean_up() -> None:
    """Cancel every other task and wait for them, then for asynchronous generators, each for a bounded time."""
    loop = asyncio.get_running_loop()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await _wait("tasks", tasks)
    for task in tasks:
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            loop.call_exception_handler(
                {"message": "a task raised while it was cancelled", "exception": error, "task": task}
            )
    await _wait("asynchronous generators", {loop.create_task(loop.shutdown_asyncgens())})


async def _wait(what: str, tasks: set[asyncio.Task[None]]) -> None:
    if not tasks:
        return
    _, pending = await asyncio.wait(tasks, timeout=CLEAN_UP_SECONDS)
    if pending:
        logger.warning(
            "%d %s have not ended within %s s and are left: %s", len(pending), what, CLEAN_UP_SECONDS, pending
        )
