"""Echo on Floodway as a newcomer writes it: one reactor accepts and serves, `on_data` gets bytes."""

from floodway_announce import announce

import floodway


class Echo(floodway.Handler):
    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        conn.write(data)


if __name__ == "__main__":
    with floodway.Engine(Echo(), "tcp://127.0.0.1:0", main_reactors=1, sub_reactors=0) as engine:
        announce(engine)
        engine.join()
