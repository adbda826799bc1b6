"""SIGHUP under HTTP clients that keep their connections: each is told when it has to leave, and no request fails."""

import re
import shutil
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.helpers.crew import Crew
from tests.helpers.http_client import Client, get
from tests.helpers.waiting import wait_until
from tests.helpers.worker_service import WorkerService, dial

APPLICATION = """
import os

ANSWER = "0"
LARGE = b"x" * 300_000


def app(request):
    return LARGE if request.path == "/large" else f"{os.getpid()} {ANSWER}"
"""
RESTARTS = 12

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


class Regulars(Crew):
    """Clients that keep their connection until they are told that it ends, and then make another."""

    def __init__(self, target: str | tuple[str, int], count: int, path: str) -> None:
        super().__init__(*[self._run] * count)
        self._target, self._path = target, path
        self.outcomes: Counter[str] = Counter()
        self.answers: Counter[bytes] = Counter()

    def wait_for(self, answer: str) -> None:
        """Wait until somebody got this answer."""
        wait_until(lambda: any(body.endswith(answer.encode()) for body in list(self.answers)), answer)

    def _run(self) -> None:
        while not self.is_over:
            try:
                with Client(dial(self._target)) as client:
                    self._stay(client)
            except (OSError, EOFError) as error:
                self.outcomes[repr(error)] += 1

    def _stay(self, client: Client) -> None:
        while not self.is_over:
            answer = client.ask(get(self._path))
            self.outcomes[str(answer.status)] += 1
            if self._path == "/":
                self.answers[answer.body] += 1
            else:
                assert (len(answer.body), answer.complete) == (300_000, True)
            if answer.closes:
                self.outcomes["told"] += 1
                return


def restart(service: WorkerService, number: int) -> None:
    service.write(APPLICATION.replace('ANSWER = "0"', f'ANSWER = "{number}"'))
    service.signal(signal.SIGHUP)
    service.wait_said("every worker was replaced", number)


@pytest.mark.parametrize("path", ["/", "/large"])
def test_clients_that_leave_when_they_are_told_to_lose_no_request(tmp_path: Path, path: str) -> None:
    with (
        WorkerService(tmp_path, "--workers", "2", application=APPLICATION) as service,
        Regulars(service.target, 4, path) as regulars,
    ):
        service.wait_serving(2)
        for number in range(1, RESTARTS + 1):
            told = regulars.outcomes["told"]
            restart(service, number)
            wait_until(lambda told=told: regulars.outcomes["told"] > told, "somebody who was told")  # type: ignore[misc]
            if path == "/":
                regulars.wait_for(f" {number}")
    assert set(regulars.outcomes) == {"200", "told"}, regulars.outcomes


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_wrk_sees_no_error(tmp_path: Path) -> None:
    with WorkerService(tmp_path, "--workers", "2", application=APPLICATION) as service:
        service.wait_serving(2)
        port = service.target[1]
        command = ["wrk", "-t1", "-c20", "-d150s", f"http://127.0.0.1:{port}/"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as wrk:
            for number in range(1, RESTARTS + 1):
                restart(service, number)
            wrk.send_signal(signal.SIGINT)  # it then reports
            report, _ = wrk.communicate()
    assert "Socket errors" not in report, report
    assert "Non-2xx" not in report, report
    (requests,) = re.findall(r"(\d+) requests in", report)
    assert int(requests) > 100 * RESTARTS
