"""The native core: mechanism only. Policy, and the names users import, live in the Python modules named here.

Every class is imported in exactly one Python module, its home; everyone else imports it from there.
"""

from asyncio import Future, Task
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address
from os import PathLike
from socket import socket
from typing import Any, Final, Literal, Self, TypeAlias, TypeVar, final, overload

from typing_extensions import Buffer

from floodway.base.tls import Credentials, Pem
from floodway.conn.route import FramingLike
from floodway.conn.stats import LoadReport, ReactorStats
from floodway.limits import Limits

# An address as Python's socket module shapes it: (host, port), (host, port, flow, scope) or a path.
Address: TypeAlias = tuple[str, int] | tuple[str, int, int, int] | str | bytes
_T = TypeVar("_T")

# Ceilings: the largest value each limit may be given (home: floodway.limits).
MAX_INPUT_CEILING: Final[int]  # bytes, of `max_input` and every framing's `max_bytes`
MAX_OUTPUT_CEILING: Final[int]  # bytes, of `max_output` and of a single write
READ_CHUNK_CEILING: Final[int]  # bytes
MAX_BATCH_CEILING: Final[int]  # events
MAX_READY_CEILING: Final[int]  # descriptors
MAX_HEAD_CEILING: Final[int]  # bytes
MAX_HEADERS_CEILING: Final[int]
TICK: Final[float]  # seconds, the precision of every timer

# Event kinds that do not belong to a connection (home: floodway.conn.reactor).
EVENT_CALL: Final[int]  # target: the function; payload: its arguments
EVENT_ACCEPTED: Final[int]  # target: the Newcomer; payload: the listener's number
EVENT_NOTICE: Final[int]  # target: a notice's name; payload: its value, for the log
EVENT_FOREIGN: Final[int]  # target: a descriptor's number; payload: selectors.EVENT_READ | selectors.EVENT_WRITE, or 0
# Offsets of a route's events from the number that `add_route` returned.
ROUTE_OPEN: Final[int]  # payload None
ROUTE_DATA: Final[int]  # payload bytes, a LinkBuffer for Buffered, or what HTTP gives
ROUTE_WRITABLE: Final[int]  # payload None
ROUTE_CLOSE: Final[int]  # payload None or the exception
ROUTE_EVENTS: Final[int]  # how many numbers a route takes

@final
class Admission:  # home: floodway.conn.reactor
    """Counts the connections of a process against its limits, from their accept on, newcomers included. Shared by all
    reactors of an engine."""
    def __new__(
        cls, max_connections: int | None, max_connections_per_ip: int | None, seat: tuple[Seats, int, int] | None = None
    ) -> Self:
        """`seat`: where other processes see how many there are, as (seats, seat, generation); generations are above 0, and
        no two processes have the same."""
    def sit(self) -> None:
        """Let other processes hand over connections from now on. Before the first is accepted."""
    @property
    def connections(self) -> int: ...
    @property
    def max_connections(self) -> int | None: ...

@final
class FakeClock:  # home: floodway.base.clock
    """A clock that moves only when told to; a reactor made with it fires timers by it. Any thread."""
    def __new__(cls) -> Self: ...
    def advance(self, seconds: float) -> None: ...
    def now(self) -> float: ...

@final
class EnvironBuilder:  # home: floodway.app.wsgi.environ
    """Makes WSGI environs: copies of a template, with what is different for each request. Any thread."""
    def __new__(cls, template: dict[str, Any], root_path: str = "") -> Self:
        """`root_path`: the value of SCRIPT_NAME, which paths lose that begin with it; no slash at its end."""
    def build(self, request: Request) -> dict[str, Any]:
        """Without `wsgi.input` if the body streams."""

@final
class Framing:  # home: floodway.app.framing
    """A framing in its native form. `max_bytes` bounds one frame without its prefix or terminator."""
    @staticmethod
    def raw() -> Framing: ...
    @staticmethod
    def lines(max_bytes: int) -> Framing: ...
    @staticmethod
    def delimited(delimiter: bytes, max_bytes: int) -> Framing: ...
    @staticmethod
    def fixed(size: int) -> Framing: ...
    @staticmethod
    def length_prefixed(
        size: int, byteorder: Literal["big", "little"], max_bytes: int, includes_header: bool
    ) -> Framing: ...
    @staticmethod
    def buffered() -> Framing: ...
    @staticmethod
    def http1(
        *, whole_bodies: bool, server: bytes | None, queue: RequestQueue | None = None, intake: Intake | None = None
    ) -> Framing: ...

