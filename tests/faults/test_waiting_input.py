"""Input that was received and cannot be delivered yet, while other input comes in."""

import threading
from typing import Any

import floodway
from tests.helpers.fault_handlers import Ledger
from tests.helpers.peers import dial, read_exactly
from tests.helpers.waiting import wait_until


def test_half_a_frame_survives_the_input_of_others(driver: Any) -> None:
    class EchoesLines(Ledger):
        framing = floodway.Lines()

        def on_data(self, conn: floodway.Connection, data: bytes) -> None:
            conn.write(data + b"\n")

    with (
        floodway.Engine(EchoesLines(), "tcp://127.0.0.1:0", driver=driver) as engine,
        dial(engine) as one,
        dial(engine) as other,
    ):
        for peer, half, received in (one, b"on", 2), (other, b"othe", 6):
            peer.sendall(half)
            wait_until(lambda: engine.stats().total.bytes_in == received, "half a frame is received")  # noqa: B023
        one.sendall(b"e\n")
        other.sendall(b"r\n")
        assert read_exactly(one, 4) == b"one\n"
        assert read_exactly(other, 6) == b"other\n"


def test_input_for_a_busy_handler_survives_the_input_of_others(driver: Any) -> None:
    entered, leave = threading.Event(), threading.Event()

    class SlowToOpen(Ledger):
        def on_open(self, conn: floodway.Connection) -> None:
            entered.set()
            leave.wait(20)

    with (
        floodway.Engine(SlowToOpen(), "tcp://127.0.0.1:0", driver=driver, threads=2) as engine,
        dial(engine) as one,
        dial(engine) as other,
    ):
        assert entered.wait(10)
        one.sendall(b"one")
        wait_until(lambda: engine.stats().total.bytes_in == 3, "the first input is received")
        other.sendall(b"other")
        wait_until(lambda: engine.stats().total.bytes_in == 8, "the second input is received")
        leave.set()
        assert read_exactly(one, 3) == b"one"
        assert read_exactly(other, 5) == b"other"
