"""Which options a listening socket gets before it is bound."""

import socket

from floodway.base.socket_options import before_bind, for_accepted
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


def test_accepted_connections_send_at_once_and_are_asked_whether_they_live() -> None:
    assert for_accepted(ListenerOptions(keepalive=60), socket.AF_INET6) == [
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    ]
