"""`asyncio_protocol.py`, telling of its garbage collector."""

import asyncio

from asyncio_protocol import serve
from collector_report import Report

if __name__ == "__main__":
    report = Report()
    asyncio.run(serve())
