"""The options of a listening socket, by name: what the kernel calls them. Applies nothing itself.

Linux hands SO_RCVBUF, SO_SNDBUF and SO_KEEPALIVE of a listener on to what it accepts; the receive buffer has to be set
before `listen`, since it decides the window scale (tcp(7)). What belongs to a single connection (TCP_NODELAY, the times
of keepalive) is set by the reactor that owns it.
"""

import socket
from typing import TypeAlias

from floodway.config import ListenerOptions

SocketOption: TypeAlias = tuple[int, int, int]
"""Level, name and value, as `setsockopt` takes them."""


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
