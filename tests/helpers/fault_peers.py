"""Clients of a server that is known by its port alone, since it may be another process's."""

import socket

from tests.helpers.peers import read_exactly
from tests.helpers.waiting import PATIENCE_SECONDS


def dial_port(port: int, *, receive_buffer: int | None = None, source: str = "127.0.0.1") -> socket.socket:
    """A connection to a local server. Many clients need more than one source address: each has its own ports."""
    peer = socket.socket()
    peer.settimeout(PATIENCE_SECONDS)
    if receive_buffer is not None:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    if source != "127.0.0.1":
        # Choose the port at connect: then only the pair of addresses has to be new.
        peer.setsockopt(socket.IPPROTO_IP, getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24), 1)
        peer.bind((source, 0))
    peer.connect(("127.0.0.1", port))
    return peer


def ask(peer: socket.socket, question: bytes = b"hello") -> bytes:
    """Send, and receive as many bytes."""
    peer.sendall(question)
    return read_exactly(peer, len(question))
