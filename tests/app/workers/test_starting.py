"""How a service comes up, or says why it does not: addresses, applications, options."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import floodway
from floodway.app.echo import Echo
from tests.helpers.waiting import PATIENCE_SECONDS, wait_until
from tests.helpers.worker_service import APPLICATION, WorkerService, ask, dial


def serve(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "floodway", "serve", "application:app", *arguments, "--log-level", "warning"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)


@pytest.mark.parametrize("model", [[], ["--threads", "2"], ["--sub-reactors", "2"], ["--main-reactors", "2"],
                                   ["--driver", "portable"]])  # fmt: skip
@pytest.mark.parametrize("transport", ["tcp", "unix"])
def test_every_worker_serves_in_every_model(tmp_path: Path, model: list[str], transport: str) -> None:
    address = "tcp://127.0.0.1:0" if transport == "tcp" else f"unix://{tmp_path}/s"
    with WorkerService(tmp_path, "--workers", "2", *model, address=address) as service:
        seats = service.wait_serving(2)
        peers = []
        pids: set[int] = set()
        while len(pids) < 2:
            peers.append(service.dial())
            pids.add(ask(peers[-1])[0])
        assert pids == set(seats.values())
        for peer in peers:
            peer.close()


def test_auto_is_one_worker_per_core_that_it_may_use(tmp_path: Path) -> None:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        with WorkerService(tmp_path, "--workers", "auto") as service:
            service.wait_serving(1)
    finally:
        os.sched_setaffinity(0, allowed)


def test_a_second_server_on_the_port_is_refused_with_one_line(tmp_path: Path) -> None:
    with WorkerService(tmp_path, "--workers", "2") as service:
        assert isinstance(service.target, tuple)
        done = serve(tmp_path, f"tcp://127.0.0.1:{service.target[1]}", "--workers", "2")
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1
        assert f"cannot listen on tcp://127.0.0.1:{service.target[1]}: Address already in use" in done.stderr
        with service.dial() as peer:
            assert ask(peer)


def test_the_socket_file_of_a_killed_service_is_replaced_and_a_live_one_refused(tmp_path: Path) -> None:
    address = f"unix://{tmp_path}/s?mode=600"
    with WorkerService(tmp_path, "--workers", "2", address=f"unix://{tmp_path}/s") as service:
        service.wait_serving(2)
        service.child.kill()
        service.child.wait()
    assert (tmp_path / "s").is_socket()
    with WorkerService(tmp_path, "--workers", "2", address=f"unix://{tmp_path}/s") as service:
        with service.dial() as peer:
            assert ask(peer)
        done = serve(tmp_path, address, "--workers", "2")
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
        assert "another server is listening there" in done.stderr
        assert (tmp_path / "s").is_socket()
    assert not (tmp_path / "s").exists(), "at the end it is removed"


def test_sockets_from_systemd_are_shared_by_the_workers(tmp_path: Path) -> None:
    (tmp_path / "application.py").write_text(APPLICATION)
    script = (
        "import os, socket, sys;"
        "s = socket.create_server(('127.0.0.1', 0)); os.dup2(s.fileno(), 3); os.set_inheritable(3, True);"
        "print(s.getsockname()[1], flush=True);"
        "os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()));"
        "os.execv(sys.executable, [sys.executable, '-m', 'floodway', 'serve', 'application:app', '--workers', '2'])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            assert child.stdout is not None
            port = int(child.stdout.readline())
            pids: set[int] = set()
            peers = []
            while len(pids) < 2:
                peers.append(dial(("127.0.0.1", port)))
                pids.add(ask(peers[-1])[0])
            for pid in pids:
                os.kill(pid, signal.SIGKILL)  # nobody has the socket but the supervisor
            with dial(("127.0.0.1", port)) as peer:
                assert ask(peer)[0] not in pids
            for peer in peers:
                peer.close()
            child.send_signal(signal.SIGTERM)
            _, err = child.communicate(timeout=PATIENCE_SECONDS)
        finally:
            child.kill()
    assert child.returncode == 0
    assert "listening on fd://3" in err


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("1 / 0", "Error: application:app could not be imported: ZeroDivisionError: division by zero"),
        (
            "app = 3",
            "Error: application:app is 3, which is no application: neither a floodway.Handler nor something that is called",  # noqa: E501
        ),
        (
            APPLICATION.replace("self.engine = engine", "raise LookupError('no database')"),
            "Error: application:app could not be started: LookupError: no database",
        ),
        ("import os; os._exit(9)", "exited with code 9 before it served"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "was killed by SIGSEGV before it served"),
    ],
)
def test_an_application_that_never_starts_ends_the_service_with_code_3(tmp_path: Path, code: str, line: str) -> None:
    (tmp_path / "application.py").write_text(code)
    done = serve(tmp_path, "tcp://127.0.0.1:0", "--workers", "3")
    assert done.returncode == 3
    assert line in done.stderr.splitlines()[-1]
    assert done.stderr.count("Traceback") <= 1, "once, not for each worker"


def test_the_traceback_is_the_users_alone(tmp_path: Path) -> None:
    (tmp_path / "application.py").write_text("def broken():\n    return 1 / 0\n\nbroken()\n")
    shown = serve(tmp_path, "tcp://127.0.0.1:0", "--workers", "2").stderr
    assert "return 1 / 0" in shown
    assert "floodway/app" not in shown


def test_a_worker_that_fails_while_others_start_is_tried_again(tmp_path: Path) -> None:
    """The first to import fails; there is a service all the same."""
    fails_once = "import os\ntry:\n    os.mkdir('first')\nexcept FileExistsError:\n    pass\nelse:\n    1 / 0\n"
    with WorkerService(tmp_path, "--workers", "2", application=fails_once + APPLICATION) as service:
        service.wait_serving(2)


def test_usage_errors_come_before_anything_is_forked(tmp_path: Path) -> None:
    for arguments in (["--workers", "0"], ["--workers", "many"], ["--preload"], ["--workers", "2", "--threads", "-1"]):
        assert serve(tmp_path, *arguments).returncode == 2
    assert serve(tmp_path, "--workers", "2", "--max-input", "9999999999").returncode in (1, 2)


@pytest.mark.parametrize("option", [{"workers": 2}, {"preload": True}, {"pid_file": "x"}])
def test_an_engine_refuses_what_belongs_to_serve(option: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=r"Engine\(\) runs in this process alone; pass \w+ to floodway.serve\(\)"):
        floodway.Engine(Echo(), "tcp://127.0.0.1:0", **option)


def test_workers_need_the_main_thread() -> None:
    raised: list[BaseException] = []

    def run() -> None:
        try:
            floodway.serve(Echo(), "tcp://127.0.0.1:0", workers=2)
        except RuntimeError as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert "call it on the main thread" in str(raised[0])


def test_preload_imports_once_and_warns_of_threads(tmp_path: Path) -> None:
    application = (
        "import threading, time\nprint('imported', flush=True)\n"
        "threading.Thread(target=time.sleep, args=(100,), daemon=True).start()\n"
    )
    with WorkerService(tmp_path, "--workers", "3", "--preload", application=application + APPLICATION) as service:
        service.wait_serving(3)
        service.signal(signal.SIGHUP)
        service.wait_said("every worker was replaced")
        assert len(service.said("^imported$")) == 1
        assert service.said("this process has 2 threads, and workers are forked from it")
        assert service.said("the code stays, since it was imported beforehand")
        with service.dial() as peer:
            assert ask(peer)


def test_the_pid_file_names_the_supervisor_and_is_removed(tmp_path: Path) -> None:
    with WorkerService(tmp_path, "--workers", "2", "--pid-file", "service.pid") as service:
        assert int((tmp_path / "service.pid").read_text()) == service.pid
        service.wait_serving(2)
    assert not (tmp_path / "service.pid").exists()
    with WorkerService(tmp_path, "--workers", "2", "--pid-file", "service.pid") as service:
        service.wait_serving(2)
        (tmp_path / "service.pid").write_text("1\n")
    assert (tmp_path / "service.pid").read_text() == "1\n", "it is somebody else's"


def test_a_program_may_serve_by_name_without_workers(tmp_path: Path) -> None:
    (tmp_path / "application.py").write_text(APPLICATION)
    script = (
        "import logging, os, signal, threading, time, floodway\n"
        "logging.basicConfig(level='INFO')\n"
        "def stop():\n"
        "    while not os.path.exists('pid'):\n"
        "        time.sleep(0.01)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "threading.Thread(target=stop).start()\n"
        "floodway.serve('application:app', 'tcp://127.0.0.1:0', pid_file='pid')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("on_stop")
    wait_until(lambda: not (tmp_path / "pid").exists())
