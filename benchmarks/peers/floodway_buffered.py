"""Echo on Floodway without a copy: `Buffered` hands over the blocks it received into, and `write` sends them."""

from floodway_announce import announce

import floodway


class Echo(floodway.Handler[floodway.LinkBuffer]):
    framing = floodway.Buffered()

    def on_data(self, conn: floodway.Connection, data: floodway.LinkBuffer) -> None:
        conn.write(data)


if __name__ == "__main__":
    with floodway.Engine(Echo(), "tcp://127.0.0.1:0", main_reactors=1, sub_reactors=0) as engine:
        announce(engine)
        engine.join()
