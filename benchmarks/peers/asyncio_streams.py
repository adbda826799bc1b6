"""Echo on asyncio streams, the style that asyncio's documentation shows first: a task per connection."""

import asyncio
from typing import Final

from asyncio_protocol import BACKLOG, announce

READ_BYTES: Final = 64 * 1024


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one connection to its end."""
    try:
        while data := await reader.read(READ_BYTES):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass  # the peer is gone: nothing is left to do for it
    finally:
        writer.close()


async def serve() -> None:
    """Serve until the process is ended."""
    server = await asyncio.start_server(echo, "127.0.0.1", 0, backlog=BACKLOG)
    announce(server.sockets[0])
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
