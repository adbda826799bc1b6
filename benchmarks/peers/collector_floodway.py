"""Echo on Floodway that tells of its garbage collector: with nothing of its own for a connection, or with `--state`.

As `floodway_raw.py`; the state is what an application might keep: one ordinary object for each connection.
"""

import sys

from collector_report import Report
from floodway_announce import announce

import floodway


class Session:
    """What an application knows of a connection."""

    def __init__(self) -> None:
        self.messages = 0
        self.recent: list[int] = []


class Stateless(floodway.Handler):
    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        conn.write(data)


class Stateful(floodway.Handler):
    def on_open(self, conn: floodway.Connection) -> None:
        conn.user_data = Session()

    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        session: Session = conn.user_data
        session.messages += 1
        session.recent = [*session.recent[-3:], len(data)]
        conn.write(data)


if __name__ == "__main__":
    handler = Stateful() if "--state" in sys.argv else Stateless()
    # All descriptors but a few are for connections: by default Floodway would leave a fifth of them alone.
    with floodway.Engine(handler, "tcp://127.0.0.1:0", main_reactors=1, sub_reactors=0, max_connections=None) as engine:
        report = Report()
        announce(engine)
        engine.join()
