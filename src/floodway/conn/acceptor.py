"""Binding the sockets of one address, and removing what they leave behind. Accepting on them is the reactors' part.

Several reactors that accept each get a TCP socket of their own (SO_REUSEPORT), so that the kernel spreads newcomers
over them; Unix sockets refuse that option (unix(7)), and they and inherited sockets are shared. With SO_REUSEPORT a
second server could bind the same port unnoticed; so the port is first bound without it.
"""

import errno
import logging
import os
import socket
from pathlib import Path
from typing import Final

from floodway.base.address import Address, FdAddress, TcpAddress, UnixAddress, check_plain, from_socket
from floodway.base.platform import facts
from floodway.base.socket_options import before_bind, for_accepted
from floodway.config import ListenerOptions
from floodway.errors import ListenError

logger: Final = logging.getLogger(__name__)


class Acceptor:
    """The listening sockets of one address, from `open` to `close`. Used by one thread at a time."""

    def __init__(self, address: Address, options: ListenerOptions, backlog: int) -> None:
        check_plain(address)
        self.address = address
        self._options = options
        self._backlog = backlog
        self._groups: list[list[socket.socket]] = []  # per bound address: one socket, or one for each reactor
        self._lent: list[socket.socket] = []
        self._socket_file: tuple[int, int] | None = None  # device and inode of the Unix socket that is ours
        self.bound: tuple[Address, ...] = ()

    def open(self, reactors: int, *, extensible: bool = False) -> None:
        """Bind and listen, for so many accepting reactors. Raises ListenError and then leaves nothing open.

        `extensible`: `extend` may follow, so that even a single TCP socket has SO_REUSEPORT.
        """
        try:
            self._bind(reactors, reuse_port=extensible or reactors > 1)
            for listener in self._sockets():
                self._listen(listener)
        except OSError as error:
            self.close()
            raise ListenError(str(self.address), _explained(error)) from error
        self.bound = tuple(self._bound_address(group[0]) for group in self._groups)
        cap = facts().somaxconn
        if cap is not None and cap < self._backlog:
            logger.info("backlog of %s: %d, capped by net.core.somaxconn = %d", self.address, self._backlog, cap)

    def extend(self) -> None:
        """Let each TCP address have one socket more, for one more who accepts. Raises ListenError."""
        if not self._is_spread:
            return
        for group in self._groups:
            try:
                added = self._bound_socket(group[0].getsockname(), reuse_port=True)
                group.append(added)
                self._listen(added)
            except OSError as error:
                raise ListenError(str(self.address), _explained(error)) from error

    def held(self, index: int) -> list[tuple[Address, socket.socket, bool]]:
        """For each bound address the socket of this index, and whether it is one that all indices share."""
        return [
            (address, group[index] if self._is_spread else group[0], not self._is_spread)
            for address, group in zip(self.bound, self._groups, strict=True)
        ]

    def sockets_for(self, index: int) -> list[socket.socket]:
        """The sockets for the accepting reactor of this index, which closes them once the core has its duplicates."""
        mine = [group[index] if len(group) > 1 else group[0].dup() for group in self._groups]
        self._lent.extend(mine)
        return mine

    def release(self) -> None:
        """Close what is not lent, once every reactor has its sockets: a port is free when its last socket closes."""
        for group in self._groups:
            if len(group) == 1:
                group[0].close()

    def close(self) -> None:
        """Close everything, and remove the file of a Unix socket unless another server has replaced it meanwhile."""
        for listener in (*self._sockets(), *self._lent):
            listener.close()
        self._groups, self._lent, self.bound = [], [], ()
        self._remove_socket_file()

    def _remove_socket_file(self) -> None:
        if self._socket_file is None or not isinstance(self.address, UnixAddress):
            return
        mine, self._socket_file = self._socket_file, None
        path = Path(self.address.path)
        try:
            found = path.stat()
            if (found.st_dev, found.st_ino) == mine:
                path.unlink()
        except FileNotFoundError:
            pass  # removed by someone else, which is what we wanted
        except OSError as error:
            logger.warning("could not remove %s: %s", path, error)

    def _sockets(self) -> list[socket.socket]:
        return [listener for group in self._groups for listener in group]

    @property
    def _is_spread(self) -> bool:
        """Whether the kernel can spread newcomers over several sockets; others are shared."""
        return isinstance(self.address, TcpAddress)

    def _listen(self, listener: socket.socket) -> None:
        listener.setblocking(False)  # noqa: FBT003 - the socket module takes it so
        for option in for_accepted(self._options, listener.family):
            listener.setsockopt(*option)
        listener.listen(self._backlog)

    def _bind(self, reactors: int, *, reuse_port: bool) -> None:
        address = self.address
        if isinstance(address, TcpAddress):
            self._bind_tcp(address, reactors, reuse_port=reuse_port)
        elif isinstance(address, UnixAddress):
            self._bind_unix(address)
        else:
            self._groups.append([_inherited(address)])

    def _bind_tcp(self, address: TcpAddress, reactors: int, *, reuse_port: bool) -> None:
        port = address.port
        for host, _, *rest in address.resolve(passive=True):
            target: tuple[str | int, ...] = (host, port, *rest)
            probe = self._bound_socket(target)
            port = probe.getsockname()[1]  # port 0: every further socket takes the port that the first one got
            if not reuse_port:
                self._groups.append([probe])
                continue
            probe.close()
            target = (host, port, *rest)
            group: list[socket.socket] = []
            self._groups.append(group)  # before it is filled, so that close() finds what there is when a bind fails
            group.extend(self._bound_socket(target, reuse_port=True) for _ in range(reactors))

    def _bound_socket(self, target: tuple[str | int, ...], *, reuse_port: bool = False) -> socket.socket:
        family = socket.AF_INET6 if ":" in str(target[0]) else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            for option in before_bind(self._options, family, reuse_port=reuse_port):
                listener.setsockopt(*option)
            if family == socket.AF_INET6:
                # The wildcard is dual-stack; any other address has IPv6 peers only, whatever the system's default.
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if target[0] == "::" else 1)
            listener.bind(target)
        except OSError:
            listener.close()
            raise
        return listener

    def _bind_unix(self, address: UnixAddress) -> None:
        if not address.is_abstract:
            _remove_stale(Path(address.path))
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._groups.append([listener])
        for option in before_bind(self._options, socket.AF_UNIX, reuse_port=False):
            listener.setsockopt(*option)
        if address.mode is not None:
            # On Linux the file gets the permissions of the socket (less the umask), so it is never open too wide.
            os.fchmod(listener.fileno(), address.mode)
        listener.bind(address.socket_address)
        if address.is_abstract:
            return
        path = Path(address.path)
        found = path.stat()
        self._socket_file = (found.st_dev, found.st_ino)
        if address.mode is not None:
            path.chmod(address.mode)

    def _bound_address(self, listener: socket.socket) -> Address:
        return from_socket(listener) if isinstance(self.address, TcpAddress) else self.address


