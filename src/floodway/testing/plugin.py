"""The pytest plugin: `pytest_plugins = ["floodway.testing.plugin"]` in `conftest.py`; nothing else here needs pytest.

def test_greeting(floodway_serve):
    server = floodway_serve(app)
    assert urlopen(server.url).read() == b"hello"
"""

from collections.abc import Callable, Generator
from contextlib import ExitStack
from typing import Unpack

import pytest

from floodway.config import ServeOptions
from floodway.testing.server import Server, serving


@pytest.fixture
def floodway_serve() -> Generator[Callable[..., Server]]:
    """Serve applications until the end of the test: a call of it takes what `floodway.testing.serving` takes."""
    with ExitStack() as servers:

        def serve(application: object, **options: Unpack[ServeOptions]) -> Server:
            return servers.enter_context(serving(application, **options))

        yield serve
