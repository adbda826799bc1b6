"""Echo on an asyncio `Protocol`, the library's fastest style, with the back-pressure its documentation asks for.

`uvloop_protocol.py` runs the same class on uvloop.
"""

import asyncio
import socket
from typing import Final

BACKLOG: Final = 4096  # asyncio's default of 100 would measure retransmitted SYNs


class Echo(asyncio.Protocol):
    """One object per connection: asyncio's contract, and the reason for most of its memory."""

    __slots__ = ("transport",)

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # a stream's transport is an asyncio.Transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)

    def pause_writing(self) -> None:
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.transport.resume_reading()


async def serve() -> None:
    """Serve until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0, backlog=BACKLOG)
    announce(server.sockets[0])
    await server.serve_forever()


def announce(listener: socket.socket) -> None:
    """Tell the runner where to connect."""
    host, port = listener.getsockname()
    print(f"listening {host}:{port}", flush=True)


if __name__ == "__main__":
    asyncio.run(serve())
