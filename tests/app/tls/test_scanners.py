"""What a scanner that nobody here wrote has to say about our TLS."""

import subprocess
import sys

import floodway
from floodway.app.interface import handler_of
from tests.helpers import optional
from tests.helpers.certificates import Authority
from tests.helpers.peers import port_of


def test_sslyze_finds_nothing_against_mozillas_intermediate_configuration(authority: Authority) -> None:
    """Versions, ciphers, curves, renegotiation, known vulnerabilities: the exit code is 1 when anything is amiss."""
    optional.module("sslyze")
    handler = handler_of(lambda request: "hello", floodway.ApplicationOptions(), "the test")
    with floodway.Engine(handler, "tls://127.0.0.1:0", tls=authority.config) as engine:
        command = [sys.executable, "-m", "sslyze", "--mozilla_config=intermediate"]
        command += ["--certinfo_ca_file", str(authority.root), f"localhost:{port_of(engine)}"]
        scan = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "OK - Compliant." in scan.stdout, scan.stdout + scan.stderr
    assert scan.returncode == 0
