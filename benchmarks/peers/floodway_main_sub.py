"""Echo on Floodway with a main reactor: it accepts, a balancer written in Python picks, a sub reactor serves.

With one sub reactor the choice is trivial; the way through balancer and inbox is what this server measures.
"""

from floodway_announce import announce

import floodway


class Echo(floodway.Handler):
    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        conn.write(data)


if __name__ == "__main__":
    with floodway.Engine(
        Echo(), "tcp://127.0.0.1:0", main_reactors=1, sub_reactors=1, balancer=floodway.LeastConnections()
    ) as engine:
        announce(engine)
        engine.join()