def _inherited(address: FdAddress) -> socket.socket:
    copy = -1
    try:
        copy = os.dup(address.fd)
        listener = socket.socket(fileno=copy)
    except OSError as error:
        if copy >= 0:
            os.close(copy)
        raise OSError(error.errno, f"{error.strerror}: the process was not started with a socket there") from error
    if listener.type != socket.SOCK_STREAM:
        listener.close()
        raise OSError(errno.EPROTOTYPE, "it is not a stream socket")
    return listener


def _remove_stale(path: Path) -> None:
    """Remove the socket file of a server that is gone. Raises OSError if a server answers there, or it is no socket."""
    if not path.exists():
        return
    if not path.is_socket():
        raise OSError(errno.EEXIST, "a file that is not a socket is there; move it away or take another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as visitor:
        visitor.setblocking(False)  # noqa: FBT003 - the socket module takes it so
        try:
            visitor.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()  # nobody has it open
            return
        except FileNotFoundError:
            return
        except BlockingIOError:
            pass  # its backlog is full: somebody listens
    raise OSError(errno.EADDRINUSE, "another server is listening there; stop it or take another path")


def _explained(error: OSError) -> OSError:
    """The same error, with advice where there is some."""
    advice = {
        errno.EADDRINUSE: "; stop the server that has it (ss -ltnp shows it) or take another port",
        errno.EACCES: "; ports below 1024 need CAP_NET_BIND_SERVICE, paths a writable directory",
        errno.EADDRNOTAVAIL: "; no interface has this address (ip address shows them)",
    }
    text = error.strerror or str(error)
    if error.errno not in advice or ";" in text:
        return OSError(error.errno, text)
    return OSError(error.errno, text + advice[error.errno])
