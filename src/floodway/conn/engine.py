"""The engine: the one runtime object. Builds reactors as its options say, starts, drains and stops them.

It never touches a connection's descriptor: reactors own those. Read next: `main_reactor`, `sub_reactor`, `shutdown`.
"""

import atexit
import enum
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Final, Self, Unpack

from floodway.base import platform
from floodway.base.address import Address, parse
from floodway.config import ListenerFields, Options, reject_unknown, sort_options
from floodway.conn.acceptor import Acceptor
from floodway.conn.attendant import Attendant
from floodway.conn.balancing import Balancer, LeastConnections
from floodway.conn.connection import Connection
from floodway.conn.connector import Connector
from floodway.conn.model import Model, choose_model
from floodway.conn.reactor import Reactor
from floodway.conn.route import FramingLike, HandlerLike, Route, check_handler
from floodway.conn.running import Running, build
from floodway.conn.stats import EngineStats
from floodway.errors import NotStopped
from floodway.limits import Limits

logger: Final = logging.getLogger(__name__)

EXIT_GRACE_SECONDS: Final = 1.0
"""How long busy connections have when the interpreter exits under a running engine."""

MAX_OUTGOING_HANDLERS: Final = 128
"""Handler objects that `connect` takes; each has a route for as long as the engine lives, and routes are few."""


class State(enum.Enum):
    """Where an engine is in its life; `Phase` says more about the end of it."""

    NEW = "new"
    STARTING = "starting"
    RUNNING = "running"
    STOPPED = "stopped"


