"""Where a service listens: what it was given in whatever form, what systemd passed, or the usual place."""

from pathlib import Path
from typing import Final

from floodway.base.address import Address, FdAddress, TcpAddress, UnixAddress, inherited_addresses, parse
from floodway.config import ServiceOptions

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8000


def addresses_of(given: tuple[str | Address, ...], options: ServiceOptions) -> list[Address]:
    """Every address to listen on. Raises ValueError for one that cannot be read."""
    chosen = [parse(address) for address in given]
    if options.host is not None or options.port is not None:
        host = (options.host or DEFAULT_HOST).removeprefix("[").removesuffix("]")
        chosen.append(TcpAddress(host, DEFAULT_PORT if options.port is None else options.port))
    if options.uds is not None:
        chosen.append(UnixAddress(str(Path(options.uds).absolute())))
    if options.fd is not None:
        chosen.append(FdAddress(options.fd))
    return chosen or list(inherited_addresses()) or [TcpAddress(DEFAULT_HOST, DEFAULT_PORT)]
