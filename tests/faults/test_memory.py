"""Memory of idle connections: a burst leaves nothing behind."""

import socket
from contextlib import ExitStack

import pytest

from tests.helpers import fault_process as process
from tests.helpers.fault_peers import ask, dial_port
from tests.helpers.fault_server import Server
from tests.helpers.peers import read_exactly
from tests.helpers.waiting import wait_until

FEW, MANY = 3_000, 9_000
BURST = bytes(range(256)) * 256  # 64 KiB


def burst(peers: list[socket.socket]) -> None:
    """Each sends 64 KiB and has it back, many at the same time."""
    for start in range(0, len(peers), 30):
        together = peers[start : start + 30]
        for peer in together:
            peer.sendall(BURST)
        for peer in together:
            assert read_exactly(peer, len(BURST)) == BURST


def bytes_per_connection(*, with_bursts: bool) -> float:
    """The slope of the server's memory over idle connections, each of which has been asked for an echo before.

    One reactor: each has an area of 1 MiB to receive into, and with several it is chance which burst is the first to
    fill all of them.
    """
    figures = []
    with Server("echo", sub_reactors=0) as server, ExitStack() as stack:
        peers: list[socket.socket] = []
        for count in (FEW, MANY):
            for number in range(len(peers), count):
                peer = stack.enter_context(dial_port(server.port, source=f"127.0.4.{number % 4 + 1}"))
                assert ask(peer) == b"hello"
                peers.append(peer)
            if with_bursts:
                burst(peers)
            wait_until(lambda: server.stats()["output_queued"] == 0, "everything is sent")
            figures.append(process.resident_bytes(server.pid))
    return (figures[1] - figures[0]) / (MANY - FEW)


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(120)
def test_a_burst_on_each_connection_leaves_less_than_64_bytes() -> None:
    before = bytes_per_connection(with_bursts=False)
    after = bytes_per_connection(with_bursts=True)
    assert after <= before + 64, f"{before:.0f} bytes per idle connection before, {after:.0f} after"
