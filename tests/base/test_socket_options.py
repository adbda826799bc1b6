"""Which options a listening socket gets before it is bound."""

import socket

from floodway.base.socket_options import before_bind
from floodway.config import ListenerOptions


def test_a_tcp_listener_reuses_its_address() -> None:
    assert before_bind(ListenerOptions(), socket.AF_INET, reuse_port=False) == [
        (socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    ]


def test_a_unix_listener_gets_no_option_of_tcp() -> None:
    assert before_bind(ListenerOptions(), socket.AF_UNIX, reuse_port=False) == []


def test_buffers_and_the_shared_port_are_asked_for() -> None:
    options = ListenerOptions(receive_buffer=8192, send_buffer=4096, reuse_address=False)
    assert before_bind(options, socket.AF_INET6, reuse_port=True) == [
        (socket.SOL_SOCKET, socket.SO_REUSEPORT, 1),
        (socket.SOL_SOCKET, socket.SO_RCVBUF, 8192),
        (socket.SOL_SOCKET, socket.SO_SNDBUF, 4096),
    ]
