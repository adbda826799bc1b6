"""README and docs: their programs run, their links lead somewhere, their numbers are those of the result files.

The conventions are in `tests/repo/markdown.py`.
"""

import ast
import contextlib
import doctest
import importlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.repo import markdown
from tests.repo.sources import ROOT, modules, tracked_files

README = ROOT / "README.md"
PAGES = sorted(
    {README, *(path for path in tracked_files() if path.suffix == ".md" and path.parent != ROOT / "changelog.d")}
)
# Pages that show programs.
MANUAL = [page for page in PAGES if page == README or page.is_relative_to(ROOT / "docs")]
# What a repository that people want to join has on its first level.
EXPECTED = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "SUPPORTED_PLATFORMS.md", "CHANGELOG.md"]

# A program that does not serve has to end by itself.
PROGRAM_SECONDS = 30
ANSWER_SECONDS = 15
# What an address in a program looks like; its port or path is replaced, so that tests can run beside each other.
TCP = re.compile(r"((?:tcp|tls)://(?:\[[\da-f:]+\]|[\w.-]+)):(\d+)")
UNIX = re.compile(r"unix://(/[\w./-]+)")


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def programs() -> list[object]:
    return [
        pytest.param(source, id=f"{name(page)}:{line}")
        for page in MANUAL
        if page.exists()
        for line, source in markdown.programs(text(page))
    ]


@pytest.mark.parametrize("expected", EXPECTED)
def test_the_page_exists(expected: str) -> None:
    assert (ROOT / expected).is_file()


@pytest.mark.parametrize("source", programs())
def test_the_program_runs(source: str, tmp_path: Path) -> None:
    source, addresses = _with_free_addresses(source, tmp_path)
    program = tmp_path / "program.py"
    program.write_text(source, encoding="utf-8")
    command = [sys.executable, "-W", "error", str(program)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=-1, stderr=-2, text=True) as process:
        try:
            if re.search(r"\bserve\(", source):
                for address in addresses:
                    _wait_for_answer(address, process)
                process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=PROGRAM_SECONDS)
        finally:
            process.kill()
    assert process.returncode == 0, output
    assert "Traceback" not in output, output


@pytest.mark.parametrize("page", [page for page in MANUAL if page.exists()], ids=name)
def test_fragments_are_valid_python(page: Path) -> None:
    for block in markdown.blocks(text(page)):
        if block.language == "python":
            assert set(block.words) <= {"fragment", "continues"}, f"{name(page)}, line {block.line}: {block.words}"
            ast.parse(block.text)


@pytest.mark.parametrize("page", [page for page in PAGES if page.exists()], ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    dead = []
    for link in markdown.links(text(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in markdown.anchors(text(target))):
            dead.append(link)
    assert dead == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.exists()], ids=name)
def test_numbers_are_those_of_the_result_files(page: Path) -> None:
    wrong = []
    for claim in markdown.claims(markdown.without_code(text(page))):  # the page that explains the convention shows it
        stored = claim.stored(ROOT)
        if not claim.agrees_with(stored):
            wrong.append(f"line {claim.line} shows {claim.shown}, {claim.file} has {stored:.6g} at {claim.path}")
    assert wrong == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.exists()], ids=name)
def test_files_that_are_named_exist(page: Path) -> None:
    """Whatever a page calls `src/...`, `crates/...` and so on."""
    named = re.findall(r"`((?:src|crates|tests|tools|benchmarks|docs|examples)/[\w./*-]+)[^`\n]*`", text(page))
    roots = (ROOT, page.parent)
    assert [path for path in named if "*" not in path and not any((root / path).exists() for root in roots)] == []


@pytest.mark.parametrize("module", [module for module in modules() if not module.endswith("__main__")])
def test_examples_in_docstrings_run(module: str) -> None:
    assert doctest.testmod(importlib.import_module(module)).failed == 0


def test_the_readme_measures_on_its_first_screen() -> None:
    """Its first table comes from a result file, and no measured table of it has a number without a source."""
    page = text(README)
    first_screen = "\n".join(page.splitlines()[:40])
    assert list(markdown.claims(first_screen)), "the README begins without a measured number"
    assert markdown.numbers_without_source(page) == []


def test_every_page_of_the_docs_is_linked_from_another() -> None:
    linked = {
        (page.parent / unquote(link).partition("#")[0]).resolve()
        for page in PAGES
        if page.exists()
        for link in markdown.links(text(page))
        if not re.match(r"[a-z]+:|#", link)
    }
    alone = [name(page) for page in MANUAL if page != README and page.resolve() not in linked]
    assert alone == []


def _with_free_addresses(source: str, folder: Path) -> tuple[str, list[str]]:
    """The program with each port and socket path replaced by one of its own, and the addresses it serves."""
    ports: dict[str, str] = {}

    def tcp(match: re.Match[str]) -> str:
        if match[2] == "0":
            return match[0]
        if match[2] not in ports:
            with socket.create_server(("127.0.0.1", 0)) as probe:
                ports[match[2]] = str(probe.getsockname()[1])
        return f"{match[1]}:{ports[match[2]]}"

    source = UNIX.sub(lambda match: f"unix://{folder / Path(match[1]).name}", TCP.sub(tcp, source))
    served = re.findall(r"(?:tcp|unix)://[^\"'?\s]+", "\n".join(_serve_calls(source)))
    return source, served


def _serve_calls(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "serve":
            yield ast.unparse(node)


def _wait_for_answer(address: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            _connect(address).close()
            return
        time.sleep(0.02)  # between two tries to connect
    if process.poll() is None:
        pytest.fail(f"{address} did not answer within {ANSWER_SECONDS} s")


def _connect(address: str) -> socket.socket:
    if address.startswith("unix://"):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(address.removeprefix("unix://"))
        return connection
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    host = {"0.0.0.0": "127.0.0.1", "[::]": "::1", "": "127.0.0.1"}.get(host, host.strip("[]"))
    return socket.create_connection((host, int(port)), timeout=1)
