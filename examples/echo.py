"""The smallest server. Try it with `nc 127.0.0.1 9000`."""

import sys

import floodway


class Echo(floodway.Handler):
    """Every connection gets its own bytes back."""

    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        conn.write(data)


if __name__ == "__main__":
    floodway.serve(Echo(), *(sys.argv[1:] or ["tcp://127.0.0.1:9000"]))
