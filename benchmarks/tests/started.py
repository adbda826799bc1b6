"""A peer that runs, for the tests that ask it; without one that can be built here they are skipped, with the reason."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from harness.machine import divide_cores
from harness.servers import Peer, Server, UnavailableError, prepare, running

ALL_CORES = divide_cores(share=True).server


@contextmanager
def started(peer: Peer, *, additions: int = 0) -> Iterator[Server]:
    """Build the peer, start it on all cores, and end it with the block."""
    try:
        prepare(peer)
    except UnavailableError as error:
        pytest.skip(f"{peer.label}: {error}")
    with running(peer, ALL_CORES, additions=additions) as server:
        yield server
