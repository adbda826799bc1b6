"""The lifespan protocol: the application starts before the first connection and ends after the last one.

An application that raises at the first event does not speak it, and is served without (ASGI, lifespan, "Scope").
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

from floodway.app.application import failed
from floodway.errors import ApplicationError

logger: Final = logging.getLogger(__name__)

FAILED_SECONDS: Final = 1.0
"""How long an application that could not start may take to raise its reason."""

Message: TypeAlias = dict[str, Any]  # Any: what each kind of message has
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]


class Lifespan:
    """One run of an application, on one event loop. Entering it starts the application, leaving it ends that."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self.state: dict[str, Any] = {}  # Any: whatever the application keeps there
        """What the application has put there while it started; every request gets a shallow copy."""
        self._events: asyncio.Queue[Message] = asyncio.Queue()
        self._answers: asyncio.Queue[Message] = asyncio.Queue()
        self._expected: tuple[str, ...] = ()  # the kinds of messages that answer the last event
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start the application. Raises ApplicationError if it says that it cannot."""
        self._task = asyncio.get_running_loop().create_task(self._run())
        try:
            answer = await self._ask("lifespan.startup")
        except asyncio.CancelledError:
            await self._end(0)
            raise
        if answer is None:
            error = self._task.exception()
            self._task = None
            if error is not None:
                logger.info("the application does not speak lifespan (%s: %s)", type(error).__name__, error)
        elif answer["type"] == "lifespan.startup.failed":
            error = await self._end(FAILED_SECONDS)
            text = answer.get("message") or "it said lifespan.startup.failed"
            if error is not None:
                raise failed(f"the application could not start: {text}", error)
            raise ApplicationError(f"the application could not start: {text}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the application. What it raises then is logged."""
        if self._task is None:
            return
        answer = await self._ask("lifespan.shutdown")
        failure = await self._end()
        if answer is not None and answer["type"] == "lifespan.shutdown.failed":
            logger.error("the application failed to end: %s", answer.get("message") or "it did not say why")
        elif failure is not None:
            logger.error("the application raised while it ended", exc_info=failure)

    async def _ask(self, kind: str) -> Message | None:
        """Send an event and wait for its answer. None: the application has ended instead."""
        task = self._task
        if task is None or task.done():
            return None
        self._expected = f"{kind}.complete", f"{kind}.failed"
        self._events.put_nowait({"type": kind})
        answer = asyncio.get_running_loop().create_task(self._answers.get())
        await asyncio.wait({answer, task}, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        answer.cancel()
        return None

    async def _end(self, seconds: float | None = None) -> BaseException | None:
        """Wait for the application's end, then make one. Returns what it raised."""
        if self._task is None:
            return None
        task, self._task = self._task, None
        try:
            await asyncio.wait({task}, timeout=seconds)
        finally:
            task.cancel()
        await asyncio.wait({task})
        return None if task.cancelled() else task.exception()

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        await self._application(scope, self._events.get, self._send)

    async def _send(self, message: Message) -> None:
        if message["type"] not in self._expected:
            expected = " or ".join(self._expected) or "nothing"
            raise RuntimeError(f"{message['type']!r} cannot be sent now in a lifespan; {expected} is expected")
        self._expected = ()
        self._answers.put_nowait(message)
