"""A server for a test: an engine on threads of this process, so that the test sees and patches what it serves."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Unpack

from floodway.app.http1 import Http1
from floodway.app.interface import load_application
from floodway.config import ServeOptions, split_service_options
from floodway.conn.engine import Engine

GRACE_SECONDS: Final = 1.0
"""How long requests that are under way may take when the block is left, unless `grace` says otherwise."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs. Any thread may use it."""

    url: str
    """Where it is: http://127.0.0.1:40123, or tcp://127.0.0.1:40123 for a `floodway.Handler`; no slash at the end."""
    engine: Engine
    """What runs it: `engine.stats()` and the like."""

    @property
    def port(self) -> int:
        """The port, on 127.0.0.1."""
        return int(self.url.rpartition(":")[2])


@contextmanager
def serving(application: object, **options: Unpack[ServeOptions]) -> Generator[Server]:
    """Serve an application, or the "module:attribute" of one, on a free port until the block is left.

    Takes the options of `floodway.serve` but those about addresses and processes: it runs in this process, on threads.
    What is under way when the block is left has `grace` seconds, 1 by default. Raises what `floodway.serve` raises.
    """
    service_options, application_options, engine_options = split_service_options(options)
    if service_options.workers is not None or service_options.reload:
        raise ValueError("serving() runs in this process; leave workers and reload out")
    engine_options.setdefault("grace", GRACE_SECONDS)
    handler = load_application(application, application_options, engine_options.get("threads"))
    scheme = "http" if isinstance(handler.framing, Http1) else "tcp"
    with Engine(handler, "tcp://127.0.0.1:0", **engine_options) as engine:
        address = engine.addresses[0]
        yield Server(f"{scheme}://{str(address).removeprefix('tcp://')}", engine)
