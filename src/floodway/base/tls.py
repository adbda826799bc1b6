"""TLS as it is configured: certificates in PEM files, and what a server or a client asks of its peers. No sockets.

Home of the native `TlsServer` and `TlsClient`, which hold what was read; a reload reads the files again. The
cryptography is rustls' with ring: TLS 1.2 and 1.3, no renegotiation, no compression, no 0-RTT.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, NamedTuple, Self, TypeAlias

from floodway._core import TlsClient, TLSInfo, TlsServer

__all__ = ["Certificate", "ClientTLS", "TLSConfig", "TLSInfo", "TlsClient", "TlsServer"]

MinVersion: TypeAlias = Literal["1.2", "1.3"]
VerifyClient: TypeAlias = Literal["none", "optional", "required"]
Password: TypeAlias = str | bytes | None

SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Certificate:
    """The files of a certificate and its private key, both PEM.

    `chain`: the certificate, followed by those that lead to the root. `key`: PKCS#8, also encrypted with `password`,
    PKCS#1 or SEC 1; None: it is in the file of the chain. `names`: what clients ask for (SNI) to be shown this one,
    such as `*.example.com`; empty: the names in the certificate.
    """

    chain: str | os.PathLike[str]
    key: str | os.PathLike[str] | None = None
    password: Password = field(default=None, repr=False)
    names: tuple[str, ...] = ()

    def read(self) -> "Credentials":
        """What the files hold now. Raises OSError."""
        chain = _read(self.chain)
        password = self.password.encode() if isinstance(self.password, str) else self.password
        return Credentials(chain, chain if self.key is None else _read(self.key), password, self.names)


@dataclass(frozen=True, slots=True, kw_only=True)
class TLSConfig:
    """What a listener's TLS is made of. Names files; they are read when a server starts and when it reloads.

    The first of the `certificates` is shown to clients that ask for no name, or for one that none has. `alpn`: the
    application protocols, the preferred first; a client that offers only others is refused; None: `http/1.1` where HTTP
    is spoken, else what clients offer is not looked at. `client_ca`: a file with the roots by which the certificates of
    clients are judged, who may show one ("optional") or must ("required"). `ticket_secret`: 32 bytes; whoever has them
    resumes sessions that another one began, so all processes of a service share them; they are random unless given.
    None: no session is resumed.

    Raises ValueError for what cannot be meant.

    >>> TLSConfig(certificates=(Certificate("/etc/ssl/site.pem"),)).min_version
    '1.2'
    """

    certificates: tuple[Certificate, ...]
    alpn: tuple[str, ...] | None = None
    min_version: MinVersion = "1.2"
    client_ca: str | os.PathLike[str] | None = None
    verify_client: VerifyClient = "none"
    ticket_secret: bytes | None = field(default_factory=lambda: os.urandom(SECRET_BYTES), repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.certificates:
            raise ValueError("certificates is empty; a TLS server needs one")
        _check_choice("min_version", self.min_version, ("1.2", "1.3"))
        _check_choice("verify_client", self.verify_client, ("none", "optional", "required"))
        if self.verify_client != "none" and self.client_ca is None:
            raise ValueError(f"verify_client is {self.verify_client!r}; pass client_ca, the roots to judge clients by")
        if self.verify_client == "none" and self.client_ca is not None:
            raise ValueError('client_ca is given, but clients are not asked; pass verify_client="required" too')
        if self.ticket_secret is not None and len(self.ticket_secret) != SECRET_BYTES:
            raise ValueError(f"ticket_secret has {len(self.ticket_secret)} bytes; it has to have {SECRET_BYTES}")

    @classmethod
    def from_files(  # noqa: PLR0913 - one for each thing that is asked of TLS
        cls,
        cert: str | os.PathLike[str],
        key: str | os.PathLike[str] | None = None,
        *,
        password: Password = None,
        alpn: Sequence[str] | None = None,
        min_version: MinVersion = "1.2",
        client_ca: str | os.PathLike[str] | None = None,
        verify_client: VerifyClient = "none",
    ) -> Self:
        """With one certificate; its files are checked now. Raises OSError, and ValueError with file and cause."""
        config = cls(
            certificates=(Certificate(cert, key, password),),
            alpn=None if alpn is None else tuple(alpn),
            min_version=min_version,
            client_ca=client_ca,
            verify_client=verify_client,
        )
        config.server()
        return config

    def server(self, alpn: tuple[str, ...] = ()) -> TlsServer:
        """What encrypts a listener's connections, with what the files hold now; `alpn`: unless it says otherwise.

        Raises OSError for a file that cannot be read, and ValueError, which names it, if its content is wrong.
        """
        return TlsServer(
            [certificate.read() for certificate in self.certificates],
            alpn=alpn if self.alpn is None else self.alpn,
            ticket_secret=self.ticket_secret,
            min_version=self.min_version,
            client_roots=None if self.client_ca is None else _read(self.client_ca),
            require_client=self.verify_client == "required",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientTLS:
    """What an outgoing connection asks of its server.

    `ca`: a file with the roots that are trusted, instead of the system's. `verify=False`: whoever answers is believed,
    so that the connection is private, but nobody knows with whom. `server_name`: whom the certificate has to be for;
    None: the host that is connected to. `certificate`: what is shown to a server that asks.

    >>> ClientTLS(alpn=("http/1.1",)).verify
    True
    """

    ca: str | os.PathLike[str] | None = None
    verify: bool = True
    server_name: str | None = None
    alpn: tuple[str, ...] = ()
    certificate: Certificate | None = None
    min_version: MinVersion = "1.2"

    def __post_init__(self) -> None:
        _check_choice("min_version", self.min_version, ("1.2", "1.3"))

    def client(self) -> TlsClient:
        """What encrypts connections, with what the files hold now. Raises as `TLSConfig.server`."""
        return TlsClient(
            roots=None if self.ca is None else _read(self.ca),
            verify=self.verify,
            alpn=self.alpn,
            certificate=None if self.certificate is None else self.certificate.read(),
            min_version=self.min_version,
        )


class Pem(NamedTuple):
    """A file and its content, as the native core takes it."""

    file: str
    content: bytes


class Credentials(NamedTuple):
    """The content of a `Certificate`, as the native core takes it."""

    chain: Pem
    key: Pem
    password: bytes | None
    names: tuple[str, ...]


def _read(path: str | os.PathLike[str]) -> Pem:
    return Pem(os.fspath(path), Path(path).read_bytes())


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; write one of {', '.join(map(repr, choices))}")
