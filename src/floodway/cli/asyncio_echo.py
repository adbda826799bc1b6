"""The echo server of `floodway demo` on asyncio, for comparison: `python -m floodway.cli.asyncio_echo FD`.

The fastest form asyncio has, a Protocol, with the same descriptor limit; it serves until it is killed.
"""

import asyncio
import socket
import sys

from floodway.base.platform import raise_descriptor_limit


class Echo(asyncio.Protocol):
    """Every connection gets its own bytes back."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - the loop's promise, and mypy's proof
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Send it back."""
        self._transport.write(data)


async def serve(listener: socket.socket) -> None:
    """Accept on this socket for good."""
    server = await asyncio.get_running_loop().create_server(Echo, sock=listener)
    await server.serve_forever()


def main() -> None:
    """Serve on the listening socket whose descriptor is the first argument."""
    raise_descriptor_limit()
    asyncio.run(serve(socket.socket(fileno=int(sys.argv[1]))))


if __name__ == "__main__":
    main()
