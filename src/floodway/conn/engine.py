"""The engine: the one runtime object. Builds reactors as its options say, starts, drains and stops them.

It never touches a connection's descriptor: reactors own those. Read next: `main_reactor`, `sub_reactor`, `shutdown`.
"""

import atexit
import enum
import logging
import math
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Final, Self, Unpack

from floodway.base import platform
from floodway.base.address import Address, TcpAddress, parse
from floodway.base.tls import ClientTLS, TLSConfig
from floodway.config import ListenerFields, Options, reject_unknown, sort_options
from floodway.conn.attendant import Attendant
from floodway.conn.balancing import Balancer, LeastConnections
from floodway.conn.connection import Connection
from floodway.conn.connector import Connector
from floodway.conn.failures import Failures
from floodway.conn.handlers import Handlers
from floodway.conn.held_listener import HeldListener
from floodway.conn.listener import Listener
from floodway.conn.main_thread import Event
from floodway.conn.model import Model, choose_model
from floodway.conn.reactor import Reactor
from floodway.conn.route import FramingLike, HandlerLike, Route, check_handler
from floodway.conn.running import Place, Running, build
from floodway.conn.stats import EngineStats, ServiceStats, service_of_one
from floodway.conn.tls_endpoints import TlsEndpoints, check_tls_is_used, client_tls, server_name
from floodway.errors import NotStopped
from floodway.limits import Limits

logger: Final = logging.getLogger(__name__)

EXIT_GRACE_SECONDS: Final = 1.0
"""How long busy connections have when the interpreter exits under a running engine."""

