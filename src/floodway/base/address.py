"""Addresses as people write them, `tcp://host:port` and so on: parsed here and printed back. Opens no socket.

Three forms exist, one class each; `str()` gives the text that `parse` reads. `host:port` and `http://host:port` are
other ways to write `tcp://`, `https://` is one to write `tls://`. Resolving a name is the only thing here that may
block.
"""

import os
import re
import socket
from dataclasses import dataclass, replace
from typing import Final, TypeAlias, cast
from urllib.parse import parse_qs, unquote, urlsplit

IpAddress: TypeAlias = tuple[str, int] | tuple[str, int, int, int]
"""An IP address and port as Python's socket module shapes them; with flow and scope only if they are set."""

_FORMS: Final = "host:port, tcp://[::1]:port, unix:///path, unix://@name or fd://number"
_SCHEMES: Final = {"tcp": "tcp", "http": "tcp", "tls": "tls", "https": "tls"}
_HTTP_PORTS: Final = {"http": 80, "https": 443}
_EVERY_INTERFACE: Final = "0.0.0.0"  # what `:port` means where people know it from
_FIRST_INHERITED_FD: Final = 3  # SD_LISTEN_FDS_START, sd_listen_fds(3)
_MAX_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A host, by number or name, and a port; port 0 lets the system choose one when listening. `tls`: encrypted."""

    host: str
    port: int
    tls: bool = False

    def __str__(self) -> str:
        scheme, host = "tls" if self.tls else "tcp", f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}"

    def resolve(self, *, passive: bool = False) -> list[IpAddress]:
        """Every socket address of this host, in the system's order. `passive`: to listen on. May block.

        Raises socket.gaierror when the name is unknown.
        """
        flags = socket.AI_PASSIVE if passive else 0
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM, flags=flags)
        return list(dict.fromkeys(_shaped(address) for *_, address in found))

    @property
    def is_numeric(self) -> bool:
        """Whether the host is an IP address, so that resolving it cannot block."""
        try:
            socket.getaddrinfo(self.host, self.port, flags=socket.AI_NUMERICHOST)
        except socket.gaierror:
            return False
        return True


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """The path of a Unix socket, or `@name` in the abstract namespace (Linux); `mode`: the permissions of the file."""

    path: str
    mode: int | None = None

    def __str__(self) -> str:
        return f"unix://{self.path}" + (f"?mode={self.mode:o}" if self.mode is not None else "")

    @property
    def is_abstract(self) -> bool:
        """Whether no file stands for it."""
        return self.path.startswith("@")

    @property
    def socket_address(self) -> str:
        """The address as the socket module takes it: an abstract name begins with a zero byte."""
        return "\0" + self.path[1:] if self.is_abstract else self.path


@dataclass(frozen=True, slots=True)
class FdAddress:
    """A listening socket that the process was started with."""

    fd: int

    def __str__(self) -> str:
        return f"fd://{self.fd}"


Address: TypeAlias = TcpAddress | UnixAddress | FdAddress


def parse(text: str | Address) -> Address:
    """Read an address. Raises ValueError with what to write instead.

    >>> parse("tcp://[::1]:9000").host
    '::1'
    >>> str(parse(":8000"))
    'tcp://0.0.0.0:8000'
    >>> str(parse("unix:///run/app.sock?mode=660"))
    'unix:///run/app.sock?mode=660'
    """
    if not isinstance(text, str):
        return text
    scheme, separator, rest = text.partition("://")
    if not separator:
        if re.fullmatch(r"\S*:\d+", text):
            return _parse_tcp(text, "tcp", text)
        raise ValueError(f"address {text!r} has no port and no scheme; write {_FORMS}")
    if scheme in _SCHEMES:
        return _parse_tcp(text, scheme, rest)
    if scheme == "unix":
        return _parse_unix(text, rest)
    if scheme == "fd":
        return _parse_fd(text, rest)
    raise ValueError(f"address {text!r} has the unknown scheme {scheme!r}; write {_FORMS}")


def check_plain(address: Address) -> None:
    """Raise ValueError for an address that asks for TLS, which nothing here provides yet."""
    if isinstance(address, TcpAddress) and address.tls:
        plain = replace(address, tls=False)
        raise ValueError(
            f"address {address} needs a TLS configuration, which this version cannot take; write {plain} behind a proxy"
        )


def from_socket(listener: socket.socket) -> Address:
    """The address that a socket is bound to."""
    name = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        path = os.fsdecode(name)
        return UnixAddress("@" + path[1:] if path.startswith("\0") else path)
    return TcpAddress(name[0], name[1])


def inherited_addresses() -> list[FdAddress]:
    """The listening sockets that systemd passed to this process (LISTEN_FDS, sd_listen_fds(3)), each only once.

    The variables are removed, so that a child process does not take the sockets for its own.
    """
    owner, count = os.environ.pop("LISTEN_PID", ""), os.environ.pop("LISTEN_FDS", "")
    os.environ.pop("LISTEN_FDNAMES", None)
    if owner != str(os.getpid()) or not count.isdecimal():
        return []
    return [FdAddress(_FIRST_INHERITED_FD + index) for index in range(int(count))]


def _shaped(address: tuple[object, ...]) -> IpAddress:
    """The (host, port) of an IPv6 address without flow and scope, which almost never has any."""
    host, port, *rest = address
    if rest and any(rest):
        return str(host), *cast("tuple[int, int, int]", (port, *rest))
    return str(host), cast("int", port)


def _parse_tcp(text: str, scheme: str, rest: str) -> TcpAddress:
    parts = urlsplit(f"tcp://{rest}")
    is_root = parts.path == "/" and scheme in _HTTP_PORTS  # as browsers show it
    if (parts.path and not is_root) or parts.query or parts.fragment or parts.username is not None:
        raise ValueError(f"address {text!r}: only a host and a port belong there; write {scheme}://host:port")
    if ":" in parts.netloc.rpartition(":")[0] and not parts.netloc.startswith("["):
        raise ValueError(f"address {text!r}: an IPv6 address needs brackets; write {scheme}://[::1]:port")
    has_port = parts.netloc.rpartition("]")[2].count(":") == 1
    host, port = parts.hostname, parts.netloc.rpartition(":")[2] if has_port else str(_HTTP_PORTS.get(scheme, ""))
    if host is None and text == rest:
        host = _EVERY_INTERFACE
    if not host:
        raise ValueError(
            f"address {text!r} has no host; write {scheme}://127.0.0.1:port, or {scheme}://[::]:port for all"
        )
    if not port.isdecimal() or int(port) > _MAX_PORT:
        raise ValueError(
            f"address {text!r}: the port has to be a number from 0 to {_MAX_PORT}; write {scheme}://host:8000"
        )
    return TcpAddress(host, int(port), tls=_SCHEMES[scheme] == "tls")


def _parse_unix(text: str, rest: str) -> UnixAddress:
    path, _, query = rest.partition("?")
    options = parse_qs(query, keep_blank_values=True)
    mode = options.pop("mode", [None])[0]
    if options:
        raise ValueError(f"address {text!r}: the only option is mode; write unix://{path}?mode=660")
    if not path.startswith(("/", "@")) or path == "@":
        raise ValueError(f"address {text!r}: the path has to be absolute; write unix:///run/name.sock or unix://@name")
    if mode is None:
        return UnixAddress(unquote(path))
    if path.startswith("@"):
        raise ValueError(f"address {text!r}: an abstract socket has no permissions; write unix://{path}")
    if not re.fullmatch(r"0?[0-7]{3}", mode):
        raise ValueError(f"address {text!r}: mode {mode!r} is not three octal digits; write ?mode=660")
    return UnixAddress(unquote(path), int(mode, 8))


def _parse_fd(text: str, rest: str) -> FdAddress:
    if not rest.isdecimal():
        raise ValueError(f"address {text!r}: a descriptor is a number; write fd://3")
    return FdAddress(int(rest))
