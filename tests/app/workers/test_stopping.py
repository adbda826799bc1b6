"""SIGTERM and SIGINT: every worker drains, and the service ends with exit code 0 whatever its callbacks do."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers.waiting import PATIENCE_SECONDS, wait_until
from tests.helpers.worker_service import APPLICATION, WorkerService, ask, persistent


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_drains_every_worker(tmp_path: Path, number: signal.Signals) -> None:
    with WorkerService(tmp_path, "--workers", "3") as service:
        pids = service.wait_serving(3).values()
        with persistent(service, 6) as peers:
            service.signal(number)
            for peer, _ in peers:
                assert peer.recv(1) == b"", "an orderly end"
        assert service.child.wait(PATIENCE_SECONDS) == 0
        assert sorted(service.said(r"^on_stop (\d+)$")) == sorted(map(str, pids))
        assert "ERROR" not in service.log()


def test_a_terminals_interrupt_reaches_all_and_is_obeyed_once(tmp_path: Path) -> None:
    """Ctrl-C sends SIGINT to the supervisor and to every worker: busy connections still have their grace time."""
    with WorkerService(tmp_path, "--workers", "2") as service, service.dial() as busy:
        service.wait_serving(2)
        ask(busy)
        busy.sendall(b"wh")
        service.dial().close()
        for pid in (*service.workers(), service.pid):
            os.kill(pid, signal.SIGINT)
        service.wait_said("closing the listeners", 2)
        busy.sendall(b"o\n")
        assert busy.recv(100)
        busy.close()
        assert service.child.wait(PATIENCE_SECONDS) == 0
        assert not service.said("at once")


def test_a_stuck_worker_is_named_and_left_behind_after_the_grace_time(tmp_path: Path) -> None:
    with WorkerService(tmp_path, "--workers", "2", "--grace", "0.3") as service, service.dial() as peer:
        service.wait_serving(2)
        pid, _ = ask(peer)
        peer.sendall(b"block\n")
        service.wait_said("has been in one batch")
        service.signal(signal.SIGTERM)
        assert service.child.wait(PATIENCE_SECONDS) == 0
        assert service.said(rf"worker \d \(pid {pid}\): the engine could not stop: reactor is stuck in a callback")


def test_a_worker_that_does_not_even_answer_is_named_and_killed(tmp_path: Path) -> None:
    with WorkerService(tmp_path, "--workers", "2", "--grace", "0.1") as service:
        pid = service.wait_serving(2)[0]
        os.kill(pid, signal.SIGSTOP)
        service.signal(signal.SIGTERM)
        assert service.child.wait(PATIENCE_SECONDS) == 0
        assert service.said(rf"worker 0 \(pid {pid}\) is stuck: it did not end when it should have; killing it")


def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    with WorkerService(tmp_path, "--workers", "2", "--grace", "60") as service, service.dial() as busy:
        service.wait_serving(2)
        ask(busy)
        busy.sendall(b"half a line")
        service.signal(signal.SIGTERM)
        service.wait_said("closing the listeners", 2)
        service.signal(signal.SIGTERM)
        assert service.child.wait(PATIENCE_SECONDS) == 0
        assert service.said("SIGTERM: stopping at once")


def test_a_third_signal_is_the_process_s_own(tmp_path: Path) -> None:
    with WorkerService(tmp_path, "--workers", "2", "--grace", "60") as service:
        pid = service.wait_serving(2)[0]
        os.kill(pid, signal.SIGSTOP)
        service.signal(signal.SIGTERM)
        service.wait_said("SIGTERM: stopping$")
        service.signal(signal.SIGTERM)
        service.wait_said("SIGTERM: stopping at once")
        service.signal(signal.SIGTERM)
        assert service.child.wait(PATIENCE_SECONDS) == -signal.SIGTERM


def test_a_signal_during_an_import_ends_it(tmp_path: Path) -> None:
    (tmp_path / "application.py").write_text("import time\nprint('imports', flush=True)\ntime.sleep(60)\n")
    command = [sys.executable, "-m", "floodway", "serve", "application:app", "tcp://127.0.0.1:0", "--workers", "1"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "imports\n"
            began = time.monotonic()
            child.send_signal(signal.SIGTERM)
            assert child.wait(PATIENCE_SECONDS) == 0
            assert time.monotonic() - began < 5
        finally:
            child.kill()


def test_a_worker_told_to_stop_by_an_operator_drains_and_is_replaced(tmp_path: Path) -> None:
    with WorkerService(tmp_path, "--workers", "2") as service:
        before = service.wait_serving(2)
        os.kill(before[1], signal.SIGTERM)
        service.wait_said(rf"worker 1 \(pid {before[1]}\) stops by itself; another starts at once")
        wait_until(lambda: service.serving().get(1, before[1]) != before[1], "the successor")
        assert service.wait_serving(2)[0] == before[0]
        assert service.said(rf"^on_stop {before[1]}$")


def test_what_the_application_registered_with_atexit_runs_in_the_worker(tmp_path: Path) -> None:
    # One write a line: print makes two of it where Python does not buffer, and the workers share the file.
    application = "import atexit, os\natexit.register(os.write, 1, b'at exit\\n')\n" + APPLICATION
    with WorkerService(tmp_path, "--workers", "2", application=application) as service:
        service.wait_serving(2)
    assert len(re.findall("^at exit$", service.log(), re.MULTILINE)) == 2
