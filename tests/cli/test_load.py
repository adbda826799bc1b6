"""`floodway load` against an engine of ours: the report, as text and as JSON, and what it says when nobody answers."""

import json
import os
import socket
from collections.abc import Iterator
from dataclasses import fields, replace

import pytest
from click.testing import CliRunner

import floodway
from floodway.app.echo import Echo
from floodway.app.function import FunctionHandler
from floodway.cli.load import lines, run
from floodway.cli.main import main
from floodway.config import ApplicationOptions
from floodway.conn.stats import LoadReport
from tests.helpers.certificates import Authority


@pytest.fixture
def address() -> Iterator[str]:
    with floodway.Engine(Echo(), "tcp://127.0.0.1:0") as engine:
        yield str(engine.addresses[0])


def test_the_report_has_every_field(address: str) -> None:
    arguments = ["load", address, "--connections", "4", "--seconds", "0.3", "--pid", str(os.getpid()), "--json"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    report = json.loads(done.output)
    assert set(report) == {field.name for field in fields(LoadReport)}
    assert (report["connected"], report["failed"], report["corrupt_bytes"]) == (4, 0, 0)
    assert report["messages"] > 0
    assert report["cpu_per_message"] > 0


def test_the_report_is_readable(address: str) -> None:
    done = CliRunner().invoke(main, ["load", address, "--connections", "4", "--seconds", "0.3", "--rate", "100"])
    assert done.exit_code == 0, done.output
    assert "4 open, 0 failed" in done.output
    assert "p99.9" in done.output


def test_an_idle_load_is_not_judged(address: str) -> None:
    done = CliRunner().invoke(main, ["load", address, "--connections", "4", "--seconds", "0.1", "--mode", "idle"])
    assert done.exit_code == 0, done.output
    assert "latency" not in done.output


def test_on_cue_it_waits_before_each_phase(address: str) -> None:
    arguments = ["load", address, "--connections", "20", "--active", "2", "--rate", "50", "--seconds", "0.3"]
    arguments += ["--source", "127.9.8.7", "--connect-rate", "1000", "--on-cue", "--json"]
    done = CliRunner().invoke(main, arguments, input="\n\n\n")
    assert done.exit_code == 0, done.output
    *phases, report = done.output.splitlines()
    assert phases == ["connecting", "warming up", "closing"]
    report = json.loads(report)
    assert (report["connected"], report["answered"], report["corrupt_bytes"]) == (20, 20, 0)
    assert report["bytes_checked"] >= 20 * 64
    assert sum(count for _, count in report["latency_counts"]) > 0


def test_without_a_cue_it_ends(address: str) -> None:
    done = CliRunner().invoke(main, ["load", address, "--on-cue"], input="\n")
    assert done.exit_code == 1
    assert "no cue will come" in done.output


def test_only_the_first_failure_of_a_progress_callback_counts(address: str) -> None:
    """Each phase calls it, and those after the first failure come while the load ends."""
    host, port = address.removeprefix("tcp://").split(":")
    calls = []

    def progress(phase: str, _open: int, _rate: float) -> None:
        calls.append(phase)
        raise LookupError(phase)

    with pytest.raises(LookupError, match="connecting"):
        run((host, int(port)), connections=4, mode="echo", rate=None, size=64, seconds=0.1, pid=None, progress=progress)
    assert calls == ["connecting"]


def test_where_nobody_answers_it_says_why() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    done = CliRunner().invoke(main, ["load", address])
    assert (done.exit_code, done.output) == (1, f"Error: {address}: Connection refused\n")


def hello(request: floodway.Request) -> floodway.Response:
    return floodway.Response(request.body or b"hello", 404 if request.path == "/missing" else 200)


@pytest.fixture
def http_address() -> Iterator[str]:
    with floodway.Engine(FunctionHandler(hello, ApplicationOptions()), "tcp://127.0.0.1:0") as engine:
        yield str(engine.addresses[0]).replace("tcp", "http")


@pytest.mark.parametrize(
    "arguments",
    [[], ["--method", "POST"], ["--method", "POST", "--expect-echo", "--size", "100000"], ["--rate", "100"]],
)
def test_an_http_server_is_asked(http_address: str, arguments: list[str]) -> None:
    arguments = ["load", f"{http_address}/a?b=c", "--connections", "4", "--seconds", "0.3", "--json", *arguments]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    report = json.loads(done.output)
    assert (report["connected"], report["broken"], report["other_statuses"]) == (4, 0, {})
    assert report["messages"] > 0
    assert bool(report["bytes_checked"]) == ("--expect-echo" in arguments)


def added_up(request: floodway.Request) -> floodway.Response:
    body = request.body
    additions = 2_500 if request.path == "/right" else 2_499
    return floodway.Response(str(sum(body[i % len(body)] for i in range(additions))).ljust(len(body)))


@pytest.fixture
def adding_address() -> Iterator[str]:
    with floodway.Engine(FunctionHandler(added_up, ApplicationOptions()), "tcp://127.0.0.1:0") as engine:
        yield str(engine.addresses[0]).replace("tcp", "http")


@pytest.mark.parametrize("path", ["right", "wrong"])
def test_a_server_has_to_add_up_what_it_was_sent(adding_address: str, path: str) -> None:
    arguments = ["load", f"{adding_address}/{path}", "--connections", "4", "--seconds", "0.3", "--json"]
    done = CliRunner().invoke(main, [*arguments, "--additions", "2500", "--size", "1024"])
    report = json.loads(done.output)
    assert report["messages"] > 0
    assert (done.exit_code, report["wrong_sums"] > 0) == ((0, False) if path == "right" else (1, True))
    assert ("another sum than that of 2500 additions" in report["verdict"]) == (path == "wrong")


@pytest.mark.parametrize("arguments", [["--expect-echo"], ["--size", "5"]])
def test_a_sum_that_cannot_be_checked_is_not_asked_for(adding_address: str, arguments: list[str]) -> None:
    done = CliRunner().invoke(main, ["load", adding_address, "--additions", "2500", *arguments])
    assert done.exit_code == 2, done.output


@pytest.mark.parametrize("scheme", ["tcp", "http"])
def test_with_fewer_than_three_answers_each_fairness_is_not_judged(
    address: str, http_address: str, scheme: str
) -> None:
    asked = address if scheme == "tcp" else http_address
    arguments = ["load", asked, "--connections", "40", "--seconds", "0.4", "--rate", "100"]
    report = json.loads(CliRunner().invoke(main, [*arguments, "--json"]).output)
    assert report["fair"] is None
    assert "answers per connection are fewer than three" in report["verdict"]
    text = CliRunner().invoke(main, arguments).output
    assert "verdict      not judged: 1.0 answers per connection are fewer than three" in text


@pytest.fixture
def tls_address(authority: Authority) -> Iterator[str]:
    with floodway.Engine(Echo(), "tls://127.0.0.1:0", tls=authority.config) as engine:
        yield str(engine.addresses[0])


@pytest.fixture
def https_address(authority: Authority) -> Iterator[str]:
    handler = FunctionHandler(hello, ApplicationOptions())
    with floodway.Engine(handler, "tls://127.0.0.1:0", tls=authority.config) as engine:
        yield str(engine.addresses[0]).replace("tls", "https")


@pytest.mark.parametrize(
    "arguments", [[], ["--rate", "100"], ["--mode", "idle"], ["--mode", "flood", "--size", "9999"]]
)
def test_an_echo_server_is_loaded_over_tls(tls_address: str, arguments: list[str]) -> None:
    arguments = ["load", tls_address, "--connections", "4", "--seconds", "0.3", "--json", *arguments]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    report = json.loads(done.output)
    assert (report["connected"], report["broken"], report["corrupt_bytes"]) == (4, 0, 0)
    assert report["bytes_checked"] > 0


@pytest.mark.parametrize("arguments", [[], ["--method", "POST", "--expect-echo", "--size", "100000"]])
def test_an_https_server_is_asked(https_address: str, arguments: list[str]) -> None:
    done = CliRunner().invoke(main, ["load", https_address, "--connections", "4", "--seconds", "0.3", *arguments])
    assert done.exit_code == 0, done.output
    assert "4 open, 0 failed" in done.output


@pytest.mark.parametrize("scheme", ["tls", "https"])
def test_handshakes_are_measured(tls_address: str, https_address: str, scheme: str) -> None:
    asked = tls_address if scheme == "tls" else https_address
    arguments = ["load", asked, "--mode", "handshake", "--connections", "4", "--seconds", "0.5"]
    done = CliRunner().invoke(main, [*arguments, "--pid", str(os.getpid()), "--json"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.output)
    assert (report["failed"], report["broken"], report["unanswered"]) == (0, 0, 0)
    assert report["messages"] > 0
    assert report["p50"] > 0
    assert report["cpu_per_message"] > 0
    text = CliRunner().invoke(main, arguments).output
    assert "handshakes   " in text


def test_a_plain_connection_has_no_handshake_to_measure(address: str) -> None:
    done = CliRunner().invoke(main, ["load", address, "--mode", "handshake"])
    assert done.exit_code == 2
    assert "write tls:// or https://" in done.output


def test_a_server_without_tls_is_named(address: str) -> None:
    done = CliRunner().invoke(main, ["load", address.replace("tcp", "tls"), "--connections", "2", "--seconds", "0.1"])
    assert done.exit_code == 1
    assert "TLS failed on 2 connections" in done.output


def test_another_status_than_200_is_named(http_address: str) -> None:
    done = CliRunner().invoke(main, ["load", f"{http_address}/missing", "--connections", "4", "--seconds", "0.2"])
    assert done.exit_code == 1
    assert "verdict      answers with another status than 200 (404: " in done.output


@pytest.mark.parametrize("arguments", [
    ["127.0.0.1"], ["tcp://127.0.0.1:80", "--rate", "fast"], ["fd://3"], ["tcp://127.0.0.1:80", "--method", "POST"],
    ["tcp://127.0.0.1:80", "--additions", "9"], ["http://"], ["http://user@localhost/"],
    ["https://localhost/#part"], ["tls://127.0.0.1:443", "--additions", "9"],
])  # fmt: skip
def test_wrong_usage_has_exit_code_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(main, ["load", *arguments]).exit_code == 2


def test_corruption_and_a_late_generator_are_said() -> None:
    report = LoadReport(
        connected=1, failed=0, answered=1, broken=2, connects_per_second=1.0, messages=9,
        messages_per_second=9.0, unanswered=0, p50=0.001, p90=0.001, p99=0.002, p999=0.002, max=0.003,
        latency_counts=[(0.001, 9)], lateness_p99=0.0019, per_connection_min=9, per_connection_mean=9.0,
        per_connection_max=9, fair=None, verdict="503: 3; not judged", other_statuses={503: 3},
        wrong_lengths=0, wrong_sums=0, malformed=0, bytes_checked=576, corrupt_bytes=7,
        server_cpu_seconds=None, cpu_per_message=None, server_rss_before=None, server_rss_with_connections=None,
        server_rss_end=None, generator_cpu_per_message=None,
    )  # fmt: skip
    text = "\n".join(lines(report))
    assert "7 bytes came back other than they were sent" in text
    assert "it was the limit" in text
    assert "WRONG" in text
    assert "2 connections ended before the run did" in text
    assert "it was the limit" not in "\n".join(lines(replace(report, lateness_p99=0.0001)))
