"""`floodway serve` with certificates: in one process and in several, replaced while they serve, and bad ones."""

import re
import signal
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.certificates import Authority
from tests.helpers.waiting import wait_until
from tests.helpers.worker_service import APPLICATION, WorkerService, dial


def flags(chain: Path, key: Path) -> tuple[str, ...]:
    return ("--ssl-certfile", str(chain), "--ssl-keyfile", str(key))


def install(files: tuple[Path, Path], chain: Path, key: Path) -> None:
    chain.write_bytes(files[0].read_bytes())
    key.write_bytes(files[1].read_bytes())


def visit(
    target: str | tuple[str, int], context: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> tuple[int, str, ssl.SSLSocket]:
    """Who has answered, and the name in the certificate that was shown."""
    peer = context.wrap_socket(dial(target), server_hostname="localhost", session=session)
    peer.sendall(b"hello\n")
    pid, _ = peer.recv(100).split()
    certificate: Any = peer.getpeercert()
    return int(pid), dict(field[0] for field in certificate["subject"])["commonName"], peer


def any_name(authority: Authority) -> ssl.SSLContext:
    context = authority.context(version="1.2")
    context.check_hostname = False
    return context


@pytest.mark.parametrize("arguments", [(), ("--balancer", "least-connections")])
def test_workers_serve_resume_and_take_new_certificates(
    authority: Authority, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    install(authority.server, chain, key)
    context = any_name(authority)
    with WorkerService(
        tmp_path, "--workers", "2", *arguments, *flags(chain, key), address="tls://127.0.0.1:0"
    ) as service:
        service.wait_serving(2)
        target = service.target
        seen: dict[int, str] = {}
        session = None
        resumed: set[int] = set()
        while len(seen) < 2 or len(resumed) < 2:
            pid, name, peer = visit(target, context, session)
            seen[pid] = name
            if peer.session_reused:
                resumed.add(pid)
            session = session or peer.session
            peer.close()
        assert set(seen.values()) == {"localhost"}
        install(authority.issue("renewed.test"), chain, key)
        service.signal(signal.SIGHUP)

        def is_renewed() -> bool:
            pid, name, peer = visit(target, context)
            peer.close()
            return name == "renewed.test" and pid not in seen

        wait_until(is_renewed)


def test_sighup_without_workers_reads_certificates_again(authority: Authority, tmp_path: Path) -> None:
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    install(authority.server, chain, key)
    (tmp_path / "application.py").write_text(APPLICATION)
    command = [sys.executable, "-m", "floodway", "serve", "application:app", "tls://127.0.0.1:0", *flags(chain, key)]
    log = tmp_path / "log"
    context = any_name(authority)
    with log.open("w") as stream, subprocess.Popen(command, cwd=tmp_path, stderr=stream) as child:
        try:
            (port,) = wait_until(lambda: re.findall(r"listening on tls://127\.0\.0\.1:(\d+)", log.read_text()))
            target = ("127.0.0.1", int(port))
            _, name, kept = visit(target, context)
            assert name == "localhost"
            with kept:
                install(authority.issue("renewed.test"), chain, key)
                child.send_signal(signal.SIGHUP)
                wait_until(lambda: "were read again" in log.read_text())
                assert named(target, context) == "renewed.test"
                key.write_text("nonsense")
                child.send_signal(signal.SIGHUP)
                wait_until(lambda: "stay as they were" in log.read_text())
                assert f"{key}: there is no private key in it" in log.read_text()
                assert named(target, context) == "renewed.test"
                kept.sendall(b"hello\n")
                assert kept.recv(100).endswith(b" 0\n")
        finally:
            child.terminate()
    assert child.returncode == 0


@pytest.mark.parametrize("workers", [(), ("--workers", "2")])
def test_bad_files_end_the_command_with_one_line(
    authority: Authority, tmp_path: Path, workers: tuple[str, ...]
) -> None:
    chain, key = authority.server
    other_key = authority.issue("other")[1]
    cases = [
        (("--ssl-certfile", str(key)), f"{key}: there is no certificate in it"),
        (("--ssl-certfile", str(chain), "--ssl-keyfile", str(other_key)), "does not belong to the certificate"),
        (("--ssl-certfile", str(chain), "--ssl-keyfile", str(authority.encrypted(key, "x"))), "there is no password"),
        (("--ssl-keyfile", str(key)), "--ssl-keyfile needs a certificate; pass --ssl-certfile too"),
        ((), "tls://127.0.0.1:0 needs a certificate"),
    ]
    for arguments, message in cases:
        command = (sys.executable, "-m", "floodway", "serve", "application:app", "tls://127.0.0.1:0", *workers)
        done = subprocess.run([*command, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert message in done.stderr
        assert done.stderr.count("\nError: ") == 1
        assert "Traceback" not in done.stderr


def named(target: str | tuple[str, int], context: ssl.SSLContext) -> str:
    """The name in the certificate that is shown now."""
    _, name, peer = visit(target, context)
    peer.close()
    return name