@final
class Newcomer:  # home: floodway.conn.balancing
    """An accepted socket that no reactor owns yet. Closed when dropped without having been adopted."""
    @property
    def fd(self) -> int: ...
    @property
    def peer(self) -> Address: ...

@final
class Request:  # home: floodway.app.message
    """One HTTP request. Any thread may look at it, at any time; one at a time answers it.

    Another that tries to meanwhile gets a RuntimeError.
    """
    @property
    def connection(self) -> Connection: ...
    @property
    def method(self) -> str:
        """Such as "GET"."""
    @property
    def target(self) -> str:
        """As it was sent, such as "/items/a%20b?page=2"."""
    @property
    def path(self) -> str:
        """Without the query, percent-decoded as UTF-8, such as "/items/a b"."""
    @property
    def raw_path(self) -> bytes:
        """Without the query, as it was sent."""
    @property
    def query(self) -> str:
        """Without the question mark, as it was sent; empty if there is none."""
    @property
    def raw_query(self) -> bytes: ...
    @property
    def authority(self) -> str | None:
        """The host that an absolute target names, which goes before the header; None without one."""
    @property
    def http_version(self) -> Literal["1.1", "1.0"]: ...
    @property
    def scheme(self) -> Literal["http", "https"]: ...
    @property
    def peer(self) -> Address | None:
        """The client's address, as `Connection.peer`; behind a proxy that is trusted the one that it names, with port 0."""
    @property
    def headers(self) -> Headers: ...
    @property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """Names in lower case, in the order in which they came."""
    @property
    def body(self) -> bytes:
        """All of it, or in a function that asked to stream it as much as came with the head."""
    def stream(self) -> AsyncIterator[bytes]:
        """The body piece by piece, as it comes, for a coroutine function that asked for it (`floodway.streaming`).

        A body that is there already is one piece. Raises ConnectionClosed where the client leaves before the end.
        """
    @property
    def _more(self) -> bool: ...
    @property
    def _started(self) -> bool: ...
    @property
    def _finished(self) -> bool: ...
    def _read(self) -> None: ...
    def _respond(self, status: int, headers: Iterable[tuple[str | bytes, str | bytes]], body: Buffer) -> bool: ...
    def _respond_file(
        self, status: int, headers: Iterable[tuple[str | bytes, str | bytes]], path: str | PathLike[str]
    ) -> None: ...
    def _start(
        self, status: int, headers: Iterable[tuple[str | bytes, str | bytes]], length: int | None = None
    ) -> bool: ...
    def _send(self, piece: Buffer, more: bool) -> bool: ...
    def _call(self, application: Callable[..., Iterable[bytes]], environ: dict[str, Any]) -> Iterable[bytes] | None: ...
    def _start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]: ...  # Any: what sys.exc_info() returns, or None
    def _write(self, piece: bytes) -> None: ...
    def _put(self, piece: bytes) -> bool: ...
    def _receive(self) -> tuple[bytes, bool]: ...
    def _complete(self, body: bytes) -> None: ...
    def _complete_file(self, fd: int, offset: int, length: int) -> None: ...

@final
class RequestQueue:  # home: floodway.app.http1
    """Requests that wait for a thread. Any thread."""
    def __new__(cls, capacity: int) -> Self:
        """Beyond `capacity` a client gets a 503."""
    def next(self) -> Request | None:
        """Wait for the next request, detached. None: the queue has ended, and nothing is left in it."""
    def end(self) -> None:
        """Let the threads go that wait, once nothing is left in the queue. For good."""

@final
class AsgiContext:  # home: floodway.app.asgi.http
    """What all requests of one event loop have in common."""
    def __new__(
        cls,
        application: Callable[..., Awaitable[None]],
        *,
        template: dict[str, Any] | None,
        state: dict[str, Any],
        create_future: Callable[[], Future[Any]],
        task: type[Task[None]],
        task_options: dict[str, Any],
    ) -> Self:
        """`template`: a scope with every key; its "server" may be None, and is then asked of each connection. None: the
        application is called with the exchange. `task` makes a task of a coroutine and `task_options`."""
    def begin(self, request: Request) -> tuple[AsgiExchange, Task[None] | Exception] | None:
        """Have a request answered by a task. None: it is over already, and the answer complete. In place of the task
        stands the exception that kept it from being made."""

@final
class AsgiExchange:  # home: floodway.app.asgi.http
    """One request and its answer, as ASGI has it. Belongs to the event loop's thread."""
    @property
    def request(self) -> Request: ...
    @property
    def knows(self) -> bool: ...
    @property
    def has_read(self) -> bool: ...
    def receive(self) -> Awaitable[dict[str, Any]]: ...
    def send(self, message: dict[str, Any]) -> Awaitable[None]: ...
    def on_body(self, piece: bytes, more: bool) -> None: ...
    def on_writable(self) -> None: ...
    def on_left(self) -> None: ...
    def on_close(self) -> None: ...

