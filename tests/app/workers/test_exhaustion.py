"""A worker that has no descriptors left: what it cannot accept, another one does."""

import resource
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.app.workers.conftest import Front
from tests.helpers.worker_service import APPLICATION, WorkerService, ask

DESCRIPTORS = 64
FEW = f"import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, ({DESCRIPTORS}, {DESCRIPTORS}))\n"


@pytest.fixture(params=["tcp", "unix"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "tcp://127.0.0.1:0" if request.param == "tcp" else f"unix://{tmp_path}/s"


def test_others_accept_what_an_exhausted_worker_cannot(tmp_path: Path, address: str) -> None:
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 4 * DESCRIPTORS
    arguments = ["--workers", "2", "--max-connections", "none"]
    with WorkerService(tmp_path, *arguments, address=address, application=FEW + APPLICATION) as service:
        full, other = service.wait_serving(2).values()
        with ExitStack() as kept:
            while not service.said("accept-paused"):
                peer = kept.enter_context(service.dial())
                if ask(peer)[0] != full:
                    peer.close()
            for _ in range(30):
                with service.dial() as peer:
                    assert ask(peer)[0] == other
        # With room again it takes part again.
        while True:
            with service.dial() as peer:
                if ask(peer)[0] == full:
                    return


def test_a_supervisor_without_descriptors_adds_no_worker_and_serves_on(tmp_path: Path, front: Front) -> None:
    with WorkerService(tmp_path, "--workers", "1", *front.arguments, address=front.address) as service:
        before = service.wait_serving(1)
        used = max(int(fd.name) for fd in Path(f"/proc/{service.pid}/fd").iterdir()) + 1
        _, hard = resource.prlimit(service.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(service.pid, resource.RLIMIT_NOFILE, (used, hard))
        service.signal(signal.SIGTTIN)
        service.wait_said("no further worker: |could not be forked: ")
        with service.dial() as peer:
            assert ask(peer)[0] == before[0]
        resource.prlimit(service.pid, resource.RLIMIT_NOFILE, (hard, hard))
