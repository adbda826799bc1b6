"""Handlers that block: eight worker threads call them, and the reactor serves everybody meanwhile.

Callbacks of one connection still come one at a time and in order. What waits for a thread is bounded per connection.
"""

import sys
import time

import floodway


class Slow(floodway.Handler):
    """Answers each line after as many seconds as it says, as a database might."""

    framing = floodway.Lines(max_bytes=64)

    def on_data(self, conn: floodway.Connection, line: bytes) -> None:
        time.sleep(min(float(line), 5.0))
        conn.write_frame(b"slept for " + line)


if __name__ == "__main__":
    floodway.serve(Slow(), *(sys.argv[1:] or ["tcp://127.0.0.1:9000"]), threads=8)