@final
class Intake:  # home: floodway.app.intake
    """What happens to the HTTP requests of a listener around the application. Any thread."""
    def __new__(cls, *, log: bool, limit: int | None, trusted: list[str] | None) -> Self: ...
    def expect(self, requests: int, spent: Callable[[], object]) -> None:
        """Call `spent` once, on the thread that takes the last one in, when so many requests more have been taken in."""
    @property
    def lost(self) -> int:
        """Answers that were too many to wait for the log."""
    def take(self) -> list[tuple[float, float, str | None, str, str, str, int, int, str | None, str | None]] | None:
        """Wait for answers and return them: end by time.time(), seconds, client, method, target, version, status, bytes
        of the body, referer, user agent. None once closed and empty."""
    def close(self) -> None:
        """Let `take` end, and forget what `expect` was given."""

@final
class Headers(Mapping[str, str]):  # home: floodway.app.message
    """A request's headers: a mapping from names, in any case, to text. Several values of a name are joined by commas."""
    def __getitem__(self, name: str, /) -> str: ...
    def __contains__(self, name: object, /) -> bool: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...
    @overload
    def get(self, name: str, default: None = None, /) -> str | None: ...
    @overload
    def get(self, name: str, default: str | _T, /) -> str | _T: ...
    def get_all(self, name: str) -> list[str]:
        """Every value of a header, in the order in which they came; empty if there is none."""

@final
class Seats:  # home: floodway.conn.dispatcher
    """The loads of several processes, in memory that processes forked after this share."""
    def __new__(cls, seats: int) -> Self: ...
    def vacate(self, seat: int, generation: int) -> None:
        """The process of this generation has ended. Nothing happens if another sits there by now."""
    def open(self, seats: int) -> tuple[list[int], list[int]]:
        """Of the first `seats` seats those to which sockets may be handed over now, and their loads."""
    def give(self, seat: int, sockets: int) -> None:
        """Count so many sockets as on their way."""
    def take_back(self, seat: int, sockets: int) -> None:
        """Count so many less: they could not be handed over."""

@final
class HandOver:  # home: floodway.conn.dispatcher
    """One end of a pair of SOCK_SEQPACKET sockets on which accepted sockets go to another process."""
    def __new__(cls, fd: int) -> Self: ...
    def send(self, newcomers: list[Newcomer]) -> int:
        """Hand over newcomers from the front, and return how many: fewer when the other side does not take them."""

@final
class TlsServer:  # home: floodway.base.tls
    """Encrypts what listeners accept. Shared by all reactors of a process. Any thread."""
    def __new__(
        cls,
        certificates: Sequence[Credentials],
        *,
        alpn: Sequence[str],
        ticket_secret: bytes | None,
        min_version: str,
        client_roots: Pem | None,
        require_client: bool,
    ) -> Self:
        """Raises ValueError, which names the file, for what is wrong with its content."""
    def become_like(self, other: TlsServer) -> None:
        """Encrypt further connections as the other one does. Those that exist stay as they are."""

@final
class TlsClient:  # home: floodway.base.tls
    """Encrypts outgoing connections; holds the tickets that servers gave. Any thread."""
    def __new__(
        cls,
        *,
        roots: Pem | None,
        verify: bool,
        alpn: Sequence[str],
        certificate: Credentials | None,
        min_version: str,
    ) -> Self:
        """`roots` None: the system's. Raises ValueError as `TlsServer`."""

@final
class TLSInfo:  # home: floodway.base.tls
    """What a TLS connection has agreed on. Immutable; any thread."""
    @property
    def version(self) -> str:
        """ "TLSv1.3" or "TLSv1.2"."""
    @property
    def cipher(self) -> str:
        """The cipher suite, such as "TLS_AES_128_GCM_SHA256"."""
    @property
    def alpn(self) -> str | None:
        """The application protocol that was agreed on (ALPN), such as "http/1.1"; None if there was no talk of it."""
    @property
    def server_name(self) -> str | None:
        """The name that the client asked for (SNI); None if it asked for none."""
    @property
    def peer_certificates(self) -> tuple[bytes, ...]:
        """The peer's certificates as DER: its own, then those that lead to the root. Empty if it has shown none."""

@final
class Timer:  # home: floodway.conn.timers
    """A call that a reactor makes later. Any thread may cancel it."""
    def cancel(self) -> bool:
        """Keep the call from being made. Returns whether it still could be."""
    @property
    def is_pending(self) -> bool: ...

