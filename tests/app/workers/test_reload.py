"""`--reload`: an edit brings new code, and a broken one leaves the old code serving."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.waiting import PATIENCE_SECONDS, wait_until
from tests.helpers.worker_service import APPLICATION, WorkerService, ask, is_alive


def answer_of(service: WorkerService) -> str:
    with service.dial() as peer:
        return ask(peer)[1]


def edited(service: WorkerService, text: str) -> None:
    (service.folder / "application.py").write_text(text)


def test_an_edit_brings_new_code(tmp_path: Path) -> None:
    with WorkerService(tmp_path, "--reload") as service:
        service.wait_said("Floodway watches")
        assert answer_of(service) == "0"
        for answer in ("1", "2"):
            edited(service, APPLICATION.replace('ANSWER = "0"', f'ANSWER = "{answer}"'))
            wait_until(lambda answer=answer: answer_of(service) == answer, f"the answer {answer}")  # type: ignore[misc]
        assert service.said("Floodway reloads: application.py")


def test_a_broken_edit_leaves_the_old_code_serving(tmp_path: Path) -> None:
    with WorkerService(tmp_path, "--reload", "--workers", "2") as service:
        service.wait_said("Floodway watches")
        edited(service, "this is no Python\n")
        service.wait_said("the new code could not be started, the old workers serve on")
        assert answer_of(service) == "0"
        edited(service, APPLICATION.replace('ANSWER = "0"', 'ANSWER = "3"'))
        wait_until(lambda: {answer_of(service) for _ in range(10)} == {"3"}, "the answer 3 of both")


def test_other_folders_may_be_watched(tmp_path: Path) -> None:
    watched = tmp_path / "library"
    watched.mkdir()
    with WorkerService(tmp_path, "--reload", "--reload-dir", "library") as service:
        service.wait_said("Floodway watches library")
        service.answers("1")  # beside the folder: not looked at
        (watched / "notes.txt").write_text("no Python")
        assert answer_of(service) == "0"
        (watched / "module.py").write_text("pass\n")
        wait_until(lambda: answer_of(service) == "1", "the answer 1")
        assert service.said("Floodway reloads: (.*)") == ["module.py"]


def test_the_watching_process_ends_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "application.py").write_text(APPLICATION)
    command = [sys.executable, "-m", "floodway", "serve", "application:app", "tcp://127.0.0.1:0", "--reload"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as child:
        children = Path(f"/proc/{child.pid}/task/{child.pid}/children")
        pids = wait_until(lambda: len(found := children.read_text().split()) == 2 and found, "watcher and worker")
        child.send_signal(signal.SIGKILL)
    assert pids
    wait_until(lambda: not [pid for pid in pids if is_alive(int(pid))], "the end of both", 5)


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["--reload", "--reload-dir", "nowhere"], "reload_dir has 'nowhere', which is no folder"),
        (["--reload", "--preload", "--workers", "1"], "reload and preload exclude each other"),
    ],
)
def test_what_cannot_be_reloaded_is_wrong_usage(tmp_path: Path, arguments: list[str], advice: str) -> None:
    command = [sys.executable, "-m", "floodway", "serve", "application:app", *arguments]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False, env=os.environ
    )
    assert done.returncode == 2
    assert advice in done.stderr


def test_an_object_cannot_be_reloaded(tmp_path: Path) -> None:
    script = "import floodway; floodway.serve(lambda request: '', port=0, reload=True)"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert "reload needs the application by name" in done.stderr.splitlines()[-1]
