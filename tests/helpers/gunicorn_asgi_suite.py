"""A pytest plugin, `-p tests.helpers.gunicorn_asgi_suite`: points gunicorn's black-box ASGI suite at our server.

The suite starts containers in a fixture; this one serves the same application instead. What needs more than an HTTP/1
server in clear text is deselected by the fixtures that it asks for.
"""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from floodway.testing import serving

ELSEWHERE = {"nginx_url", "nginx_ssl_url", "gunicorn_ssl_url", "http2_client", "websocket_connect"}


@pytest.fixture(scope="session")
def docker_services() -> Iterator[dict[str, str]]:
    """In place of the suite's own: addresses by the names that its other fixtures look up."""
    with serving("apps.main_app:app") as server:
        yield {"gunicorn_http": server.url}


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """What runs the suite's coroutines, which are written for another plugin."""
    return "asyncio"


@pytest.hookimpl(tryfirst=True)
def pytest_plugin_registered(plugin: Any) -> None:
    """Replace what the suite's conftest has, before pytest looks for its fixtures."""
    if hasattr(plugin, "docker_services") and plugin.__name__ != __name__:
        plugin.docker_services = docker_services
        plugin.anyio_backend = anyio_backend


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: Any) -> None:
    """Have anyio's plugin run coroutines."""
    if inspect.iscoroutinefunction(obj):
        pytest.mark.anyio(obj)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is about other protocols, encryption and proxies."""
    ours = [item for item in items if ELSEWHERE.isdisjoint(getattr(item, "fixturenames", ()))]
    config.hook.pytest_deselected(items=[item for item in items if item not in ours])
    items[:] = ours


def suite_of(source: Path) -> Path:
    """Where the suite lies in gunicorn's source distribution."""
    return source / "tests/docker/asgi_compliance"
