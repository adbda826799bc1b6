"""gunicorn's corpora of requests, valid and invalid, get the verdicts that gunicorn gives, with these exceptions.

They are not ours: they are fetched with its source distribution when the test runs, and kept outside of the repository.
"""

import re
from pathlib import Path

from tests.helpers.http_client import Client, serving
from tests.helpers.source_distribution import unpacked
from tests.helpers.waiting import wait_until

VERSION = "27.0.1"
SHA256 = "b1514965361c8b7e8107a80aa2a92636878df1ccfac6dd204a676426e04d9e3e"

CODINGS = (
    "a Transfer-Encoding other than chunked, which no client sends, and which hides bodies from those who know it less"
)
FOLD = "obs-fold, which gunicorn takes where it is told to"
PROXY = "the PROXY protocol, which gunicorn takes where it is told to"
LIMIT = "a limit that is lower than ours"
UNDERSCORE = "an underscore in a name makes another name; only an environ of CGI's kind could mistake it"

# Valid for gunicorn, as its test's configuration sets it up, and refused here.
REFUSED: dict[str, str] = {
    "024": "its header is longer than what all of a head may have (16 KiB)",
    "025": CODINGS,
    "025_line": CODINGS,
    "028": "white space before the colon, which gunicorn takes where it is told to",
    "029": CODINGS,
    "030": CODINGS,
    "099": "the end comes before the end of the body, which its test does not read",
    "compat_obs_fold": FOLD,
    "compat_obs_fold_huge": FOLD,
    "pp_01": PROXY,
    "pp_02": PROXY,
    "pp_04": PROXY,
    "pp_05": PROXY,
    "rfc9112_smuggle_gzip_chunked_01": CODINGS,
    "rfc9112_smuggle_te_identity_chunked_01": CODINGS,
    "rfc9112_target_absolute_userinfo_01": "user information in a target, to be treated as an error (9110 4.2.4)",
    "rfc9112_target_authority_connect_01": "CONNECT",
    "rfc9112_target_authority_ipv6_01": "CONNECT",
}
# Invalid for gunicorn and accepted here.
ACCEPTED: dict[str, str] = {
    "003c": "a method in lower case and with a hyphen: a token like any other",
    "006": LIMIT,
    "007": LIMIT,
    "008": LIMIT,
    "010": LIMIT,
    "011": LIMIT,
    "012": LIMIT,
    "017": LIMIT,
    "019": "what proxies say is not the parser's to judge",
    "040": UNDERSCORE,
    "chunked_07": UNDERSCORE,
    "limit_header_default_01": LIMIT,
}


def test_valid_requests_are_accepted() -> None:
    verdicts = all_verdicts("valid")
    assert {name for name, accepted in verdicts.items() if not accepted} == set(REFUSED)


def test_invalid_requests_are_refused() -> None:
    verdicts = all_verdicts("invalid")
    assert {name for name, accepted in verdicts.items() if accepted} == set(ACCEPTED)


def all_verdicts(kind: str) -> dict[str, bool]:
    """Whether each request of a corpus is accepted."""
    folder = unpacked("gunicorn", VERSION, SHA256) / "tests" / "requests" / kind
    files = sorted(folder.glob("*.http"))
    assert len(files) > 50
    return {file.stem: is_accepted(with_host(read(file))) for file in files}


def read(file: Path) -> bytes:
    """What a file of the corpus stands for: its own line ends mean nothing, escapes are what they look like."""
    escapes = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0"}

    def meant(found: re.Match[bytes]) -> bytes:
        return escapes.get(found[1]) or bytes([int(found[1][1:], 16)])

    return re.sub(rb"\\(r|n|t|0|x[0-9A-Fa-f]{2})", meant, file.read_bytes().replace(b"\n", b""))


def with_host(data: bytes) -> bytes:
    """The same with the Host that HTTP/1.1 demands and gunicorn does not, so that the rest of it is judged, too."""
    return data if b"Host" in data else data.replace(b" HTTP/1.1\r\n", b" HTTP/1.1\r\nHost: here\r\n")


def is_accepted(data: bytes) -> bool:
    """Whether everything in it is answered, and nothing refused, be it without a word."""
    with serving(lambda _: b"") as engine:
        with Client.of(engine) as client:
            client.send(data)
            client.socket.shutdown(1)
            statuses = re.findall(rb"HTTP/1\.1 (\d{3}) ", client.rest())
        wait_until(lambda: engine.stats().total.connections == 0, "the end of the connection")
        return set(statuses) == {b"200"} and "refused" not in engine.stats().total.closed
