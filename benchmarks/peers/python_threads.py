"""Echo on `socketserver`, with a thread for each connection: how most people begin."""

import contextlib
import socket
import socketserver
from typing import Final

from asyncio_protocol import BACKLOG, announce

READ_BYTES: Final = 64 * 1024


class Echo(socketserver.BaseRequestHandler):
    def setup(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # the peer is gone: nothing is left to do for it
            while data := self.request.recv(READ_BYTES):
                self.request.sendall(data)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = BACKLOG  # the default of 5 would measure retransmitted SYNs


if __name__ == "__main__":
    with Server(("127.0.0.1", 0), Echo) as server:
        announce(server.socket)
        server.serve_forever()
