"""gunicorn's black-box ASGI suite passes against our server: all its tests of HTTP/1 in clear text, without exception.

Left out is what it does through nginx, over TLS, with HTTP/2 and WebSockets: see `tests/helpers/gunicorn_asgi_suite`.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.test_gunicorn import SHA256, VERSION
from tests.helpers.gunicorn_asgi_suite import suite_of
from tests.helpers.source_distribution import unpacked

TESTS = 146


@pytest.mark.slow
def test_the_suite_passes(tmp_path: Path) -> None:
    suite = suite_of(unpacked("gunicorn", VERSION, SHA256))
    settings = tmp_path / "pytest.ini"
    settings.write_text("[pytest]\n")  # those of the distribution ask for plugins that we do not have
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-rfEs", "--tb=short", "-W", "ignore", "-p", "no:cacheprovider"),
        *("-p", "tests.helpers.gunicorn_asgi_suite", "-c", str(settings)),
        *("--rootdir", str(suite), "--confcutdir", str(suite), str(suite)),
    ]
    paths = os.pathsep.join([str(Path(__file__).parents[2]), str(suite)])
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=55, check=False)
    assert run.returncode == 0, run.stdout[-5000:]
    assert re.search(rf"^{TESTS} passed, \d+ deselected", run.stdout, re.MULTILINE), run.stdout[-500:]
