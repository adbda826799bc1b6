"""What encrypts an engine's connections: a native server for each listener, and its reload; whom clients expect."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from floodway.base.address import Address, TcpAddress
from floodway.base.tls import ClientTLS, TLSConfig, TlsServer

logger: Final = logging.getLogger(__name__)


class TlsEndpoints:
    """Made once for each engine. Any thread."""

    def __init__(self, default: TLSConfig | None) -> None:
        self._default = default
        self._lock = threading.Lock()
        self._servers: list[tuple[TLSConfig, tuple[str, ...], TlsServer]] = []

    def of(self, address: Address, config: TLSConfig | None, alpn: tuple[str, ...]) -> TlsServer | None:
        """What encrypts what is accepted there; None if nothing does. Reads the files.

        `config`: the listener's own. `alpn`: what is spoken there. Raises OSError or ValueError for files that cannot
        be used, and ValueError for an address that is to be encrypted without anybody having said how.
        """
        is_secure = isinstance(address, TcpAddress) and address.tls
        config = config or (self._default if is_secure else None)
        if config is None:
            if is_secure:
                raise ValueError(
                    f"{address} needs a certificate; pass tls=floodway.TLSConfig.from_files(cert, key), "
                    "or on the command line --ssl-certfile and --ssl-keyfile"
                )
            return None
        server = config.server(alpn)
        with self._lock:
            self._servers.append((config, alpn, server))
        return server

    @property
    def is_empty(self) -> bool:
        """Whether nothing is encrypted."""
        return not self._servers

    def reload(self) -> None:
        """Read every file again, for connections that are accepted from now on. If one cannot be used, none changes."""
        with self._lock:
            renewed = [(server, config.server(alpn)) for config, alpn, server in self._servers]
            for server, new in renewed:
                server.become_like(new)
        logger.info("the TLS certificates were read again")


def check_tls(config: TLSConfig | None, addresses: Sequence[Address]) -> None:
    """Raise what keeps an engine from serving these addresses, and read every file for it."""
    if config is not None:
        check_tls_is_used(addresses)
    endpoints = TlsEndpoints(config)
    for address in addresses:
        endpoints.of(address, None, ())


def check_tls_is_used(addresses: Sequence[Address]) -> None:
    """Raise ValueError if none of the addresses is one to encrypt: whoever passes certificates expects that."""
    if addresses and not any(isinstance(address, TcpAddress) and address.tls for address in addresses):
        first = addresses[0]
        better = replace(first, tls=True) if isinstance(first, TcpAddress) else "tls://host:port"
        raise ValueError(f"tls is given, but {first} is not to be encrypted; write {better}")


def client_tls(address: Address, given: bool | ClientTLS | None) -> ClientTLS | None:  # noqa: FBT001 - as connect() takes it
    """How a connection to this address is encrypted; None if it is not."""
    if given is None:
        given = isinstance(address, TcpAddress) and address.tls
    if isinstance(given, bool):
        return ClientTLS() if given else None
    return given


def server_name(address: Address, tls: ClientTLS) -> str:
    """Whom the server's certificate has to be for. Raises ValueError where nothing says that."""
    if tls.server_name is not None:
        return tls.server_name
    if isinstance(address, TcpAddress):
        return address.host
    raise ValueError(f"{address} says nothing about who is there; pass tls=ClientTLS(server_name=...)")
