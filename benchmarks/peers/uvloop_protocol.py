"""The `Protocol` of `asyncio_protocol.py` on uvloop."""

import uvloop
from asyncio_protocol import serve

if __name__ == "__main__":
    uvloop.run(serve())
