"""Echo on gevent's `StreamServer`: code that blocks, in a greenlet for each connection."""

import contextlib
from typing import Final

from asyncio_protocol import BACKLOG, announce
from gevent import socket
from gevent.server import StreamServer

READ_BYTES: Final = 64 * 1024


def echo(connection: socket.socket, _address: tuple[str, int]) -> None:
    """Serve one connection to its end; `StreamServer` closes it."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with contextlib.suppress(ConnectionError):  # the peer is gone: nothing is left to do for it
        while data := connection.recv(READ_BYTES):
            connection.sendall(data)


if __name__ == "__main__":
    server = StreamServer(("127.0.0.1", 0), echo, backlog=BACKLOG)
    server.start()
    announce(server.socket)
    server.serve_forever()