class Engine:
    """Listens, connects and serves, on threads of its own, until it is stopped.

    A context manager; every method is safe from any thread, and from callbacks.

    `handler` serves the `addresses` given here and is the default of `listen`. `framing` overrides the handler's for
    these addresses. Options are the fields of `EngineOptions`, `ListenerOptions` and `Limits`; a single limit overrides
    the one in `limits`. Costs about 2 MB of memory a reactor.

    >>> from floodway.app.echo import Echo
    >>> with Engine(Echo(), "tcp://127.0.0.1:0", idle_timeout=60) as engine:
    ...     host, port = engine.addresses[0].host, engine.addresses[0].port
    """

    def __init__(
        self,
        handler: HandlerLike | None = None,
        *addresses: str | Address,
        balancer: Balancer | None = None,
        framing: FramingLike | None = None,
        limits: Limits | None = None,
        **options: Unpack[Options],
    ) -> None:
        if handler is not None:
            check_handler(handler, "Engine()")
        self._options, self._listener_options, self._limits = sort_options(options, limits, "Engine()")
        self._handler = handler
        self._balancer = balancer or LeastConnections()
        self._lock = threading.Lock()  # guards what follows; never held while a callback runs
        self._state = State.NEW
        self._process = os.getpid()
        self._listeners: list[tuple[Acceptor, Route]] = []
        self._started: list[HandlerLike] = []  # those whose on_start was called
        self._outgoing: dict[int, Route] = {}  # by the id of the handler, which the route keeps alive
        self._ending: BaseException | None = None
        self._stopped = threading.Event()
        self._running: Running | None = None
        self._attendant: Attendant | None = None
        self._connector = Connector()
        for address in addresses:
            self.listen(address, framing=framing)

    def start(self) -> None:
        """Bind every address, call the handlers' `on_start`, then start the threads. Returns at once.

        Raises ListenError for an address that cannot be had, and whatever `on_start` raises; the engine is then as
        before. RuntimeError if it was started before.
        """
        self._check_process()
        with self._lock:
            if self._state is not State.NEW:
                raise RuntimeError(f"this engine was started before (it is {self._state.value}); make a new Engine")
            self._state = State.STARTING
            self._process = os.getpid()
        try:
            self._running = build(self._options, self.model, self._limits, self._balancer, self._stop_because_of)
            self._attendant = self._running.attendant(self._options, self._end)
            with self._lock:
                listeners = list(self._listeners)
                for acceptor, route in listeners:
                    self._open(acceptor, route)
            for handler in [*filter(None, [self._handler]), *(route.handler for _, route in listeners)]:
                self._start_handler(handler)
            for acceptor, route in listeners:
                self._hand_out(acceptor, route)
            self._running.reactors.start()
            self._attendant.start()
        except BaseException:
            self._call_on_stop()
            self._release()
            self._running = self._attendant = None
            self._state = State.NEW
            raise
        self._state = State.RUNNING
        atexit.register(self._stop_at_exit)

    def stop(self, grace: float | None = None) -> None:
        """Ask the engine to stop within `grace` seconds (None: `Limits.grace`) and return at once.

        Listeners close, idle connections close, busy ones finish; at the deadline the rest is aborted. Calling it
        again can only bring the deadline nearer. Also from a callback or a signal handler. Before `start` and after the
        end it does nothing.
        """
        self._check_process()
        if grace is None:
            grace = self._limits.grace
        if grace < 0:
            raise ValueError(f"grace is {grace}; it has to be 0 seconds or more")
        if self._running is not None and self._state is not State.STOPPED:
            self._running.shutdown.request(grace)

    def join(self, timeout: float | None = None) -> None:
        """Wait until the engine has stopped, for `timeout` seconds at most (None: for as long as it serves).

        Raises TimeoutError after that time. If the engine was told to stop it is a NotStopped, which names the thread
        that is stuck; it comes without `timeout` too, when a callback does not return although the time to stop is
        over. If a callback raised SystemExit or KeyboardInterrupt, raises that.
        """
        running = self._started_one("join")
        if running.is_own_thread or (self._attendant is not None and self._attendant.is_current):
            raise RuntimeError("join() in a callback would wait for itself; call stop() there and join() elsewhere")
        limit = None if timeout is None else time.monotonic() + timeout
        if not running.shutdown.requested.wait(timeout):
            raise TimeoutError(f"the engine still serves after {timeout} seconds; call stop() first")
        while not self._stopped.wait(0.05):
            if running.shutdown.is_overdue or (limit is not None and time.monotonic() > limit):
                raise NotStopped(_why_not_stopped(running))
        ending, self._ending = self._ending, None
        if ending is not None:
            raise ending

    def listen(
        self,
        address: str | Address,
        *,
        handler: HandlerLike | None = None,
        framing: FramingLike | None = None,
        limits: Limits | None = None,
        **options: Unpack[ListenerFields],
    ) -> None:
        """Listen on an address too: from `start` on, or at once if the engine runs.

        What is left out is the engine's; `framing` is the handler's. Of `limits` those that concern the process
        or a reactor are not looked at. Raises ListenError, at once or from `start`.
        """
        self._check_process()
        handler = handler or self._handler
        if handler is None:
            raise ValueError(f"nobody to serve {address}; pass handler=, here or to Engine()")
        check_handler(handler, "listen()")
        reject_unknown(options, set(ListenerFields.__annotations__), "listen()")
        chosen = replace(self._listener_options, **options)
        limits = limits or self._limits
        route = Route(handler=handler, framing=framing or handler.framing, limits=limits, options=chosen)
        acceptor = Acceptor(parse(address), chosen, limits.backlog)
        with self._lock:
            if self._state is State.NEW:
                self._listeners.append((acceptor, route))
                return
            self._serving_one("listen")
            self._open(acceptor, route)
            self._listeners.append((acceptor, route))
        self._start_handler(handler)
        self._hand_out(acceptor, route)

    def connect(
        self,
        address: str | Address,
        handler: HandlerLike,
        *,
        timeout: float | None = 10.0,
        reactor: Reactor | None = None,
        user_data: object = None,
    ) -> Connection:
        """Connect, and return at once a connection in the state "opening"; what is written to it meanwhile is queued.

        Success is the handler's `on_open`; failure is `on_close` alone, with ConnectTimeout after `timeout` seconds,
        socket.gaierror for a name that is unknown, or the system's error. `reactor` owns it; without, the reactor of
        the calling thread, or the least loaded. Names resolve on another thread.

        A handler object is meant to serve many connections: what belongs to one goes into `user_data`. RuntimeError
        beyond 128 different objects.
        """
        check_handler(handler, "connect()")
        parsed = parse(address)
        with self._lock:
            running = self._serving_one("connect")
            route = self._outgoing.get(id(handler)) or self._add_outgoing(handler)
        self._start_handler(handler)
        return self._connector.connect(parsed, route, running.reactors.choose(reactor), timeout, user_data)

    def call_soon(self, function: Callable[[], object], reactor: Reactor | None = None) -> None:
        """Make this call on the thread of `reactor`, or of one of the engine's choice. What it raises is logged."""
        self._serving_one("call_soon").reactors.choose(reactor).core.call_soon(function)

    @property
    def addresses(self) -> tuple[Address, ...]:
        """What is listened on, with the port that port 0 became and an entry for each address of a name."""
        return tuple(address for acceptor, _ in self._listeners for address in acceptor.bound)

    @property
    def is_started(self) -> bool:
        """Whether it serves, or did: there are statistics then."""
        return self._running is not None

    @property
    def model(self) -> Model:
        """How many reactors and threads the options come down to here."""
        return choose_model(self._options, has_gil=platform.has_gil(), cores=platform.cores())

    def connections(self) -> list[Connection]:
        """The connections that are open now, outgoing ones included."""
        running = self._started_one("connections")
        return [conn for reactor in running.reactors.owning for conn in reactor.core.connections()]

    def stats(self) -> EngineStats:
        """A snapshot of every reactor's counters and of their sums. Cheap enough to take each second."""
        return self._started_one("stats").stats()

    def stacks(self) -> dict[str, str]:
        """The Python stack of every reactor's and worker's thread now, by the thread's name; for the log."""
        return self._started_one("stacks").stacks()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if os.getpid() != self._process:
            return  # the block is left in a forked child: the engine is the parent's
        self.stop()
        if error is None:
            self.join()
        elif not isinstance(error, NotStopped):
            try:
                self.join()
            except Exception:
                logger.exception("while %s was raised, the engine did not stop in order", type(error).__name__)

    def __repr__(self) -> str:
        where = ", ".join(map(str, self.addresses)) or "no addresses"
        state = self._state.value
        if self._state is State.RUNNING and self._running is not None:
            state = self._running.shutdown.phase.value
        return f"<floodway.Engine {state}: {where}>"

    def _open(self, acceptor: Acceptor, route: Route) -> None:
        reactors = self._started_one("listen").reactors
        reactors.add_route(route)
        acceptor.open(len(reactors.accepting))
        logger.info("listening on %s", ", ".join(map(str, acceptor.bound)))

    def _hand_out(self, acceptor: Acceptor, route: Route) -> None:
        """Give each accepting reactor its sockets; it accepts from its next batch on."""
        for index, reactor in enumerate(self._started_one("listen").reactors.accepting):
            for listener in acceptor.sockets_for(index):
                reactor.core.call_soon(reactor.accept_on, listener, route)
        acceptor.release()

    def _add_outgoing(self, handler: HandlerLike) -> Route:
        if len(self._outgoing) == MAX_OUTGOING_HANDLERS:
            raise RuntimeError(
                f"connect() was given {MAX_OUTGOING_HANDLERS} different handler objects; "
                "pass the same one each time, and what belongs to a connection as user_data"
            )
        options = self._listener_options
        route = Route(handler=handler, framing=handler.framing, limits=self._limits, options=options)
        self._started_one("connect").reactors.add_route(route)
        self._outgoing[id(handler)] = route
        return route

    def _start_handler(self, handler: HandlerLike) -> None:
        with self._lock:
            if any(handler is started for started in self._started):
                return
            self._started.append(handler)
        try:
            handler.on_start(self)
        except BaseException:
            self._started.remove(handler)
            raise

    def _stop_because_of(self, error: BaseException) -> None:
        """A callback raised SystemExit or KeyboardInterrupt, or a reactor's loop broke: `join` raises it."""
        self._ending = self._ending or error
        self.stop(None if isinstance(error, (KeyboardInterrupt, SystemExit)) else 0)

    def _end(self) -> None:
        """On the attendant's thread, once every other thread has ended."""
        try:
            self._call_on_stop()
            self._release()
        except Exception as error:
            logger.exception("the engine did not stop in order")
            self._ending = self._ending or error
        finally:
            self._state = State.STOPPED
            logger.info("stopped")
            atexit.unregister(self._stop_at_exit)
            self._stopped.set()

    def _call_on_stop(self) -> None:
        while self._started:
            handler = self._started.pop()
            try:
                handler.on_stop()
            except Exception:
                logger.exception("on_stop of %r raised", handler)

    def _release(self) -> None:
        """Give back what threads no longer use: listening sockets, socket files, the reactors' descriptors."""
        for acceptor, route in self._listeners:
            acceptor.close()
            route.numbers.clear()
        self._connector.stop()
        if self._running is not None:
            self._running.reactors.close()

    def _stop_at_exit(self) -> None:
        if os.getpid() != self._process:
            return
        self.stop(min(EXIT_GRACE_SECONDS, self._limits.grace))
        try:
            self.join()
        except (TimeoutError, KeyboardInterrupt, SystemExit) as error:
            logger.error("the interpreter exits under a running engine: %s", error)

    def _started_one(self, what: str) -> Running:
        """The parts of the engine, if it has been started in this process."""
        self._check_process()
        if self._running is None:
            raise RuntimeError(f"{what}() needs a started engine; call start() first, or use `with engine:`")
        return self._running

    def _serving_one(self, what: str) -> Running:
        """The parts of the engine, if it has not been told to stop."""
        running = self._started_one(what)
        if running.shutdown.requested.is_set():
            raise RuntimeError(f"{what}() after stop(): this engine is done; make a new Engine")
        return running

    def _check_process(self) -> None:
        if os.getpid() != self._process and self._state is not State.NEW:
            raise RuntimeError(
                f"this engine belongs to process {self._process}, which forked this one ({os.getpid()}); "
                "make and start a new Engine in the child, or fork before start()"
            )


def _why_not_stopped(running: Running) -> str:
    stuck = running.shutdown.stuck()
    if stuck:
        return f"the engine could not stop: {', '.join(stuck)} is stuck in a callback"
    return f"the engine has not stopped yet: it is {running.shutdown.phase.value}"