@final
class Batch:  # home: floodway.conn.reactor
    """What one `poll` found: (kind, target, payload), at most `max_batch` of them."""
    def __iter__(self) -> Batch: ...
    def __next__(self) -> tuple[int, Any, Any]: ...  # targets and payloads depend on the kind

@final
class Reactor:  # home: floodway.conn.reactor
    """A poller, the connections that it owns, their buffers and timers. One thread, the owner, polls it."""
    def __new__(
        cls,
        name: str,
        *,
        driver: Literal["auto", "epoll", "portable"] = "auto",
        limits: Limits,
        admission: Admission,
        clock: FakeClock | None = None,
    ) -> Self: ...
    @property
    def name(self) -> str: ...
    @property
    def driver(self) -> str: ...
    @property
    def load(self) -> int:
        """Connections owned or on their way here. Any thread."""
    @property
    def busy_since(self) -> float | None:
        """`time.monotonic()` of the end of the last poll while a batch is being handled, else None. Any thread."""
    def poll(self, timeout: float | None = None) -> Batch | None:
        """Wait for events that Python wants, with the interpreter released. None once stopped."""
    def wake(self) -> None: ...
    def stop(self) -> None:
        """Let the next poll return None, once. Any thread."""
    def release(self) -> None:
        """Let another thread poll from now on. Nothing happens unless the caller is the owner, outside of a poll."""
    def watch(self, fd: int, read: bool, write: bool) -> None:
        """Report by EVENT_FOREIGN, once in each batch, when a descriptor that the reactor does not own can be read or
        written; at an end or error both. Level-triggered. Once more: change what is asked for. OSError: EPERM for a
        regular file, EEXIST for one of the reactor's own, EBADF; it is not watched then. Owner thread, or any while
        nobody polls."""
    def unwatch(self, fd: int) -> bool:
        """Report this descriptor no more, and return whether it was watched. It may be closed by now; but where a
        duplicate of it is left, it has to be called before. Threads as `watch`; does nothing in a forked child."""
    def add_route(
        self,
        *,
        interest: int,
        framing: Framing,
        limits: Limits,
        keepalive: int | None,
        nodelay: bool,
        serialized: bool,
        tls: TlsServer | TlsClient | None = None,
    ) -> int:
        """What becomes of the connections of one listener or connector; before they exist. Any thread, also while
        the owner polls. Returns the number of its first event, above every EVENT_*; `interest` is a mask of 1 << ROUTE_*. `keepalive` in seconds, None for off.
        `serialized`: hold back each event of a connection until `done` was called for the one before
        (worker threads)."""
    def listen(
        self,
        fd: int,
        route: int,
        *,
        source: Literal["listening", "shared", "channel"] = "listening",
        delivery: Literal["own", "hand_over", "depart"] = "own",
        seat: int = 0,
    ) -> int:
        """Accept on a socket, of which the core keeps a duplicate, and return the number of this listener.

        Source: a listening socket; one on which others accept too, of whom one is enough to wake (EPOLLEXCLUSIVE); or an
        end on which another process hands over what it accepts for this seat. Delivery: as a connection of this reactor; or as an
        EVENT_ACCEPTED, for a reactor of this process or for another process (`route` is not looked at). Owner thread, or
        any thread before the first poll.
        """
    def adopt(self, newcomer: Newcomer, route: int) -> None:
        """Own this socket from now on. Any thread. Consumes the newcomer."""
    def connect(
        self,
        address: Address | None,
        route: int,
        *,
        timeout: float | None,
        user_data: object = None,
        server_name: str | None = None,
    ) -> Connection:
        """Start a connection. Any thread. Address None: `Connection._resolved` follows once it is known;
        the timeout counts from here. `server_name`: whom the certificate has to be for, on a route with TLS."""
    def call_soon(self, function: Callable[..., object], *args: object) -> None:
        """Make this call on the owner's thread. Any thread."""
    def call_later(self, seconds: float, function: Callable[..., object], *args: object) -> Timer: ...
    def connections(self) -> list[Connection]: ...
    def fail(self, connection: Connection, error: BaseException) -> None:
        """Abort this connection because its handler raised `error`, which `on_close` gets."""
    def close_listeners(self) -> None:
        """Accept what waits, then close. Owner thread. Part one of stopping."""
    def pause_accepting(self) -> None:
        """Accept on no listener until `resume_accepting`. Owner thread."""
    def resume_accepting(self) -> None:
        """Accept again. Owner thread."""
    def close_listener(self, number: int) -> None:
        """Accept what waits, then close the listener of this number. Owner thread."""
    def look_again(self) -> None:
        """Look at every shared listener whether somebody waits there: another who was woken for it may be gone. Owner
        thread."""
    def drain(self, idle_seconds: float) -> None:
        """Close idle connections now and busy ones when they become idle; those that never sent a byte get
        `idle_seconds`. Owner thread. Part two of stopping."""
    def abort_all(self) -> None:
        """Abort every connection with ServerStopping. Owner thread. Part three."""
    def close(self) -> None:
        """Close every descriptor without callbacks. After the last poll, or in a forked child, where it only closes."""
    def stats(self) -> ReactorStats:
        """A snapshot. Any thread."""

