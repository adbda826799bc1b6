"""A worker's ear: the thread that does what the supervisor says, also while callbacks or an import take their time.

It ends the process within two seconds once the supervisor is gone. That is noticed on the channel, whose other end only
the supervisor holds; PR_SET_PDEATHSIG alone would miss a supervisor that died before it was set.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from queue import Empty, SimpleQueue
from typing import Final

from floodway.app.workers.channel import Channel, Fields, Message
from floodway.app.workers.reports import report_of, service_stats
from floodway.conn.dispatcher import Destinations
from floodway.conn.engine import Engine
from floodway.conn.held_listener import HeldListener
from floodway.conn.stats import ServiceStats

logger: Final = logging.getLogger(__name__)

ORPHAN_GRACE_SECONDS: Final = 1.0
ORPHAN_SECONDS: Final = 1.75
"""When a worker without a supervisor ends at the latest, whatever its callbacks do."""


class Control:
    """Both directions of a worker's channel. Methods from any thread; the thread of its own starts with `start`."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._engine: Engine | None = None
        self._listeners: Sequence[HeldListener] = ()
        self._destinations: Destinations | None = None
        self._lock = threading.Lock()  # guards the step to `_serves`, and what was asked before it
        self._serves = False
        self._grace: float | None = None  # how a stop was asked for that came before there was anything to stop
        self._asked = threading.Lock()  # one question for the service at a time
        self._answers: SimpleQueue[Message] = SimpleQueue()
        self._question = 0
        self._orders: dict[str, Callable[[Message], None]] = {
            "stop": lambda message: self._stop(message.fields["grace"]),
            "cover": self._cover,
            "uncover": self._uncover,
            "seat": self._add_seat,
            "look": self._look,
            "report": lambda message: self._report(message.fields),
            "part": self._answers.put,
            "whole": self._answers.put,
        }
        self._thread = threading.Thread(target=self._listen, name="floodway-control", daemon=True)

    def start(self) -> None:
        """Start to listen."""
        self._thread.start()

    def attach(
        self, engine: Engine, listeners: Sequence[HeldListener], destinations: Destinations | None = None
    ) -> None:
        """Say what the supervisor's orders are about, before the engine starts: from here on it is what a stop ends.

        `listeners` are those of addresses for which every worker has a socket of its own; `destinations` are the
        accepting process's.
        """
        engine._ask_service = self._ask_service  # noqa: SLF001 - made for workers
        engine._tell_exhausted = partial(self.tell, "exhausted")  # noqa: SLF001 - the same
        engine._tell_spent = partial(self.tell, "spent")  # noqa: SLF001 - the same
        with self._lock:
            self._engine, self._listeners, self._destinations = engine, listeners, destinations

    def serves(self, engine: Engine) -> None:
        """The engine has started: tell the supervisor, and do what it has asked for meanwhile."""
        with self._lock:
            self._serves = True
            grace = self._grace
        if grace is not None:
            engine.stop(grace)
        self.tell("ready")

    def tell(self, kind: str, **fields: object) -> None:
        """Tell the supervisor."""
        self._channel.send(kind, (), **fields)

    def _listen(self) -> None:
        try:
            while True:
                for message in self._channel.receive():
                    self._obey(message)
        except EOFError:
            self._end_as_orphan()

    def _obey(self, message: Message) -> None:
        try:
            self._orders[message.kind](message)
        except Exception:
            logger.exception("could not do what the supervisor asked for: %s", message.kind)

    def _cover(self, message: Message) -> None:
        if not message.sockets:
            self.tell("exhausted")  # somebody else has to
            return
        for listener, socket in zip(self._listeners, message.sockets, strict=True):
            listener.cover(message.fields["index"], socket)

    def _uncover(self, message: Message) -> None:
        for listener in self._listeners:
            listener.uncover(message.fields["index"])

    def _add_seat(self, message: Message) -> None:
        if self._destinations is not None and message.sockets:
            self._destinations.add_seat(message.fields["index"], message.sockets)
        for near in message.sockets:
            near.close()

    def _look(self, _: Message) -> None:
        if self._engine is not None:
            self._engine._look_again()  # noqa: SLF001 - made for workers

    def _stop(self, grace: float) -> None:
        with self._lock:
            if self._engine is None:
                os._exit(0)  # it only imports: there is nobody to wait for
            if not self._serves:
                # `serves` repeats what came too early even to end the wait for a lifespan.
                self._grace = grace if self._grace is None else min(grace, self._grace)
        self._engine.stop(grace)

    def _report(self, fields: Fields) -> None:
        if self._engine is not None and self._engine.is_started:
            report = report_of(self._engine, stacks=fields["stacks"])
            self.tell("report", survey=fields["survey"], **report)

    def _ask_service(self, timeout: float) -> ServiceStats:
        """Have the supervisor ask every worker, this one included."""
        with self._asked:
            self._question += 1
            question, parts = self._question, list[Fields]()
            deadline = time.monotonic() + timeout + 1.0  # the supervisor ends the survey after `timeout`
            self.tell("survey", question=question, timeout=timeout)
            while True:
                try:
                    message = self._answers.get(timeout=max(0.0, deadline - time.monotonic()))
                except Empty:
                    raise TimeoutError(f"the supervisor did not answer within {timeout} seconds") from None
                if message.fields["question"] != question:
                    continue  # the answer to one whose asker has given up
                if message.kind == "whole":
                    return service_stats(parts, message.fields)
                parts.append(message.fields)

    def _end_as_orphan(self) -> None:
        end = time.monotonic() + ORPHAN_SECONDS
        try:
            logger.error("the supervisor is gone; ending")
            if self._engine is not None:
                self._engine.stop(ORPHAN_GRACE_SECONDS)  # the main thread ends the process once it has stopped
                time.sleep(max(0.0, end - time.monotonic()))
        finally:
            os._exit(1)
