"""Every default limit with its unit and its reason. Read everywhere, written nowhere else.

Python owns the defaults, the native core owns the ceilings: a value above its ceiling is refused here, at construction.
"""

from dataclasses import dataclass, fields
from typing import Final, Literal, TypedDict

from floodway._core import (
    MAX_BATCH_CEILING,
    MAX_HEAD_CEILING,
    MAX_HEADERS_CEILING,
    MAX_INPUT_CEILING,
    MAX_OUTPUT_CEILING,
    MAX_READY_CEILING,
    READ_CHUNK_CEILING,
)
from floodway._documented import documented

KIB: Final = 1024
MIB: Final = 1024 * KIB

MAX_WAITING_REQUESTS: Final = 1024
"""WSGI: requests that wait for a thread; beyond them a client gets a 503, since whoever waits longer has given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What connections, reactors and the process may use. Sizes in bytes, times in seconds, None for no limit.

    Immutable; change one with `dataclasses.replace`. Raises ValueError or TypeError for a value that cannot be meant.

    >>> Limits(idle_timeout=60, max_input=64 * 1024).idle_timeout
    60
    """

    max_connections: int | Literal["auto"] | None = documented(
        "auto",
        "Connections of the process; beyond it a newcomer is accepted, closed at once and counted as shed. "
        '"auto" is 80 % of the descriptor limit, so that files and outgoing connections still find room.',
    )
    max_connections_per_ip: int | None = documented(
        None, "Connections from one address; beyond it as with max_connections. None, since a proxy is one address."
    )
    max_input: int = documented(
        1 * MIB,
        "Bytes of undelivered input per connection, and so the largest frame; beyond it the connection is closed with "
        "FrameTooLong.",
    )
    high_water: int = documented(
        256 * KIB,
        "Bytes of pending output from which write returns False and the connection is no longer read: what a client "
        "that sends and never reads can cost.",
    )
    low_water: int = documented(
        64 * KIB, "Bytes of pending output below which on_writable follows and reading goes on."
    )
    max_output: int = documented(
        4 * MIB,
        "Bytes of pending output at which output_policy applies, judged on what was queued before the write.",
    )
    max_reactor_output: int = documented(
        256 * MIB,
        "Bytes that the pending output of all connections of a reactor holds in memory; an object that many are sent "
        "counts once. Beyond it those that take nothing for longest are treated as if they had passed max_output.",
    )
    output_policy: Literal["close", "drop", "error"] = documented(
        "close",
        'What a write above max_output does: "close" the connection with SlowConsumer, "drop" the bytes (counted), '
        'or raise an "error".',
    )
    idle_timeout: float | None = documented(
        None, "Seconds without input or output after which a connection is closed with IdleTimeout."
    )
    write_timeout: float | None = documented(
        30.0,
        "Seconds in which neither the kernel took nor the peer acknowledged a byte of pending output, then "
        "WriteTimeout. A peer with a receive buffer of 32 MiB acknowledges only every 2 MiB.",
    )
    handshake_timeout: float | None = documented(
        10.0, "Seconds for a TLS handshake, from the accept, then HandshakeTimeout."
    )
    head_timeout: float | None = documented(
        10.0,
        "HTTP: seconds in which a request's head has to be complete, from the accept or from its first byte; then 408.",
    )
    body_timeout: float | None = documented(
        30.0, "HTTP: seconds that an application waits for the next byte of a request's body; then 408."
    )
    min_body_rate: int | None = documented(
        240, "HTTP: bytes a second of a request's body that is waited for, judged over 10 seconds; below, 408."
    )
    keep_alive_timeout: float | None = documented(
        60.0, "HTTP: seconds without a request after which a connection is closed."
    )
    max_body: int | Literal["auto"] | None = documented(
        "auto",
        'HTTP: bytes of a request\'s body; above, 413. "auto": 16 MiB where a body is kept until it is complete (plain '
        "functions), no limit where it is streamed (ASGI, WSGI, functions that ask for it).",
    )
    max_reactor_bodies: int = documented(
        256 * MIB,
        "HTTP: bytes that bodies which are kept until they are complete (plain functions, WSGI without threads) hold "
        "together on a reactor, until their requests are answered. Whoever brings more gets a 503, and for a body "
        "longer than all of it a 413. A body that comes in one piece with its head does not count.",
    )
    max_head: int = documented(16 * KIB, "HTTP: bytes of a request's line and headers; above, 431.")
    max_headers: int = documented(100, "HTTP: headers of a request; above, 431.")
    max_target: int = documented(8 * KIB, "HTTP: bytes of a request's target; above, 414.")
    read_chunk: int = documented(
        128 * KIB, "Bytes read from one connection before the others have their turn: small is fair, large is fast."
    )
    max_ready: int = documented(128, "Descriptors taken from one wait of the poller; the rest come with the next.")
    max_batch: int = documented(
        1024, "Events handed to Python in one batch; the rest come in the next, after the other connections."
    )
    thread_backlog_bytes: int = documented(
        1 * MIB,
        "Bytes of input that wait for a worker thread per connection (with threads); then its reading pauses. "
        "Callbacks wait one at a time, so the number of messages needs no limit.",
    )
    backlog: int = documented(
        4096, "Connections that the kernel completes before they are accepted, per listener; it caps them at somaxconn."
    )
    grace: float = documented(
        10.0, "Seconds that busy connections have to finish once the engine stops; then they are aborted."
    )

    def __post_init__(self) -> None:
        for field in fields(self):
            _check_value(field.name, getattr(self, field.name))
        _check_ceiling("max_input", self.max_input, MAX_INPUT_CEILING)
        _check_ceiling("max_output", self.max_output, MAX_OUTPUT_CEILING)
        _check_ceiling("read_chunk", self.read_chunk, READ_CHUNK_CEILING)
        _check_ceiling("max_ready", self.max_ready, MAX_READY_CEILING)
        _check_ceiling("max_batch", self.max_batch, MAX_BATCH_CEILING)
        _check_ceiling("max_head", self.max_head, MAX_HEAD_CEILING)
        _check_ceiling("max_headers", self.max_headers, MAX_HEADERS_CEILING)
        _check_order("low_water", self.low_water, "high_water", self.high_water, strict=True)
        _check_order("high_water", self.high_water, "max_output", self.max_output, strict=False)


