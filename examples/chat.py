"""A chat room: what one says, the others read. Lines in, `write_many` out. Try `nc 127.0.0.1 9000`, twice."""

import sys
import threading

import floodway


class Chat(floodway.Handler):
    """One room. The lock matters with several reactors only; then callbacks of different connections overlap."""

    framing = floodway.Lines(max_bytes=1024)

    def __init__(self) -> None:
        self._members: set[floodway.Connection] = set()
        self._lock = threading.Lock()

    def on_open(self, conn: floodway.Connection) -> None:
        with self._lock:
            self._members.add(conn)
        conn.write_frame(b"* who are you?")

    def on_data(self, conn: floodway.Connection, line: bytes) -> None:
        if conn.user_data is None:
            conn.user_data = line
            conn.write_frame(b"* welcome, " + line)
            self._tell(conn, b"* " + line + b" has joined")
        else:
            self._tell(conn, conn.user_data + b": " + line)

    def on_close(self, conn: floodway.Connection, error: BaseException | None) -> None:
        with self._lock:
            self._members.discard(conn)
        if conn.user_data is not None:
            self._tell(conn, b"* " + conn.user_data + b" has left")

    def _tell(self, speaker: floodway.Connection, line: bytes) -> None:
        with self._lock:
            others = [member for member in self._members if member is not speaker and member.user_data is not None]
        floodway.write_many(others, line + b"\n")


if __name__ == "__main__":
    # A member who does not read is dropped at 64 KiB of pending output rather than slowing the room down.
    limits = floodway.Limits(max_output=64 * 1024, high_water=32 * 1024, low_water=8 * 1024)
    floodway.serve(Chat(), *(sys.argv[1:] or ["tcp://127.0.0.1:9000"]), limits=limits)
