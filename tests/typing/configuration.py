"""Configurations as users write them. Only type-checked, never run; see handlers.py."""

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_type

import floodway


class Echo(floodway.Handler):
    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        conn.write(data)


class Nearest:
    """A balancer is any object with `pick`."""

    def pick(self, loads: Sequence[int], newcomer: floodway.Newcomer, /) -> int:
        return newcomer.fd % len(loads)


class PicksAName:
    def pick(self, loads: Sequence[int], newcomer: floodway.Newcomer, /) -> str:
        return "the first"


def engines() -> None:
    with floodway.Engine(Echo(), "tcp://127.0.0.1:0", main_reactors=1, sub_reactors=2, driver="portable") as engine:
        engine.listen("tcp://127.0.0.1:0", handler=Echo(), framing=floodway.Lines())
        connection = engine.connect("tcp://127.0.0.1:9000", Echo(), timeout=1.5)
        assert_type(connection, floodway.Connection)
        engine.call_soon(connection.close)
        for address in engine.addresses:
            print(address)
        engine.stop(grace=2)

    floodway.Engine(Echo(), balancer=floodway.LeastConnections())
    floodway.Engine(Echo(), balancer=Nearest())

    floodway.Engine(Echo(), balancer=PicksAName())  # type: ignore[arg-type]
    floodway.Engine(Echo(), balancer="least")  # type: ignore[arg-type]
    floodway.Engine(Echo(), threads="many")  # type: ignore[arg-type]
    floodway.Engine(Echo(), driver="kqueue")  # type: ignore[arg-type]
    floodway.Engine(Echo(), tread=4)  # type: ignore[call-arg]


def limits() -> None:
    few = floodway.Limits(max_connections=10, idle_timeout=1.5, write_timeout=None)
    assert_type(replace(few, max_connections=None), floodway.Limits)
    floodway.serve(Echo(), "tcp://127.0.0.1:9000", limits=few, high_water=1 << 20)

    few.max_connections = 20  # type: ignore[misc]
    floodway.Limits(10)  # type: ignore[call-arg]
    floodway.Limits(max_connections="some")  # type: ignore[arg-type]
    floodway.Limits(max_output_policy="keep")  # type: ignore[call-arg]
