"""Binding: ports, names, Unix sockets stale and live, inherited sockets, and what is left behind: nothing."""

import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from floodway.base.address import FdAddress, TcpAddress, UnixAddress, parse
from floodway.config import ListenerOptions
from floodway.conn.acceptor import Acceptor
from floodway.errors import ListenError

pytestmark = pytest.mark.usefixtures("no_descriptor_left")


@contextmanager
def opened(address: str, reactors: int = 1, options: ListenerOptions | None = None) -> Iterator[Acceptor]:
    acceptor = Acceptor(parse(address), options or ListenerOptions(), 16)
    acceptor.open(reactors)
    try:
        yield acceptor
    finally:
        acceptor.close()


def port_of(acceptor: Acceptor) -> int:
    address = acceptor.bound[0]
    assert isinstance(address, TcpAddress)
    return address.port


def answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as visitor:
        return visitor.connect_ex(path) == 0


def test_port_0_becomes_a_port() -> None:
    with opened("tcp://127.0.0.1:0") as acceptor:
        assert port_of(acceptor) > 0
        socket.create_connection(("127.0.0.1", port_of(acceptor))).close()


def test_a_name_listens_on_all_that_it_resolves_to_on_one_port() -> None:
    with opened("tcp://localhost:0") as acceptor:
        hosts = {address.host for address in acceptor.bound if isinstance(address, TcpAddress)}
        assert hosts == {host for host, *_ in TcpAddress("localhost", 0).resolve(passive=True)}
        assert len({address.port for address in acceptor.bound if isinstance(address, TcpAddress)}) == 1


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="not on this platform: no IPv6")
def test_the_wildcard_is_dual_stack() -> None:
    with opened("tcp://[::]:0") as acceptor:
        socket.create_connection(("127.0.0.1", port_of(acceptor))).close()
        socket.create_connection(("::1", port_of(acceptor))).close()


def test_several_reactors_share_a_port_with_a_socket_each() -> None:
    with opened("tcp://127.0.0.1:0", reactors=3) as acceptor:
        mine = [acceptor.sockets_for(index) for index in range(3)]
        assert [len(one) for one in mine] == [1, 1, 1]
        assert len({one[0].getsockname() for one in mine}) == 1
        assert all(one[0].getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) for one in mine)


def test_a_rival_is_noticed_although_ports_are_shared() -> None:
    with opened("tcp://127.0.0.1:0", reactors=2) as acceptor:
        rival = Acceptor(TcpAddress("127.0.0.1", port_of(acceptor)), ListenerOptions(), 16)
        with pytest.raises(ListenError, match="Address already in use; stop the server that has it") as caught:
            rival.open(2)
        assert caught.value.errno == errno.EADDRINUSE


def test_options_reach_the_socket() -> None:
    with opened("tcp://127.0.0.1:0", options=ListenerOptions(receive_buffer=1 << 16)) as acceptor:
        (listener,) = acceptor.sockets_for(0)
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 2 << 16  # the kernel doubles it, socket(7)


def test_an_address_of_another_machine_is_refused() -> None:
    acceptor = Acceptor(parse("tcp://192.0.2.1:0"), ListenerOptions(), 16)
    with pytest.raises(ListenError, match=r"tcp://192.0.2.1:0: .*; no interface has this address"):
        acceptor.open(1)


def test_a_socket_file_has_its_mode_and_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    with opened(f"unix://{path}?mode=640") as acceptor:
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        assert acceptor.bound == (UnixAddress(str(path), 0o640),)
        assert answers(str(path))
    assert not path.exists()


def test_a_stale_socket_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with opened(f"unix://{path}"):
        assert answers(str(path))


def test_a_live_server_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    with opened(f"unix://{path}"):
        with pytest.raises(ListenError, match="another server is listening there"):
            Acceptor(parse(f"unix://{path}"), ListenerOptions(), 16).open(1)
        assert answers(str(path))


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(ListenError, match="a file that is not a socket is there"):
        Acceptor(parse(f"unix://{path}"), ListenerOptions(), 16).open(1)
    assert path.read_text() == "data"


def test_the_file_of_a_successor_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    with opened(f"unix://{path}"), socket.socket(socket.AF_UNIX) as successor:
        path.unlink()
        successor.bind(str(path))
    assert path.exists()


def test_an_abstract_name_leaves_no_file() -> None:
    with opened(f"unix://@floodway-{os.getpid()}"):
        assert answers(f"\0floodway-{os.getpid()}")


def test_an_inherited_socket_is_listened_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as inherited:
        address = FdAddress(inherited.fileno())
        with opened(str(address), reactors=2) as acceptor:
            assert acceptor.bound == (address,)
            mine = [acceptor.sockets_for(index)[0] for index in range(2)]
            assert {one.getsockname() for one in mine} == {inherited.getsockname()}
        socket.create_connection(inherited.getsockname()).close()


def test_a_descriptor_that_is_no_socket_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file, pytest.raises(ListenError, match="not started with a socket there"):
        Acceptor(FdAddress(file.fileno()), ListenerOptions(), 16).open(1)
