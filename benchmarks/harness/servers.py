"""The servers: read from peers/peers.toml, built when needed, started for one repetition and ended after it."""

import contextlib
import http.client
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import IO, Final

from harness.encryption import unverified_context
from harness.machine import inherited

ROOT: Final = Path(__file__).resolve().parent.parent  # benchmarks/
FREE_THREADED: Final = "FLOODWAY_FT_PYTHON"  # names a free-threaded interpreter that has floodway installed
START_SECONDS: Final = 20.0
STOP_SECONDS: Final = 5.0
WORK_BODY: Final = bytes(range(256)) * 4  # what a server that sums is asked first


class UnavailableError(Exception):
    """A peer that cannot take part. The text is the reason, in one line."""


class ServerError(Exception):
    """A server that did not start, or that ended while it was measured."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A server that takes part."""

    name: str
    label: str
    command: tuple[str, ...]
    build: tuple[str, ...] = ()
    directory: str = "."
    protocol: str = "echo"  # or "http" or "https"
    does: str = ""  # "work" if a request costs it additions, and a POST is answered with their sum
    max_connections: int | None = None  # takes part up to so many
    max_connections_reason: str = ""
    versions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def computes(self) -> bool:
        """Whether its handler has work to do, which has to be calibrated first."""
        return "$additions" in self.command

    @property
    def is_told_its_port(self) -> bool:
        """Whether it listens where it is told to, instead of telling."""
        return any("$port" in part for part in self.command)

    def refusal(self, connections: int) -> str | None:
        """Why it does not take part with so many connections, or None if it does."""
        if self.max_connections is None or connections <= self.max_connections:
            return None
        return f"takes part up to {self.max_connections:,} connections: {self.max_connections_reason}"


@dataclass(slots=True)
class Server:
    """A running one."""

    peer: Peer
    pid: int
    host: str
    port: int
    remarks: list[str]
    process: subprocess.Popen[str]
    errors: IO[str]
    said: "queue.SimpleQueue[str | None]"  # what it prints beside where it listens; None at its end

    def next_line(self) -> str:
        """What it says next, or has said already. Raises ServerError if it does not within some seconds."""
        try:
            line = self.said.get(timeout=START_SECONDS)
        except queue.Empty:
            raise ServerError(f"said nothing for {START_SECONDS:.0f} s") from None
        if line is None:
            raise ServerError(f"ended instead of saying something: {last_line(self.errors)}")
        return line

    def check_alive(self) -> None:
        """Raise ServerError if it has ended."""
        if self.process.poll() is not None:
            raise ServerError(f"ended with {self.process.returncode}: {last_line(self.errors)}")


def read_peers() -> dict[str, Peer]:
    """Every peer, by name."""
    tables = tomllib.loads((ROOT / "peers" / "peers.toml").read_text())
    versions = tables.pop("versions")
    return {
        name: Peer(
            name=name,
            label=table["label"],
            command=tuple(table["command"]),
            build=tuple(table.get("build", ())),
            directory=table.get("directory", "."),
            protocol=table.get("protocol", "echo"),
            does=table.get("does", ""),
            max_connections=table.get("max_connections"),
            max_connections_reason=table.get("max_connections_reason", ""),
            versions={what: tuple(versions[what]) for what in table.get("versions", ())},
        )
        for name, table in tables.items()
    }


def prepare(peer: Peer) -> dict[str, str]:
    """Build a peer and find out its versions. Raises UnavailableError with the reason if it cannot take part."""
    (ROOT / "peers" / "bin").mkdir(exist_ok=True)
    directory = ROOT / peer.directory
    if peer.build:
        output_of(peer.build, directory)
    return {what: first_line(output_of(command, directory)) for what, command in peer.versions.items()}


@contextlib.contextmanager
def running(peer: Peer, cores: frozenset[int], *, additions: int = 0) -> Iterator[Server]:
    """Start a peer on these cores; yield once it listens; end it with SIGTERM. Raises ServerError."""
    with running_several(peer, cores, 1, additions=additions) as (server,):
        yield server


