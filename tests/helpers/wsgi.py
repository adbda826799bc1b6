"""WSGI applications under an engine, and a plain client for them."""

import contextlib
import http.client
from collections.abc import Callable, Iterator
from typing import Any

import floodway
from floodway.app.wsgi.handler import InlineHandler
from floodway.app.wsgi.threaded import ThreadedHandler
from floodway.base.address import TcpAddress
from floodway.config import ApplicationOptions
from tests.helpers.waiting import PATIENCE_SECONDS

Start = Callable[..., Callable[[bytes], object]]
Environ = dict[str, Any]  # Any: as PEP 3333 has it

TEXT = [("Content-Type", "text/plain")]


@contextlib.contextmanager
def serving(
    application: Callable[..., Any],  # Any: tests serve applications that are wrong, too
    threads: int,
    *,
    root_path: str = "",
    max_waiting: int = 1024,
    address: str = "tcp://127.0.0.1:0",
    **options: Any,  # Any: each of Engine's options has a type of its own
) -> Iterator[floodway.Engine]:
    """An engine that serves a WSGI application, with so many threads or on the reactor's own."""
    chosen = ApplicationOptions(root_path=root_path)
    handler: InlineHandler | ThreadedHandler
    if threads == 0:
        handler = InlineHandler(application, chosen)
    else:
        handler = ThreadedHandler(application, chosen, threads, max_waiting)
    with floodway.Engine(handler, address, **options) as engine:
        yield engine


@contextlib.contextmanager
def client_of(engine: floodway.Engine) -> Iterator[http.client.HTTPConnection]:
    """A connection to the engine's first address."""
    address = engine.addresses[0]
    assert isinstance(address, TcpAddress)
    client = http.client.HTTPConnection(address.host, address.port, timeout=PATIENCE_SECONDS)
    try:
        yield client
    finally:
        client.close()


def ask(
    client: http.client.HTTPConnection, method: str = "GET", target: str = "/", **request: Any
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers (names in lower case) and body of an answer."""
    client.request(method, target, **request)
    answer = client.getresponse()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
