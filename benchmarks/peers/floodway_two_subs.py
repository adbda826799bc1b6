"""Echo with work: each message costs its handler a fixed number of additions in Python before it is answered.

Shows what a second sub reactor is worth. Meant for a free-threaded build, where handlers of different reactors run at
the same time. `--sub-reactors 1` is the baseline; the runner gives both the same `--additions`, calibrated once.
"""

import argparse

from floodway_announce import announce

import floodway


class Work(floodway.Handler):
    """A handler without state of its own, so that two reactors share nothing but code."""

    def __init__(self, additions: int) -> None:
        self._additions = additions

    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        total = 0
        for i in range(self._additions):
            total += i
        conn.write(data)


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sub-reactors", type=int, default=2)
    parser.add_argument("--additions", type=int, required=True)
    arguments = parser.parse_args()
    with floodway.Engine(
        Work(arguments.additions), "tcp://127.0.0.1:0", main_reactors=1, sub_reactors=arguments.sub_reactors
    ) as engine:
        announce(engine)
        engine.join()


if __name__ == "__main__":
    main()
