"""The exceptions of Floodway: what a peer, the system or a limit did to a connection, and messages for local mistakes.

Remote misbehaviour and breached limits arrive in `on_close` as `ConnectionClosed`; a system error keeps its own type
and `errno`. Local misuse is a `TypeError`, `ValueError` or `RuntimeError` and never arrives there. The native core
makes these exceptions too: each is built from one message.
"""

# ruff: noqa: N818 - named after what happened, as users read them in on_close

import difflib
from collections.abc import Iterable


class ConnectionClosed(OSError):
    """The connection is closed: by a limit, or because it was closed before this call.

    `reason` is the short name under which `stats()` counts it, such as `"idle_timeout"`.
    """

    reason: str = "closed"

    def __init__(self, message: str = "the connection is closed", reason: str | None = None) -> None:
        super().__init__(message)
        if reason is not None:
            self.reason = reason


class ConnectTimeout(ConnectionClosed, TimeoutError):
    """The peer did not accept within the `timeout` of `connect`, name resolution included."""

    reason = "connect_timeout"


class IdleTimeout(ConnectionClosed, TimeoutError):
    """Nothing came in or went out for `Limits.idle_timeout` seconds."""

    reason = "idle_timeout"


class WriteTimeout(ConnectionClosed, TimeoutError):
    """Output was pending and the peer took none of it for `Limits.write_timeout` seconds."""

    reason = "write_timeout"


class HandshakeTimeout(ConnectionClosed, TimeoutError):
    """The TLS handshake was not done within `Limits.handshake_timeout` seconds."""

    reason = "handshake_timeout"


class TLSError(ConnectionClosed):
    """The encryption of a connection failed or was cut off: the message has the alert or the defect.

    `reason` is `"session"` for what the TLS protocol or a certificate forbade, and for an end without `close_notify`,
    after which input may be missing.
    """

    reason = "session"


class SlowConsumer(ConnectionClosed):
    """The peer is not reading: pending output passed `Limits.max_output` or the reactor's `max_reactor_output`."""

    reason = "slow_consumer"


class FrameTooLong(ConnectionClosed):
    """The peer sent a frame above its framing's `max_bytes`, or more undelivered input than `Limits.max_input`.

    Also a length that cannot be, since it is smaller than the header it includes: here as there the peer speaks another
    framing or attacks, and the connection is useless. The message tells which it was.
    """

    reason = "frame_too_long"


class ProtocolError(ConnectionClosed):
    """The peer broke the protocol of its listener, such as HTTP/1.1, or a limit of it; it was told so. Says how."""

    reason = "refused"


class ServerStopping(ConnectionClosed):
    """The engine is stopping: idle connections and those still opening end at once, busy ones after its grace time."""

    reason = "server_stopping"


class ListenError(OSError):
    """An address cannot be listened on. `errno` says why, `address` is the one that was asked for.

    >>> error = ListenError("tcp://127.0.0.1:80", OSError(13, "Permission denied"))
    >>> str(error)
    'cannot listen on tcp://127.0.0.1:80: Permission denied'
    """

    def __init__(self, address: str, cause: OSError | str) -> None:
        self.address = address
        if isinstance(cause, OSError):
            super().__init__(cause.errno, cause.strerror or str(cause))
        else:
            super().__init__(None, cause)

    def __str__(self) -> str:
        return f"cannot listen on {self.address}: {self.strerror}"


class ApplicationError(RuntimeError):
    """The application that `serve` was told to import could not be imported or started.

    The message says why in one line; `details` is the traceback of the application's code, or empty.
    """

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.details = details


class NotStopped(TimeoutError):
    """The engine did not stop in time: a callback does not return. The message names the thread that is stuck."""


def unknown_option(name: str, known: Iterable[str], owner: str) -> TypeError:
    """The error for a misspelt option of `owner`; names the nearest option that exists.

    >>> unknown_option("idle_timout", ["idle_timeout", "grace"], "Engine()")
    TypeError("Engine() has no option 'idle_timout'; did you mean 'idle_timeout'?")
    """
    known = sorted(known)
    nearest = difflib.get_close_matches(name, known, n=1)
    advice = f"did you mean {nearest[0]!r}?" if nearest else f"its options are {', '.join(known)}"
    return TypeError(f"{owner} has no option {name!r}; {advice}")
