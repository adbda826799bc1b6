"""The command of OpenSSL as a client: versions, names, resumption, and its own view of the end."""

import subprocess
from typing import Any

import pytest

import floodway
from tests.helpers.certificates import Authority
from tests.helpers.journal import Echo
from tests.helpers.peers import port_of


class Once(Echo):
    """Answers one line and closes."""

    framing = floodway.Lines()

    def on_data(self, conn: floodway.Connection, data: Any) -> None:
        conn.write_frame(b"answer to " + data)
        conn.close()


def client(engine: floodway.Engine, authority: Authority, *arguments: str) -> str:
    """What it prints."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port_of(engine)}", "-CAfile", str(authority.root)]
    done = subprocess.run(
        [*command, "-verify_return_error", "-ign_eof", *arguments],
        input="question\n",
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_it_asks_is_answered_and_told_goodbye(authority: Authority, version: str) -> None:
    handler = Once()
    with floodway.Engine(handler, "tls://127.0.0.1:0", tls=authority.config) as engine:
        flag = f"-tls{version.replace('.', '_')}"
        said = client(engine, authority, flag, "-servername", "localhost", "-verify_hostname", "localhost", "-msg")
        assert "answer to question" in said
        assert "Verification: OK" in said
        assert "close_notify" in said  # ours: its own would come with an end of input that -ign_eof keeps from it
        assert handler.wait_closed() == [None]


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_it_resumes_a_session(authority: Authority, version: str, tmp_path: Any) -> None:
    with floodway.Engine(Once(), "tls://127.0.0.1:0", tls=authority.config) as engine:
        flag, session = f"-tls{version.replace('.', '_')}", str(tmp_path / "session")
        assert "New, TLSv1" in client(engine, authority, flag, "-sess_out", session)
        assert "Reused, TLSv1" in client(engine, authority, flag, "-sess_in", session)


@pytest.mark.parametrize("flag", ["-tls1", "-tls1_1"])
def test_old_versions_are_refused(authority: Authority, flag: str) -> None:
    with (
        floodway.Engine(Once(), "tls://127.0.0.1:0", tls=authority.config) as engine,
        pytest.raises(subprocess.CalledProcessError),
    ):
        client(engine, authority, flag, "-cipher", "ALL:@SECLEVEL=0")
