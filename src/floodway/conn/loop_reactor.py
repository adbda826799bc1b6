"""A sub reactor whose loop is asyncio's: handlers that are called on it find a running event loop.

The loop lives as long as the reactor. Before anything is accepted the handlers' lifespans are entered, and after the
last connection they are left. When the reactor is told to stop, what remains are tasks: they are cancelled, and have a
moment to clean up, for which the reactor goes on polling.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from queue import Empty, SimpleQueue
from socket import socket
from typing import Final

from floodway.conn.engine_event_loop import EngineEventLoop
from floodway.conn.failures import Failures
from floodway.conn.main_thread import take_calls
from floodway.conn.reactor import Reactor, Source
from floodway.conn.route import HandlerLike, Route
from floodway.conn.selector import ReactorSelector
from floodway.conn.sub_reactor import SubReactor
from floodway.conn.worker_pool import WorkerPool

logger: Final = logging.getLogger(__name__)

CLEAN_UP_SECONDS: Final = 0.4
"""How long cancelled tasks may clean up, and asynchronous generators after them. Both together are less than the time
after which the shutdown says that a thread is stuck."""

READY_STEP_SECONDS: Final = 0.05
"""How often who waits for the lifespans looks whether the engine was told to stop."""


class LoopReactor(SubReactor):
    """Polls its connections and calls their handlers from within an asyncio event loop."""

    def __init__(self, core: Reactor, failures: Failures, pool: WorkerPool | None) -> None:
        super().__init__(core, failures, pool)
        self._is_stopped = False
        self._has_entered = False
        self._gave_up = False
        self._has_left = False
        self._handlers: list[HandlerLike] = []
        self._lifespans = AsyncExitStack()
        self._ready: SimpleQueue[BaseException | None] = SimpleQueue()

    def add_route(self, route: Route) -> None:
        """Know this route from now on. The lifespans of handlers that come once it runs are not entered."""
        super().add_route(route)
        if not any(route.handler is handler for handler in self._handlers):
            self._handlers.append(route.handler)

    def accept_on(self, listener: socket, route: Route, source: Source = "listening", seat: int = 0) -> int:
        """As any reactor; while the lifespans are being entered nothing is accepted."""
        number = super().accept_on(listener, route, source, seat)
        if not self._has_entered:
            self.core.pause_accepting()
        return number

    def wait_ready(self, is_stopping: Callable[[], bool]) -> None:
        """Return when every lifespan has been entered, or is not to be any more. Raises what one of them has raised."""
        while True:
            try:
                error = self._ready.get(timeout=READY_STEP_SECONDS)
            except Empty:
                take_calls()
                if is_stopping():
                    return self.core.call_soon(self._give_up)
            else:
                if error is not None:
                    raise error
                return None

    def leave(self) -> None:
        """Leave the lifespans."""
        self.core.call_soon(self._begin_to_leave)

    @property
    def has_left(self) -> bool:
        """Whether every lifespan has been left."""
        return self._has_left

    def run(self) -> None:
        """Run the event loop until this reactor is told to stop, then end its tasks and close it."""
        loop = self._loop = EngineEventLoop(self.core, ReactorSelector(self.core, self._calls, self._fail, self._stop))
        try:
            self._entering = loop.create_task(self._enter())
            try:
                loop.run_until_complete(self._entering)
            except BaseException as error:  # noqa: BLE001 - for who waits for it
                if not self._gave_up:
                    loop.run_until_complete(_clean_up())
                    return self._ready.put(error)
            else:
                self._has_entered = True
                self.core.resume_accepting()
                self._ready.put(None)
            while not self._is_stopped:  # `loop.stop()` is not for applications: the engine's stop is
                self._run(loop)
            loop.create_task(_clean_up()).add_done_callback(lambda _: loop.stop())
            self._run(loop)
        finally:
            loop.close()
        return None

    async def _enter(self) -> None:
        for handler in self._handlers:
            lifespan = handler.lifespan()
            if lifespan is not None:
                await self._lifespans.enter_async_context(lifespan)

    def _give_up(self) -> None:
        self._gave_up = True
        self._entering.cancel()

    def _begin_to_leave(self) -> None:
        self._leaving = self._loop.create_task(self._leave())

    async def _leave(self) -> None:
        await asyncio.wait({self._entering})
        try:
            await self._lifespans.aclose()
        except Exception:
            logger.exception("a lifespan raised while it was left")
        self._has_left = True

    def _run(self, loop: EngineEventLoop) -> None:
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
