"""SIGHUP: every worker replaced, new code, nobody refused."""

import signal
from pathlib import Path

import pytest

from tests.app.workers.conftest import Front
from tests.helpers import fault_process
from tests.helpers.waiting import wait_until
from tests.helpers.worker_service import Visitors, WorkerService, ask, persistent


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_20_replacements_under_load_bring_new_code_and_lose_no_request(tmp_path: Path, front: Front) -> None:
    with (
        WorkerService(tmp_path, "--workers", "2", *front.arguments, address=front.address) as service,
        Visitors(service.target) as visitors,
    ):
        service.wait_serving(2)
        for number in range(1, 21):
            with persistent(service, 4) as peers:
                service.answers(str(number))
                service.signal(signal.SIGHUP)
                service.wait_said("every worker was replaced", number)
                visitors.wait_for(str(number))
                for peer, _ in peers:
                    # An orderly end; a reset would be a ConnectionResetError.
                    assert peer.recv(1) == b""
            with service.dial() as peer:
                assert ask(peer)[1] == str(number)
        before = visitors.outcomes["answered"]
        wait_until(lambda: visitors.outcomes["answered"] > before + 20, "further answers")
    assert set(visitors.outcomes) == {"answered"}, visitors.outcomes


def test_new_code_that_does_not_import_leaves_the_old_workers_serving(tmp_path: Path) -> None:
    with WorkerService(tmp_path, "--workers", "2") as service:
        before = service.wait_serving(2)
        for number, (code, reason) in enumerate(
            [
                ("import nothing_of_this_name", "ModuleNotFoundError: No module named 'nothing_of_this_name'"),
                ("class", "SyntaxError: invalid syntax"),
                ("import sys; sys.exit(5)", "SystemExit: 5"),
                ("import os; os._exit(5)", r"worker 0 \(pid \d+\) exited with code 5 before it served"),
            ],
            1,
        ):
            service.write(code)
            service.signal(signal.SIGHUP)
            lines = service.wait_said("the new code could not be started, the old workers serve on: .*", number)
            assert len(lines) == number
            assert service.said(reason), lines[-1]
        assert service.wait_serving(2) == before
        assert "Traceback" not in service.log()
        service.answers("mended")
        service.signal(signal.SIGHUP)
        service.wait_said("every worker was replaced")
        with service.dial() as peer:
            assert ask(peer)[1] == "mended"


def test_a_second_sighup_during_the_first_is_not_forgotten(tmp_path: Path) -> None:
    with WorkerService(tmp_path, "--workers", "3") as service:
        service.wait_serving(3)
        for number in range(1, 6):
            service.answers(str(number))
            service.signal(signal.SIGHUP)
        service.wait_said("every worker was replaced")
        service.wait_serving(3)
        seen = set()
        for _ in range(30):
            with service.dial() as peer:
                seen.add(ask(peer)[1])
        assert seen == {"5"}


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_replacing_for_ever_costs_the_supervisor_nothing(tmp_path: Path) -> None:
    """Descriptors and memory after 60 replacements are those after 10; no zombie, no process too many."""
    with WorkerService(tmp_path, "--workers", "2") as service:
        service.wait_serving(2)
        measured = {}
        for number in range(1, 61):
            service.signal(signal.SIGHUP)
            service.wait_said("every worker was replaced", number)
            if number in (10, 60):
                service.wait_serving(2)
                measured[number] = fault_process.descriptors(service.pid), fault_process.resident_bytes(service.pid)
        assert measured[60][0] == measured[10][0]
        assert measured[60][1] <= measured[10][1] + (1 << 20)


def test_sigttin_and_sigttou_change_the_number_and_no_connection_is_lost(tmp_path: Path, front: Front) -> None:
    with WorkerService(tmp_path, "--workers", "1", *front.arguments, address=front.address) as service:
        service.wait_serving(1)
        with Visitors(service.target) as visitors:
            for count in (2, 3, 4):  # signals of one number that come too fast become one
                service.signal(signal.SIGTTIN)
                service.wait_said(f"SIGTTIN: one worker more, {count} now")
            service.wait_serving(4)
            for count in (3, 2, 1):
                service.signal(signal.SIGTTOU)
                service.wait_said(f"SIGTTOU: one worker less, {count} now")
            (last,) = service.wait_serving(1).values()
            service.signal(signal.SIGTTOU)
            service.wait_said("one worker is the least")
            before = visitors.outcomes["answered"]
            wait_until(lambda: visitors.outcomes["answered"] > before + 30, "answers by the one that is left")
            service.signal(signal.SIGTTIN)
            service.wait_said("SIGTTIN: one worker more, 2 now", 2)
            service.wait_serving(2)
        assert set(visitors.outcomes) == {"answered"}, visitors.outcomes
        assert service.serving()[0] == last


def test_a_handler_object_keeps_the_old_code(tmp_path: Path) -> None:
    """It is inherited over the fork; the log says so."""
    script = tmp_path / "script.py"
    script.write_text(
        "import logging, os, signal, floodway\n"
        "class Once(floodway.Handler):\n"
        "    def on_start(self, engine):\n"
        "        print('on_start', flush=True)\n"
        "        n = len(open('starts').read()); open('starts', 'a').write('x')\n"
        "        if n == 0: os.kill(os.getppid(), signal.SIGHUP)\n"
        "        if n == 1: os.kill(os.getppid(), signal.SIGTERM)\n"
        "logging.basicConfig(level='INFO')\n"
        "open('starts', 'w').close()\n"
        "floodway.serve(Once(), 'tcp://127.0.0.1:0', workers=1)\n"
    )
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (0, "on_start\non_start\n"), done.stderr
    assert "SIGHUP: replacing every worker; the code stays, since it was imported beforehand" in done.stderr