@final
class Connection:  # home: floodway.conn.connection
    # full public docstrings live in the Rust source (text signature + doc), the stub mirrors signatures
    @property
    def id(self) -> int: ...  # unique in the process
    @property
    def peer(self) -> Address: ...
    @property
    def local(self) -> Address: ...
    @property
    def tls(self) -> TLSInfo | None: ...
    @property
    def reactor(self) -> Reactor: ...
    @property
    def user_data(self) -> Any: ...  # whatever the user stored
    @user_data.setter
    def user_data(self, value: object) -> None: ...
    @property
    def pending_output(self) -> int: ...
    @property
    def bytes_in(self) -> int: ...
    @property
    def bytes_out(self) -> int: ...
    @property
    def opened_at(self) -> float: ...
    @property
    def is_closed(self) -> bool: ...
    @property
    def state(self) -> Literal["opening", "open", "half-closed", "closing", "closed"]: ...
    def write(self, data: Buffer | LinkBuffer, /) -> bool: ...
    def writelines(self, pieces: Iterable[Buffer | LinkBuffer], /) -> bool: ...
    def write_frame(self, payload: Buffer, /) -> bool: ...
    def write_eof(self) -> None: ...
    def close(self, reason: str | None = None) -> None: ...
    def abort(self) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def set_framing(self, framing: FramingLike, /) -> None: ...
    def set_idle_timeout(self, seconds: float | None) -> None: ...
    def take_socket(self) -> tuple[socket, bytes]: ...
    def _resolved(
        self, addresses: list[tuple[str, int] | tuple[str, int, int, int]], error: BaseException | None
    ) -> None:
        """The addresses that a name stands for, tried in order until one answers; or why there are none. Any thread."""
    def _done(self, payload: object, /) -> None:
        """Worker threads: the event of a serialized route has been handled, and this was its payload; offer the next."""

def write_many(connections: Iterable[Connection], data: Buffer, /) -> int: ...  # home: floodway.conn.connection

@final
class LinkBuffer:  # home: floodway.base.buffer
    def __new__(cls, data: Buffer = b"", /) -> Self: ...
    def __len__(self) -> int: ...
    def peek(self, n: int, /) -> bytes: ...
    def next(self, n: int, /) -> View: ...
    def read(self, n: int = -1, /) -> bytes: ...
    def skip(self, n: int, /) -> None: ...
    def find(self, delimiter: Buffer, /) -> int: ...
    def until(self, delimiter: Buffer, /) -> View: ...
    def slice(self, n: int, /) -> LinkBuffer: ...
    def reserve(self, n: int, /) -> WritableView: ...
    def commit(self, n: int, /) -> None: ...
    def append(self, other: LinkBuffer, /) -> None: ...
    def write(self, data: Buffer, /) -> None: ...

@final
class View:  # home: floodway.base.buffer
    def __len__(self) -> int: ...
    def __bytes__(self) -> bytes: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __release_buffer__(self, view: memoryview, /) -> None: ...
    def release(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...

@final
class WritableView:  # home: floodway.base.buffer
    def __len__(self) -> int: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __release_buffer__(self, view: memoryview, /) -> None: ...

def immortalize(objects: list[Any], /) -> list[Any]: ...  # home: floodway.app.workers.sharing; Any: whatever there is
def load(
    address: Address,
    *,
    connections: int,
    mode: Literal["echo", "idle", "flood", "handshake"],
    rate: float | None,
    size: int,
    seconds: float,
    pid: int | None,
    progress: Callable[[str, int, float], object] | None = None,
    active: int | None = None,
    connect_rate: float | None = None,
    first_source: IPv4Address | None = None,
    target: str | None = None,
    host: str = "",
    method: Literal["GET", "POST"] = "GET",
    expect_echo: bool = False,
    additions: int | None = None,
    server_name: str | None = None,
) -> LoadReport: ...  # home: floodway.cli.load; progress(phase, connections open, messages per second)
def probe() -> dict[str, Any]: ...  # home: floodway.base.platform; the keys are the fields of its Facts
