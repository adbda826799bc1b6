"""The options of a listening socket, by name: what the kernel calls them. Applies nothing itself.

What a listener accepts inherits its options (on Linux and on the BSDs), which saves the calls for each connection; the
receive buffer has to be set before `listen`, since it decides the window scale (tcp(7)). Outgoing connections get
theirs from the reactor that owns them.
"""

import socket
from typing import Final, TypeAlias

from floodway.config import ListenerOptions

SocketOption: TypeAlias = tuple[int, int, int]
"""Level, name and value, as `setsockopt` takes them."""

# macOS calls it TCP_KEEPALIVE, and its number is this.
_TCP_KEEPIDLE: Final[int] = getattr(socket, "TCP_KEEPIDLE", 0x10)


def before_bind(options: ListenerOptions, family: int, *, reuse_port: bool) -> list[SocketOption]:
    """The options that a listening socket of this family gets before it is bound.

    >>> before_bind(ListenerOptions(reuse_address=False), socket.AF_INET, reuse_port=False)
    []
    """
    chosen: list[SocketOption] = []
    if family != socket.AF_UNIX and options.reuse_address:
        chosen.append((socket.SOL_SOCKET, socket.SO_REUSEADDR, 1))
    if reuse_port:
        chosen.append((socket.SOL_SOCKET, socket.SO_REUSEPORT, 1))
    if options.receive_buffer is not None:
        chosen.append((socket.SOL_SOCKET, socket.SO_RCVBUF, options.receive_buffer))
    if options.send_buffer is not None:
        chosen.append((socket.SOL_SOCKET, socket.SO_SNDBUF, options.send_buffer))
    return chosen


def for_accepted(options: ListenerOptions, family: int) -> list[SocketOption]:
    """The options that a listening socket of this family gets for the sake of what it accepts.

    >>> for_accepted(ListenerOptions(keepalive=60), socket.AF_UNIX)
    []
    """
    if family == socket.AF_UNIX:
        return []
    chosen: list[SocketOption] = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, int(options.nodelay))]
    if options.keepalive is not None:
        chosen.append((socket.IPPROTO_TCP, _TCP_KEEPIDLE, options.keepalive))
        chosen.append((socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1))
    return chosen
