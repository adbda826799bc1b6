"""A TCP proxy: `proxy.py LISTEN TARGET`. A slow side slows the other one down, and no payload is copied on the way.

Each side reads into its own link buffer, and `write` passes the blocks on by reference. When the other side's pending
output is above its high-water mark, `write` returns False: reading pauses until `on_writable`.
"""

import sys
from typing import ClassVar

import floodway


class Side(floodway.Handler[floodway.LinkBuffer]):
    """One side of a pair; `user_data` is the other one."""

    framing: ClassVar[floodway.Buffered] = floodway.Buffered()

    def on_data(self, conn: floodway.Connection, data: floodway.LinkBuffer) -> None:
        other: floodway.Connection = conn.user_data
        try:
            if not other.write(data):
                conn.pause_reading()
        except floodway.ConnectionClosed:
            conn.close()

    def on_writable(self, conn: floodway.Connection) -> None:
        conn.user_data.resume_reading()

    def on_close(self, conn: floodway.Connection, error: BaseException | None) -> None:
        if conn.user_data is not None:
            conn.user_data.close()


class Front(Side):
    """The side that clients come to."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._back = Side()
        self._engine: floodway.Engine

    def on_start(self, engine: floodway.Engine) -> None:
        self._engine = engine

    def on_open(self, conn: floodway.Connection) -> None:
        # On the same reactor, so that both sides' callbacks never overlap; what is written meanwhile waits.
        conn.user_data = self._engine.connect(self._target, self._back, reactor=conn.reactor, user_data=conn)


if __name__ == "__main__":
    listen, target = sys.argv[1:]
    floodway.serve(Front(target), listen)
