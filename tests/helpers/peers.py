"""Scripted clients: plain blocking sockets for one peer, one selector for many."""

import contextlib
import selectors
import socket
import struct
import time
from collections.abc import Iterator, Sequence

import floodway
from floodway.base.address import TcpAddress, UnixAddress
from tests.helpers.waiting import PATIENCE_SECONDS

CHUNK_BYTES = 1 << 18


def port_of(engine: floodway.Engine, index: int = 0) -> int:
    """The port of the engine's address of this number."""
    address = engine.addresses[index]
    assert isinstance(address, TcpAddress)
    return address.port


def dial(engine: floodway.Engine, index: int = 0, *, receive_buffer: int | None = None) -> socket.socket:
    """A connected client socket for the address of this number. `receive_buffer`: bytes of SO_RCVBUF, fixed."""
    address = engine.addresses[index]
    assert isinstance(address, (TcpAddress, UnixAddress))
    family = socket.AF_UNIX
    target: str | tuple[str, int] = ""
    if isinstance(address, TcpAddress):
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        target = (address.host, address.port)
    else:
        target = address.socket_address
    peer = socket.socket(family, socket.SOCK_STREAM)
    try:
        if receive_buffer is not None:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        peer.settimeout(PATIENCE_SECONDS)
        peer.connect(target)
    except OSError:
        peer.close()
        raise
    return peer


@contextlib.contextmanager
def dial_many(engine: floodway.Engine, count: int, index: int = 0) -> Iterator[list[socket.socket]]:
    """So many connected client sockets, closed at the end."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(dial(engine, index)) for _ in range(count)]


def read_exactly(peer: socket.socket, count: int) -> bytes:
    """The next `count` bytes; AssertionError if the end comes first."""
    received = bytearray()
    while len(received) < count:
        data = peer.recv(min(CHUNK_BYTES, count - len(received)))
        assert data, f"end of input after {len(received)} of {count} bytes"
        received += data
    return bytes(received)


def read_to_end(peer: socket.socket) -> bytes:
    """Everything up to the peer's FIN. Raises ConnectionResetError instead of taking a reset for an end."""
    received = bytearray()
    while data := peer.recv(CHUNK_BYTES):
        received += data
    return bytes(received)


def reset(peer: socket.socket) -> None:
    """Close with a RST."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def converse(
    peers: Sequence[socket.socket],
    payloads: Sequence[bytes],
    *,
    expect: Sequence[int] | None = None,
    finish: bool = False,
    seconds: float = 30.0,
) -> list[bytes]:
    """Send each peer's payload while reading what comes, all at once; returns what each has read.

    A peer is done after `expect` bytes (as many as it sent, if left out), or at the end of input. With `finish` it
    half-closes as soon as everything is sent, and is done at the end of input only.
    """
    received = [bytearray() for _ in peers]
    sent = [0] * len(peers)
    wanted = [len(payload) for payload in payloads] if expect is None else list(expect)
    deadline = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for number, peer in enumerate(peers):
            peer.setblocking(False)
            selector.register(peer, selectors.EVENT_READ | selectors.EVENT_WRITE, number)
        while selector.get_map():
            assert time.monotonic() < deadline, (
                f"{len(selector.get_map())} of {len(peers)} peers wait after {seconds} seconds; "
                f"received {sum(map(len, received))} of {sum(wanted)} bytes"
            )
            for key, ready in selector.select(1.0):
                number, peer = key.data, peers[key.data]
                if ready & selectors.EVENT_WRITE:
                    with contextlib.suppress(BlockingIOError):
                        sent[number] += peer.send(payloads[number][sent[number] : sent[number] + CHUNK_BYTES])
                    if sent[number] == len(payloads[number]):
                        selector.modify(peer, selectors.EVENT_READ, number)
                        if finish:
                            peer.shutdown(socket.SHUT_WR)
                ended = False
                if ready & selectors.EVENT_READ:
                    with contextlib.suppress(BlockingIOError):
                        data = peer.recv(CHUNK_BYTES)
                        received[number] += data
                        ended = not data
                enough = (
                    not finish and sent[number] == len(payloads[number]) and len(received[number]) >= wanted[number]
                )
                if ended or enough:
                    selector.unregister(peer)
    for peer in peers:
        peer.settimeout(PATIENCE_SECONDS)
    return [bytes(data) for data in received]