@contextlib.contextmanager
def running_several(peer: Peer, cores: frozenset[int], count: int, *, additions: int = 0) -> Iterator[list[Server]]:
    """Start a peer so many times, each on a port of its own; yield once all listen; end them. Raises ServerError."""
    ports = _free_ports(count) if peer.is_told_its_port else [0] * count
    with contextlib.ExitStack() as files:
        servers: list[Server] = []
        try:
            for port in ports:
                errors = files.enter_context(tempfile.TemporaryFile("w+"))
                command = substitute(peer.command, additions=additions, port=port)
                with inherited(cores):
                    process = subprocess.Popen(
                        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True
                    )
                servers.append(Server(peer, process.pid, "127.0.0.1", port, [], process, errors, queue.SimpleQueue()))
            for server in servers:  # they start side by side
                listening = _read_output(server)
                if server.port:
                    _wait_answering(server, additions)
                else:
                    _wait_listening(server, listening)
            yield servers
            for server in servers:
                server.process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + STOP_SECONDS
            for server in servers:
                try:
                    server.process.wait(max(0.0, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    server.remarks.append(f"still ran {STOP_SECONDS:.0f} s after SIGTERM and was killed")
        finally:
            for server in servers:
                with contextlib.suppress(ProcessLookupError):  # all have ended
                    os.killpg(server.pid, signal.SIGKILL)  # its workers too: they would go on, and hold its output open
                server.process.wait()
                if server.process.stdout:
                    server.process.stdout.close()


def substitute(command: tuple[str, ...], *, additions: int = 0, port: int = 0) -> list[str]:
    """The command with its variables filled in. Raises UnavailableError if one has no value here."""
    values = {"bin": str(ROOT / "peers" / "bin"), "python": sys.executable}
    values |= {"additions": str(additions), "port": str(port)}
    if FREE_THREADED in os.environ:
        values["ft_python"] = os.environ[FREE_THREADED]
    try:
        return [Template(part).substitute(values) for part in command]
    except KeyError:
        raise UnavailableError(
            f"{FREE_THREADED} is not set: it has to name a free-threaded Python with floodway"
        ) from None


def first_line(text: str) -> str:
    """The first line that says anything."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def last_line(stream: IO[str]) -> str:
    """The last line of what a process wrote to stderr, without paths of this machine."""
    stream.seek(0)
    lines = [line.strip() for line in stream.read().splitlines() if line.strip()]
    return without_paths(lines[-1]) if lines else "it said nothing"


def without_paths(text: str) -> str:
    """The text as it may stand in a result file."""
    for path, name in ((str(ROOT.parent), "."), (sys.prefix, "venv"), (str(Path.home()), "~")):
        text = text.replace(path, name)
    return text


def output_of(command: tuple[str, ...], directory: Path) -> str:
    """What a command that a peer's table names prints. Raises UnavailableError with its last words if it fails."""
    filled = substitute(command)
    try:
        done = subprocess.run(filled, cwd=directory, capture_output=True, text=True, timeout=600, check=False)
    except FileNotFoundError:
        raise UnavailableError(f"{command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"`{' '.join(command[:3])}` did not end within 600 s") from None
    if done.returncode != 0:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise UnavailableError(without_paths(lines[-1]) if lines else f"`{command[0]}` ended with {done.returncode}")
    return done.stdout


def _wait_listening(server: Server, listening: "queue.SimpleQueue[str | None]") -> None:
    """Learn the address that a server prints."""
    try:
        address = listening.get(timeout=START_SECONDS)
    except queue.Empty:
        raise ServerError(f"did not say within {START_SECONDS:.0f} s where it listens") from None
    if address is None:
        raise ServerError(f"ended before it listened: {last_line(server.errors)}")
    server.host, _, port = address.rpartition(":")
    server.port = int(port)


def _client_for(server: Server) -> http.client.HTTPConnection:
    if server.peer.protocol == "https":
        return http.client.HTTPSConnection(server.host, server.port, timeout=1, context=unverified_context())
    return http.client.HTTPConnection(server.host, server.port, timeout=1)


def _wait_answering(server: Server, additions: int) -> None:
    """Return once an HTTP server answers at the port that it was told: by then its workers run, if it has any."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise ServerError(f"ended before it answered: {last_line(server.errors)}")
        client = _client_for(server)
        try:
            if server.peer.does == "work":
                client.request("POST", "/", WORK_BODY, headers={"Connection": "close"})
            else:
                client.request("GET", "/", headers={"Connection": "close"})
            answer = client.getresponse()
            if answer.status != http.client.OK:
                raise ServerError(f"answered its first request with status {answer.status}: {last_line(server.errors)}")
            if server.peer.does == "work" and (body := answer.read()) != sum_of(WORK_BODY, additions):
                raise ServerError(f"answered its first request with a wrong sum, {body[:20]!r}")
            return
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)  # until the next try
        finally:
            client.close()
    raise ServerError(f"did not answer within {START_SECONDS:.0f} s: {last_line(server.errors)}")


def sum_of(body: bytes, additions: int) -> bytes:
    """The right answer to a POST of this body: the sum of so many of its bytes, round and round, as long as it is."""
    rounds, rest = divmod(additions, len(body))
    return str(rounds * sum(body) + sum(body[:rest])).encode().ljust(len(body))


def _read_output(server: Server) -> "queue.SimpleQueue[str | None]":
    """The addresses that a server prints, then None. A thread reads to the end, so that it never blocks on writing."""
    found: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        assert server.process.stdout is not None
        with contextlib.suppress(ValueError):  # closed while we read: the repetition is over
            for line in server.process.stdout:
                if line.startswith("listening "):
                    found.put(line.split()[1])
                else:
                    server.said.put(line)
        found.put(None)
        server.said.put(None)

    threading.Thread(target=read, daemon=True).start()
    return found


def _free_ports(count: int) -> list[int]:
    """Different ones: all are held until the last is found."""
    with contextlib.ExitStack() as probes:
        sockets = [probes.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(probe.getsockname()[1]) for probe in sockets]
