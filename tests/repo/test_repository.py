"""Rules on the files themselves: nothing of one machine, nothing large, `unsafe` only where it may be, good names."""

import os
import re
import shutil
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.repo.sources import ROOT, rust_files, text_of, tracked_files, without_comments

MAX_BYTES = 512 * 1024

# Folders of somebody's machine. Spelled in two parts, so that this file does not break its own rule.
MACHINE_PATHS = re.compile("|".join(["/wo" + "rk/", "/ro" + "ot/", "/ho" + r"me/\w+/", "/Us" + r"ers/\w+/"]))
# Where packages came from is a setting of the machine that fetched them, never of the repository.
REGISTRY_HOSTS = [
    ".".join(parts)
    for parts in [
        ("pypi", "org"),
        ("files", "pythonhosted", "org"),
        ("index", "crates", "io"),
        ("static", "crates", "io"),
        ("registry", "npmjs", "org"),
        ("proxy", "golang", "org"),
        ("sum", "golang", "org"),
        ("repo1", "maven", "org"),
        ("deb", "debian", "org"),
        ("snapshot", "debian", "org"),
        ("security", "debian", "org"),
        ("deb", "nodesource", "com"),
    ]
]
# A setting that would name one.
REGISTRY_SETTINGS = re.compile(
    r"^\s*(--(extra-)?index-url|--find-links|index-url\s*=|replace-with\s*="
    r"|registry\s*=\s*\"?https?:|deb(-src)? https?:)",
    re.MULTILINE,
)

# Files with `unsafe`, beside the two crates that exist to hold it. Each allows it by attribute, with its reason.
UNSAFE_MAY_STAND_IN = [
    "crates/floodway-base/*",
    "crates/floodway-sys/*",
    "crates/floodway-conn/src/driver/portable.rs",  # registering with the `polling` crate is unsafe by signature
    "crates/floodway-conn/src/driver/readiness.rs",  # memory that the kernel has just filled
    "crates/floodway-py/src/cell.rs",  # a reference under Python's own lock
    "crates/floodway-py/src/immortal.rs",  # the count in front of an object
    "crates/floodway-py/src/link_buffer.rs",  # the buffer protocol
    "crates/floodway-py/src/octets.rs",  # bytes as text in one step: every request has some
    "crates/floodway-py/src/payload.rs",  # the content of `bytes`, read while detached
    "crates/floodway-py/src/reactor.rs",  # a descriptor that Python lends for one call
    "crates/floodway-py/src/seats.rs",  # the same
    "crates/floodway-py/src/view.rs",  # the buffer protocol
]

FRAGMENT = re.compile(r"\d+(\.\d+)?\.(breaking|feature|fix|deprecated|docs)\.md")


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_no_tracked_file_names_a_folder_of_one_machine() -> None:
    found = [
        f"{relative(path)}: {match[0]}" for path in tracked_files() for match in MACHINE_PATHS.finditer(text_of(path))
    ]
    assert found == []


def test_no_tracked_file_names_a_package_registry() -> None:
    found = []
    for path in tracked_files():
        text = text_of(path)
        found += [f"{relative(path)}: {host}" for host in REGISTRY_HOSTS if host in text]
        if path != Path(__file__):
            found += [f"{relative(path)}: {match[0].strip()}" for match in REGISTRY_SETTINGS.finditer(text)]
    assert found == []


def test_no_tracked_file_is_large() -> None:
    assert [relative(path) for path in tracked_files() if path.stat().st_size > MAX_BYTES] == []


def test_unsafe_stands_only_where_it_may() -> None:
    """The compiler checks the same by attribute, see below; this list makes a new place a decision of its own."""
    found = [
        f"{relative(path)}, line {number}"
        for path in rust_files()
        if not any(fnmatch(relative(path), pattern) for pattern in UNSAFE_MAY_STAND_IN)
        for number, line in enumerate(without_comments(text_of(path)).splitlines(), 1)
        if re.search(r"\bunsafe\b", line)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("crate", "attribute"),
    [
        ("floodway-app", "#![forbid(unsafe_code)]"),
        ("floodway-load", "#![forbid(unsafe_code)]"),
        ("floodway-testkit", "#![forbid(unsafe_code)]"),
        ("floodway-tls", "#![forbid(unsafe_code)]"),
        ("floodway-conn", "#![deny(unsafe_code)]"),  # allowed, with a reason, in the portable driver
        ("floodway-py", "#![deny(unsafe_code)]"),  # allowed, with a reason, in the files above
    ],
)
def test_a_crate_without_unsafe_says_so_to_the_compiler(crate: str, attribute: str) -> None:
    assert attribute in text_of(ROOT / "crates" / crate / "src" / "lib.rs").splitlines()


def test_changelog_fragments_are_named_after_issue_and_kind() -> None:
    fragments = [path for path in (ROOT / "changelog.d").iterdir() if path.name not in ("README.md", ".gitkeep")]
    assert [path.name for path in fragments if not FRAGMENT.fullmatch(path.name)] == []
    assert [path.name for path in fragments if not text_of(path).strip()] == []


def test_programs_are_executable() -> None:
    programs = [path for path in tracked_files() if path.suffix != ".md" and text_of(path).startswith("#!/")]
    assert [relative(path) for path in programs if not os.access(path, os.X_OK)] == []


def test_workflows_call_targets_of_the_makefile() -> None:
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    assert workflows
    wrong = {path.name: _make_targets_in(text_of(path)) - makefile_targets() for path in workflows}
    assert {name: targets for name, targets in wrong.items() if targets} == {}
    assert {path.stem for path in workflows} <= makefile_targets(), "a workflow is named after the target that it calls"


def test_the_docs_call_targets_of_the_makefile() -> None:
    pages = [path for path in tracked_files() if path.suffix == ".md" and "changelog.d" not in path.parts]
    wrong = {relative(page): _make_targets_in(text_of(page)) - makefile_targets() for page in pages}
    assert {name: targets for name, targets in wrong.items() if targets} == {}


def test_the_pull_request_checklist_has_at_most_six_boxes() -> None:
    template = text_of(ROOT / ".github" / "pull_request_template.md")
    assert 1 <= template.count("- [ ]") <= 6


def test_the_cargo_lock_is_up_to_date() -> None:
    cargo = shutil.which("cargo")
    assert cargo, "the Rust toolchain that built the extension is gone"
    command = [cargo, "update", "--workspace", "--locked", "--offline"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def makefile_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):(?!=)", text_of(ROOT / "Makefile"), re.MULTILINE))


def _make_targets_in(text: str) -> set[str]:
    """Targets named as code: `make x`, or a line of a fenced block that begins with it."""
    return set(re.findall(r"(?:`|^\s*(?:\$ |- run: |run: )?)make ([a-z][a-z-]*)", text, re.MULTILINE))