STOP_STEP_SECONDS: Final = 0.05
"""How often `join` looks, once the engine was told to stop, whether it is stuck."""


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
    these addresses, `tls` is for those that are `tls://`. Options are the fields of `EngineOptions`, `ListenerOptions`
    and `Limits`; a single limit overrides the one in `limits`. Costs about 2 MB of memory a reactor.

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
        tls: TLSConfig | None = None,
        **options: Unpack[Options],
    ) -> None:
        if handler is not None:
            check_handler(handler, "Engine()")
        self._options, self._listener_options, self._limits = sort_options(options, limits, "Engine()")
        self._handler = handler
        self._balancer = balancer or LeastConnections()
        self._lock = threading.Lock()  # guards the step from NEW to STARTING; never held while a callback runs
        self._state = State.NEW
        self._process = os.getpid()
        self._listeners: list[Listener | HeldListener] = []
        # Set where this is one of several workers.
        self._ask_service: Callable[[float], ServiceStats] | None = None
        self._tell_exhausted: Callable[[], None] | None = None
        self._tell_spent: Callable[[], None] | None = None
        self._place = Place()
        self._ending: BaseException | None = None
        self._stopped = Event()
        self._running: Running | None = None
        self._attendant: Attendant | None = None
        self._handlers = Handlers()
        self._connector = Connector(self._limits, self._listener_options)
        self._tls = TlsEndpoints(tls)
        parsed = [parse(address) for address in addresses]
        if tls is not None:
            check_tls_is_used(parsed)
        for address in parsed:
            self.listen(address, framing=framing)

    def start(self) -> None:
        """Bind every address, call the handlers' `on_start`, start the threads, and enter the handlers' lifespans.

        Raises ListenError for an address that cannot be had, and whatever `on_start` or a lifespan raises; the engine
        is then as before. RuntimeError if it was started before. A `stop` from elsewhere ends the wait for a lifespan:
        this returns, and the engine stops.
        """
        self._check_process()
        with self._lock:
            if self._state is not State.NEW:
                raise RuntimeError(f"this engine was started before (it is {self._state.value}); make a new Engine")
            self._state = State.STARTING
            self._process = os.getpid()
        try:
            self._running = build(
                self._options,
                self.model,
                self._limits,
                self._balancer,
                Failures(self._stop_because_of, self._on_exhausted),
                self._place,
            )
            self._attendant = self._running.attendant(self._options, self._end)
            reactors = self._running.reactors
            listeners = list(self._listeners)
            for listener in listeners:
                listener.open(reactors)
            for handler in [*filter(None, [self._handler]), *(listener.route.handler for listener in listeners)]:
                self._handlers.start(handler, self)
            self._running.admission.sit()
            for listener in listeners:
                listener.hand_out(reactors)
            reactors.start(partial(self._running.shutdown.wait_requested, 0))
        except BaseException:
            if self._running is not None:
                self._running.reactors.end()
            self._handlers.stop()
            self._release()
            self._running = self._attendant = None
            self._state = State.NEW
            raise
        self._state = State.RUNNING
        atexit.register(self._stop_at_exit)
        self._attendant.start()  # last: a request to stop that came meanwhile is acted upon from here on

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
        limit = math.inf if timeout is None else time.monotonic() + timeout
        if not self._wait_requested(limit):
            raise TimeoutError(f"the engine still serves after {timeout} seconds; call stop() first")
        while not self._stopped.wait(STOP_STEP_SECONDS):
            # Who gives a time waits that long: what is stuck may come loose meanwhile.
            if time.monotonic() > limit if timeout is not None else running.shutdown.is_overdue:
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
        tls: TLSConfig | None = None,
        **options: Unpack[ListenerFields],
    ) -> None:
        """Listen on an address too: from `start` on, or at once if the engine runs.

        With `tls` it is encrypted, whatever its scheme. What is left out is the engine's, of which `tls` is for `tls://`
        alone; `framing` is the handler's. Of `limits` those that concern the process
        or a reactor are not looked at. Raises ListenError, at once or from `start`.
        """
        self._check_process()
        handler = handler or self._handler
        if handler is None:
            raise ValueError(f"nobody to serve {address}; pass handler=, here or to Engine()")
        check_handler(handler, "listen()")
        reject_unknown(options, set(ListenerFields.__annotations__), "listen()")
        chosen = replace(self._listener_options, **options)
        parsed = parse(address)
        if tls is not None and isinstance(parsed, TcpAddress):
            parsed = replace(parsed, tls=True)
        framing = framing or handler.framing
        endpoint = self._tls.of(parsed, tls, framing.alpn)
        route = Route(handler=handler, framing=framing, limits=limits or self._limits, options=chosen, tls=endpoint)
        listener = Listener(parsed, route)
        with self._lock:
            self._provide_for(handler)
            if self._state is State.NEW:
                self._listeners.append(listener)
                return
        reactors = self._serving_one("listen").reactors
        try:
            listener.open(reactors)
            self._handlers.start(handler, self)
        except BaseException:
            listener.close()
            raise
        self._listeners.append(listener)
        listener.hand_out(reactors)

    def connect(
        self,
        address: str | Address,
        handler: HandlerLike,
        *,
        timeout: float | None = 10.0,
        reactor: Reactor | None = None,
        user_data: object = None,
        tls: bool | ClientTLS | None = None,
    ) -> Connection:
        """Connect, and return at once a connection in the state "opening"; what is written to it meanwhile is queued.

        Success is the handler's `on_open`; failure is `on_close` alone, with ConnectTimeout after `timeout` seconds,
        socket.gaierror for a name that is unknown, the system's error, or TLSError. `reactor` owns it; without, the
        reactor of the calling thread, or the least loaded. Names resolve on another thread.

        `tls=True`, the default for a `tls://` address, encrypts it and believes a server whose certificate is for this
        host and leads to one of the system's roots; a `ClientTLS` says otherwise. `on_open` comes after the handshake.

        A handler object is meant to serve many connections: what belongs to one goes into `user_data`. RuntimeError
        beyond 128 different objects.
        """
        check_handler(handler, "connect()")
        parsed = parse(address)
        reactors = self._serving_one("connect").reactors
        self._provide_for(handler)
        wanted = client_tls(parsed, tls)
        route = self._connector.route_for(handler, wanted, reactors)
        self._handlers.start(handler, self)
        name = None if wanted is None else server_name(parsed, wanted)
        return self._connector.connect(parsed, route, reactors.choose(reactor), timeout, user_data, name)

    def reload_tls(self) -> None:
        """Read the files of every listener's TLS again, for connections that are accepted from now on.

        Those that exist stay as they are. Raises OSError or ValueError for a file that cannot be used; then nothing has
        changed.
        """
        self._check_process()
        self._tls.reload()

    def _provide_for(self, handler: HandlerLike) -> None:
        """See to it that reactors run event loops, if the handler needs one, and no threads, if it has its own."""
        if handler.own_threads and self._state is State.NEW:
            self._options = replace(self._options, threads=0, sub_reactors=self._options.sub_reactors or 0)
        if not handler.event_loop or self._options.event_loop:
            return
        if self._state is not State.NEW:
            raise RuntimeError(
                f"{handler!r} needs an event loop and this engine runs none; make it with event_loop=True"
            )
        self._options = replace(self._options, event_loop=True)

    def call_soon(self, function: Callable[[], object], reactor: Reactor | None = None) -> None:
        """Make this call on the thread of `reactor`, or of one of the engine's choice. What it raises is logged."""
        self._serving_one("call_soon").reactors.choose(reactor).core.call_soon(function)

    @property
    def addresses(self) -> tuple[Address, ...]:
        """What is listened on, with the port that port 0 became and an entry for each address of a name."""
        return tuple(address for listener in self._listeners for address in listener.bound)

    @property
    def is_started(self) -> bool:
        """Whether it serves, or did: there are statistics then."""
        return self._running is not None

    @property
    def is_worker(self) -> bool:
        """Whether it serves in one of several processes (`workers=`)."""
        return self._ask_service is not None

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

    def service_stats(self, timeout: float = 1.0) -> ServiceStats:
        """The statistics of all worker processes of the service, asked for now. Without `workers=`: of this one.

        Waits for the other processes, `timeout` seconds at most; who has not answered by then is in `missing`. From any
        thread; on a reactor's thread that reactor serves nobody meanwhile.
        """
        running = self._started_one("service_stats")
        if self._ask_service is None:
            return service_of_one(os.getpid(), running.stats())
        return self._ask_service(timeout)

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

    def _wait_requested(self, limit: float = math.inf) -> bool:
        """Wait until the engine is told to stop. False once `limit`, a time of time.monotonic(), is over."""
        timeout = None if limit == math.inf else max(0.0, limit - time.monotonic())
        return self._started_one("join").shutdown.requested.wait(timeout)

    def _wait_closed(self) -> None:
        """Wait until the listeners are closed, once the engine was told to stop."""
        self._started_one("join").shutdown.has_closed.wait()

    @property
    def _seconds_left(self) -> float:
        """How long what is busy may still take; without end while it serves."""
        return max(0.0, self._started_one("stop").shutdown.deadline - time.monotonic())

    @property
    def _uses_tls(self) -> bool:
        """Whether there are certificates to read again."""
        return not self._tls.is_empty

    def _look_again(self) -> None:
        """Look whether somebody waits at the sockets that are shared with other processes."""
        for reactor in self._started_one("look again").reactors.accepting:
            reactor.core.call_soon(reactor.core.look_again)

    def _hold(self, listener: HeldListener) -> None:
        """Accept on a socket that the supervisor holds, from `start` on. Before `start`."""
        self._provide_for(listener.route.handler)
        self._listeners.append(listener)

    def _stop_because_of(self, error: BaseException) -> None:
        """A callback raised SystemExit or KeyboardInterrupt, or a reactor's loop broke: `join` raises it."""
        self._ending = self._ending or error
        self.stop(None if isinstance(error, (KeyboardInterrupt, SystemExit)) else 0)

    def _on_exhausted(self) -> None:
        """On a reactor's thread: accepting pauses for want of descriptors or memory."""
        if self._tell_exhausted is not None:
            self._tell_exhausted()

    def _retire(self) -> None:
        """It has served what it should: stop, as soon as another worker has taken the place if this is one."""
        logger.info("limit_max_requests is reached")
        if self._tell_spent is not None:
            self._tell_spent()
        else:
            self.stop()

    def _end(self) -> None:
        """On the attendant's thread, once every other thread has ended."""
        try:
            self._handlers.stop()
            self._release()
        except Exception as error:
            logger.exception("the engine did not stop in order")
            self._ending = self._ending or error
        finally:
            self._state = State.STOPPED
            logger.info("stopped")
            atexit.unregister(self._stop_at_exit)
            self._stopped.set()

    def _release(self) -> None:
        """Give back what threads no longer use: listening sockets, socket files, the reactors' descriptors."""
        for listener in self._listeners:
            listener.close()
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
