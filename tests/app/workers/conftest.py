"""The ways in which connections come to workers, for tests that hold for all of them."""

from pathlib import Path
from typing import NamedTuple

import pytest


class Front(NamedTuple):
    """An address, and who distributes what comes there."""

    address: str
    arguments: tuple[str, ...]


@pytest.fixture(params=["kernel-tcp", "kernel-unix", "balancer-tcp", "balancer-unix"])
def front(request: pytest.FixtureRequest, tmp_path: Path) -> Front:
    """The kernel or an accepting process, on TCP or a Unix socket."""
    who, family = request.param.split("-")
    address = "tcp://127.0.0.1:0" if family == "tcp" else f"unix://{tmp_path}/s"
    return Front(address, ("--balancer", "least-connections") if who == "balancer" else ())
