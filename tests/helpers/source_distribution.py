"""Source distributions of other projects, for tests on what those ship. They stay outside of the repository."""

import hashlib
import os
import re
import ssl
import tarfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from tests.helpers.optional import module

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "floodway"
TIMEOUT_SECONDS = 20


def unpacked(name: str, version: str, sha256: str) -> Path:
    """The folder of a source distribution. Skips the test where it is not there and cannot be fetched."""
    folder = CACHE / f"{name}-{version}"
    if not folder.is_dir():
        try:
            archive = _fetch(name, f"{name}-{version}.tar.gz", sha256)
        except (urllib.error.URLError, OSError) as error:
            pytest.skip(f"{name} {version} could not be fetched: {error}")
        _unpack(archive, folder)
    return folder


def _fetch(name: str, file_name: str, sha256: str) -> Path:
    context = ssl.create_default_context(cafile=os.environ.get("PIP_CERT"))
    index = f"{_index().rstrip('/')}/{name}/"
    with urllib.request.urlopen(index, timeout=TIMEOUT_SECONDS, context=context) as page:
        links = re.findall(r'href="([^"#]+)', page.read().decode())
    link = next((link for link in links if link.endswith("/" + file_name) or link == file_name), None)
    if link is None:
        pytest.skip(f"{index} has no {file_name}")
    with urllib.request.urlopen(urllib.parse.urljoin(index, link), timeout=TIMEOUT_SECONDS, context=context) as answer:
        content = answer.read()
    assert hashlib.sha256(content).hexdigest() == sha256, f"{file_name} is not what was reviewed"
    CACHE.mkdir(parents=True, exist_ok=True)
    archive = CACHE / f"{file_name}.{os.getpid()}"
    archive.write_bytes(content)
    return archive


def _index() -> str:
    """The index that pip is told to use, or uses by itself."""
    return os.environ.get("PIP_INDEX_URL") or str(module("pip._internal.models.index").PyPI.simple_url)


def _unpack(archive: Path, folder: Path) -> None:
    """Several processes may do it at once: the first one's counts."""
    draft = folder.with_name(f"{folder.name}.{os.getpid()}")
    with tarfile.open(archive) as tar:
        tar.extractall(draft, filter="data")
    archive.unlink()
    try:
        (draft / folder.name).rename(folder)
        draft.rmdir()
    except OSError:
        if not folder.is_dir():
            raise
