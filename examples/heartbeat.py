"""Heartbeats: the server pings every connection now and then, and drops those that stay silent.

A timer per connection costs some 100 bytes and no system call; the idle timeout is checked natively.
"""

import sys

import floodway


class Heartbeat(floodway.Handler):
    """Sends `ping` every `every` seconds; any line counts as life."""

    framing = floodway.Lines()

    def __init__(self, every: float) -> None:
        self._every = every

    def on_open(self, conn: floodway.Connection) -> None:
        conn.user_data = conn.reactor.call_later(self._every, self._ping, conn)

    def on_data(self, conn: floodway.Connection, line: bytes) -> None:
        if line != b"pong":
            conn.write_frame(b"you said " + line)

    def on_close(self, conn: floodway.Connection, error: BaseException | None) -> None:
        conn.user_data.cancel()
        if isinstance(error, floodway.IdleTimeout):
            print(f"{conn.peer!r} was silent", flush=True)

    def _ping(self, conn: floodway.Connection) -> None:
        # Our own ping must not count as life of the peer: it was silent if nothing has come since the last one.
        heard = conn.bytes_in
        conn.write_frame(b"ping")
        conn.user_data = conn.reactor.call_later(self._every, self._check, conn, heard)

    def _check(self, conn: floodway.Connection, heard: int) -> None:
        if conn.bytes_in == heard:
            print(f"{conn.peer!r} did not answer", flush=True)
            conn.close()
        else:
            self._ping(conn)


if __name__ == "__main__":
    address = sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:9000"
    every = float(sys.argv[2]) if len(sys.argv) > 2 else 10.0
    # The native timeout is the net below: it ends whoever exchanges nothing at all, whatever the handler does.
    floodway.serve(Heartbeat(every), address, idle_timeout=every * 3)
