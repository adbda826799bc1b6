"""Where a service listens: what it was given in whatever form, what systemd passed, or the usual place."""

from dataclasses import replace
from pathlib import Path
from typing import Final

from floodway.base.address import Address, FdAddress, TcpAddress, UnixAddress, inherited_addresses, parse
from floodway.config import ServiceOptions

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8000


def addresses_of(given: tuple[str | Address, ...], options: ServiceOptions, *, secure: bool) -> list[Address]:
    """Every address to listen on; `secure`: encrypted, unless it says otherwise. Raises ValueError for what is none."""
    chosen = [address_of(address, secure=secure) for address in given]
    if options.host is not None or options.port is not None:
        host = (options.host or DEFAULT_HOST).removeprefix("[").removesuffix("]")
        port = DEFAULT_PORT if options.port is None else options.port
        chosen.append(TcpAddress(host, port, tls=secure))
    if options.uds is not None:
        chosen.append(UnixAddress(str(Path(options.uds).absolute())))
    if options.fd is not None:
        chosen.append(FdAddress(options.fd))
    return chosen or list(inherited_addresses()) or [TcpAddress(DEFAULT_HOST, DEFAULT_PORT, tls=secure)]


def address_of(given: str | Address, *, secure: bool) -> Address:
    """One address; `secure`: if it names no scheme, it is encrypted."""
    address = parse(given)
    if secure and isinstance(given, str) and "://" not in given and isinstance(address, TcpAddress):
        return replace(address, tls=True)
    return address