class LimitFields(TypedDict, total=False):
    """The fields of `Limits` as keyword arguments."""

    max_connections: int | Literal["auto"] | None
    max_connections_per_ip: int | None
    max_input: int
    high_water: int
    low_water: int
    max_output: int
    max_reactor_output: int
    output_policy: Literal["close", "drop", "error"]
    idle_timeout: float | None
    write_timeout: float | None
    handshake_timeout: float | None
    head_timeout: float | None
    body_timeout: float | None
    min_body_rate: int | None
    keep_alive_timeout: float | None
    max_body: int | Literal["auto"] | None
    max_reactor_bodies: int
    max_head: int
    max_headers: int
    max_target: int
    read_chunk: int
    max_ready: int
    max_batch: int
    thread_backlog_bytes: int
    backlog: int
    grace: float


_OPTIONAL: Final = {
    "max_connections",
    "max_connections_per_ip",
    "idle_timeout",
    "write_timeout",
    "handshake_timeout",
    "head_timeout",
    "body_timeout",
    "min_body_rate",
    "keep_alive_timeout",
    "max_body",
}
_AUTOMATIC: Final = {"max_connections", "max_body"}
_SECONDS: Final = {
    "idle_timeout",
    "write_timeout",
    "handshake_timeout",
    "head_timeout",
    "body_timeout",
    "keep_alive_timeout",
    "grace",
}


def _check_value(name: str, value: object) -> None:
    """Refuse what is no positive number, except for the words that a few limits know."""
    if name == "output_policy":
        if value not in ("close", "drop", "error"):
            raise ValueError(f'Limits.output_policy is {value!r}; write "close", "drop" or "error"')
        return
    if (value is None and name in _OPTIONAL) or (name in _AUTOMATIC and value == "auto"):
        return
    numbers = (int, float) if name in _SECONDS else (int,)
    if isinstance(value, bool) or not isinstance(value, numbers):
        kind = "a number of seconds" if name in _SECONDS else "a whole number"
        raise TypeError(f"Limits.{name} is {value!r}; it takes {kind}{' or None' if name in _OPTIONAL else ''}")
    if not value > 0 and not (name == "grace" and value == 0):
        off = "; for no limit write None" if name in _OPTIONAL else ""
        raise ValueError(f"Limits.{name} is {value!r}; it has to be above 0{off}")


def _check_ceiling(name: str, value: int, ceiling: int) -> None:
    if value > ceiling:
        raise ValueError(f"Limits.{name} is {value}, above the native ceiling of {ceiling}; lower it")


def _check_order(low: str, low_value: int, high: str, high_value: int, *, strict: bool) -> None:
    if low_value > high_value or (strict and low_value == high_value):
        raise ValueError(f"Limits.{low} is {low_value} and Limits.{high} is {high_value}; lower {low} or raise {high}")
