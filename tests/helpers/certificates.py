"""Certificates for tests, made by the `openssl` command: an authority, and what it issues."""

import select
import ssl
import subprocess
import time
from pathlib import Path

import floodway
from tests.helpers.waiting import PATIENCE_SECONDS

CHUNK_BYTES = 1 << 16


class Authority:
    """A root that tests trust, and `server`, a certificate for `localhost` and 127.0.0.1 with its key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root.pem"
        self._root_key = folder / "root.key"
        self._run(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"),
            *("-subj", "/CN=Tests", "-addext", "basicConstraints=critical,CA:TRUE"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
            *("-keyout", self._root_key, "-out", self.root),
        )
        self.server = self.issue("localhost", "DNS:localhost,IP:127.0.0.1")

    def issue(self, name: str, alternatives: str | None = None) -> tuple[Path, Path]:
        """The files of a new certificate of this name and its key."""
        chain, key, request = (self.folder / f"{name}.{kind}" for kind in ("pem", "key", "csr"))
        self._run(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-subj", f"/CN={name}", "-keyout", key, "-out", request),
        )
        extension = self.folder / f"{name}.ext"
        extension.write_text(
            f"subjectAltName={alternatives or f'DNS:{name}'}\nauthorityKeyIdentifier=keyid\nkeyUsage=digitalSignature\n"
        )
        self._run(
            *("x509", "-req", "-in", request, "-days", "30", "-extfile", extension, "-out", chain),
            *("-CA", self.root, "-CAkey", self._root_key, "-CAcreateserial"),
        )
        return chain, key

    def encrypted(self, key: Path, password: str) -> Path:
        """The same key, which this password opens."""
        target = key.with_suffix(".encrypted")
        self._run("pkcs8", "-topk8", "-in", key, "-out", target, "-passout", f"pass:{password}")
        return target

    @property
    def config(self) -> floodway.TLSConfig:
        """The server's."""
        return floodway.TLSConfig.from_files(*self.server)

    def context(self, *, version: str | None = None) -> ssl.SSLContext:
        """A client's that trusts the root; `version` "1.2" or "1.3": only that one."""
        context = ssl.create_default_context(cafile=self.root)
        if version is not None:
            context.minimum_version = context.maximum_version = ssl.TLSVersion[f"TLSv{version.replace('.', '_')}"]
        return context

    def _run(self, *arguments: str | Path) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, text=True)


def exchange(peer: ssl.SSLSocket, payload: bytes, expect: int, seconds: float = PATIENCE_SECONDS) -> bytes:
    """Send the payload and read so many bytes, both at once, on one thread: an SSL socket is not made for two."""
    deadline = time.monotonic() + seconds
    sent, received = 0, bytearray()
    peer.setblocking(False)
    while sent < len(payload) or len(received) < expect:
        assert time.monotonic() < deadline, f"sent {sent} of {len(payload)}, received {len(received)} of {expect} bytes"
        moved = False
        try:
            if sent < len(payload):
                sent += peer.send(payload[sent : sent + CHUNK_BYTES])
                moved = True
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        try:
            data = peer.recv(CHUNK_BYTES)
            assert data, f"the end came after {len(received)} of {expect} bytes"
            received += data
            moved = True
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        if not moved:
            select.select([peer], [peer] if sent < len(payload) else [], [], 1.0)
    peer.settimeout(PATIENCE_SECONDS)
    return bytes(received)
