"""What an engine and a listener can be told, as frozen dataclasses, and how keyword arguments are sorted into them.

Validated once at construction; nothing here acts. `Limits` has a file of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from ipaddress import ip_network
from typing import Any, Literal, TypeAlias, TypedDict, cast, get_args

from floodway._documented import documented
from floodway.errors import unknown_option
from floodway.limits import LimitFields, Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """How many reactors and threads an engine runs, and on what.

    Without numbers the model follows the Python build: with the GIL one reactor accepts and serves; without it one main
    reactor accepts and one sub reactor per core serves.

    >>> EngineOptions(main_reactors=1, sub_reactors=2, threads=4).threads
    4
    """

    main_reactors: int | None = documented(
        None, "Reactors that accept. More than one have a listening socket each (SO_REUSEPORT). None: one."
    )
    sub_reactors: int | None = documented(
        None,
        "Reactors that serve what the main reactors accept; 0: the main reactors serve it themselves. None: 0 with "
        "the GIL, one per core without.",
    )
    threads: int | None = documented(
        None,
        "Threads that run the handler's callbacks, or the WSGI application, for those that block; 0: the reactors run "
        "them. None: 1 for WSGI, otherwise 0.",
    )
    driver: Literal["auto", "epoll", "portable"] = documented(
        "auto", "What waits for the sockets: epoll (Linux), or the portable poller of the system."
    )
    watchdog: float | None = documented(
        1.0, "Seconds a reactor may be busy with one batch before its Python stack is logged. None: never."
    )
    stats_interval: float | None = documented(None, "Seconds between two lines of statistics in the log. None: never.")
    event_loop: bool = documented(
        default=False,
        text="Call handlers from within an asyncio event loop: every reactor that serves runs one, on which callbacks "
        "can make tasks.",
    )

    def __post_init__(self) -> None:
        _check_count("main_reactors", self.main_reactors, least=1)
        _check_count("sub_reactors", self.sub_reactors, least=0)
        _check_count("threads", self.threads, least=0)
        if self.driver not in ("auto", "epoll", "portable"):
            raise ValueError(f'driver is {self.driver!r}; write "auto", "epoll" or "portable"')
        _check_seconds("watchdog", self.watchdog)
        _check_seconds("stats_interval", self.stats_interval)
        if self.event_loop and self.threads:
            raise ValueError(
                f"event_loop and threads={self.threads} exclude each other, since worker threads have no event loop; "
                "leave one out"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerOptions:
    """Options of a listener's sockets and of the connections accepted there; outgoing connections take the engine's.

    >>> ListenerOptions(keepalive=60).keepalive
    60
    """

    nodelay: bool = documented(
        default=True, text="Send small writes at once (TCP_NODELAY) instead of waiting for more."
    )
    keepalive: int | None = documented(
        None, "Seconds of silence after which the kernel asks whether the peer is there (SO_KEEPALIVE). None: never."
    )
    reuse_address: bool = documented(
        default=True, text="Listen at once where an earlier server's connections linger in TIME_WAIT (SO_REUSEADDR)."
    )
    receive_buffer: int | None = documented(
        None, "Bytes of the kernel's receive buffer (SO_RCVBUF), fixed. None: the kernel tunes it."
    )
    send_buffer: int | None = documented(
        None, "Bytes of the kernel's send buffer (SO_SNDBUF), fixed. None: the kernel tunes it."
    )

    def __post_init__(self) -> None:
        _check_count("keepalive", self.keepalive, least=1)
        _check_count("receive_buffer", self.receive_buffer, least=1)
        _check_count("send_buffer", self.send_buffer, least=1)


Interface: TypeAlias = Literal["auto", "handler", "function", "asgi", "wsgi"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationOptions:
    """How `serve` calls an application, and what it says for it.

    >>> ApplicationOptions(interface="function").interface
    'function'
    """

    interface: Literal["auto", "handler", "function", "asgi", "wsgi"] = documented(
        "auto",
        'How the application is called: "handler" (floodway.Handler), "function" (a request in, an answer out), '
        '"asgi" (ASGI 3), "wsgi" (PEP 3333). "auto": told from what it is.',
    )
    factory: bool = documented(default=False, text="Call what was given, without arguments, to get the application.")
    root_path: str = documented(
        "",
        "Where a proxy in front has mounted the application, such as /shop: ASGI's root_path, WSGI's SCRIPT_NAME. No "
        "slash at its end.",
    )
    server_header: str | None = documented("floodway", "The value of HTTP's Server header. None: no such header.")
    access_log: bool = documented(
        default=False,
        text="Log a line for each HTTP answer, in the combined format, to the logger floodway.access.",
    )
    proxy_headers: bool = documented(
        default=False,
        text="Take client and scheme of a request from X-Forwarded-For and X-Forwarded-Proto, if the peer is one of "
        "forwarded_allow_ips.",
    )
    forwarded_allow_ips: str = documented(
        "127.0.0.1,::1,unix",
        'Proxies that are trusted with proxy_headers: addresses and networks, separated by commas; "unix" for peers on '
        'Unix sockets, "*" for everybody.',
    )
    limit_concurrency: int | None = documented(
        None, "HTTP requests of the process under way at a time; beyond it one is answered with 503. None: any number."
    )
    limit_max_requests: int | None = documented(
        None,
        "HTTP requests that a process takes, up to a tenth more by chance, before it leaves in order: with workers "
        "another has taken its place before, else the service ends. None: any number.",
    )
    debug: bool = documented(
        default=False,
        text="Send the traceback of what an application raises to the client, and log more. Not where strangers come.",
    )

    def __post_init__(self) -> None:
        if self.interface not in get_args(Interface):
            raise ValueError(f"interface is {self.interface!r}; write one of {', '.join(get_args(Interface))}")
        if self.root_path and (not self.root_path.startswith("/") or self.root_path.endswith("/")):
            raise ValueError(f"root_path is {self.root_path!r}; it begins with a slash and ends without, such as /shop")
        _check_count("limit_concurrency", self.limit_concurrency, least=1)
        _check_count("limit_max_requests", self.limit_max_requests, least=1)
        _check_networks("forwarded_allow_ips", self.forwarded_allow_ips)
        server = self.server_header or ""
        if not (server.isascii() and server.isprintable()):
            raise ValueError(f"server_header is {server!r}; it takes ASCII without control characters")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOptions:
    """How `serve` runs an engine as a service: in how many processes, and what it leaves for an operator to find.

    >>> ServiceOptions(workers="auto").workers
    'auto'
    """

    host: str | None = documented(
        None, "Name or address of the interface to listen on, beside any other address. None: 127.0.0.1, with port."
    )
    port: int | None = documented(None, "Port to listen on; 0: one that is free. None: 8000, with host.")
    uds: str | None = documented(None, "Path of a Unix socket to listen on.")
    fd: int | None = documented(None, "Descriptor of a listening socket that the process was started with.")
    workers: int | Literal["auto"] | None = documented(
        None,
        'Worker processes, each with an engine of its own; every limit holds for each. "auto": one per core that '
        "affinity and control group allow. None: this process serves, without a supervisor.",
    )
    preload: bool = documented(
        default=False,
        text="Import the application once, in the supervisor, so that the workers share its memory; SIGHUP then keeps "
        "the old code.",
    )
    pid_file: str | None = documented(
        None, "File for the process id of what takes the signals, removed at the end. None: no file."
    )
    reload: bool = documented(
        default=False,
        text="Replace the workers (one, unless told otherwise) when a Python file changes; if the new code does not "
        "start, the old serves on. For development; needs the package watchfiles.",
    )
    reload_dir: tuple[str, ...] = documented(
        (), "A folder that reload watches instead of the current one; may be given several times."
    )

    def __post_init__(self) -> None:
        if self.workers != "auto":
            _check_count("workers", self.workers, least=1)
        _check_count("port", self.port, least=0)
        _check_count("fd", self.fd, least=0)
        if self.reload and self.preload:
            raise ValueError(
                "reload and preload exclude each other: what is preloaded keeps the old code; leave one out"
            )
        if self.preload and self.workers is None:
            raise ValueError("preload needs workers to share the memory with; pass workers too")


class ApplicationFields(TypedDict, total=False):
    """The fields of `ApplicationOptions` as keyword arguments."""

    interface: Interface
    factory: bool
    root_path: str
    server_header: str | None
    access_log: bool
    proxy_headers: bool
    forwarded_allow_ips: str
    limit_concurrency: int | None
    limit_max_requests: int | None
    debug: bool


class EngineFields(TypedDict, total=False):
    """The fields of `EngineOptions` as keyword arguments."""

    main_reactors: int | None
    sub_reactors: int | None
    threads: int | None
    driver: Literal["auto", "epoll", "portable"]
    watchdog: float | None
    stats_interval: float | None
    event_loop: bool


class ListenerFields(TypedDict, total=False):
    """The fields of `ListenerOptions` as keyword arguments."""

    nodelay: bool
    keepalive: int | None
    reuse_address: bool
    receive_buffer: int | None
    send_buffer: int | None


class ServiceFields(TypedDict, total=False):
    """The fields of `ServiceOptions` as keyword arguments."""

    host: str | None
    port: int | None
    uds: str | None
    fd: int | None
    workers: int | Literal["auto"] | None
    preload: bool
    pid_file: str | None
    reload: bool
    reload_dir: tuple[str, ...]


class Options(EngineFields, ListenerFields, LimitFields, total=False):
    """Every option that `Engine` and `serve` take as a keyword."""


class ServeOptions(Options, ServiceFields, ApplicationFields, total=False):
    """Every option that `serve` takes as a keyword."""


def split_service_options(
    given: Mapping[str, Any],  # Any: as each field says
) -> tuple[ServiceOptions, ApplicationOptions, Options]:
    """The options of `serve` that are about processes, those about the application, and those that an engine takes."""
    groups = [{field.name for field in fields(group)} for group in (ServiceOptions, ApplicationOptions)]
    service, application = ({name: value for name, value in given.items() if name in names} for names in groups)
    engine = {name: value for name, value in given.items() if name not in groups[0] | groups[1]}
    return (
        ServiceOptions(**cast("ServiceFields", service)),
        ApplicationOptions(**cast("ApplicationFields", application)),
        cast("Options", engine),
    )


def sort_options(
    given: Mapping[str, object], limits: Limits | None, owner: str
) -> tuple[EngineOptions, ListenerOptions, Limits]:
    """Sort keywords into their dataclasses; a single limit overrides the one in `limits`.

    Raises TypeError for a name that none of them has, with the nearest that exists.
    """
    groups = [{field.name for field in fields(group)} for group in (EngineOptions, ListenerOptions, Limits)]
    reject_unknown(given, {name for names in groups for name in names}, owner)
    engine, listener, limit = ({name: value for name, value in given.items() if name in names} for names in groups)
    return (
        EngineOptions(**cast("EngineFields", engine)),
        ListenerOptions(**cast("ListenerFields", listener)),
        replace(limits or Limits(), **cast("LimitFields", limit)),
    )


def reject_unknown(given: Mapping[str, object], known: set[str], owner: str) -> None:
    """Raise TypeError for the first name that is not known."""
    for name in given:
        if name in ServiceFields.__annotations__:
            raise TypeError(f"{owner} runs in this process alone; pass {name} to floodway.serve()")
        if name in ApplicationFields.__annotations__:
            raise TypeError(f"{owner} takes handlers; pass {name} to floodway.serve()")
        if name not in known:
            raise unknown_option(name, known, owner)


def _check_count(name: str, value: object, *, least: int) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} is {value!r}; it takes a whole number")
    if value < least:
        raise ValueError(f"{name} is {value}; it has to be {least} or more")


def _check_networks(name: str, value: str) -> None:
    for one in value.split(","):
        if one.strip() in ("*", "unix"):
            continue
        try:
            ip_network(one.strip(), strict=False)
        except ValueError as error:
            raise ValueError(f"{name} has {one!r}: {error}; write addresses or networks, unix or *") from error


def _check_seconds(name: str, value: object) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} is {value!r}; it takes a number of seconds or None")
    if not value > 0:
        raise ValueError(f"{name} is {value!r}; it has to be above 0; to switch it off write None")
