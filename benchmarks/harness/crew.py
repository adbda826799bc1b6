"""Several generators that move through their phases together, each against a server of its own.

A process may have only so many descriptors, and so may a generator. Each waits for its cue before it connects, before
the load, and before it closes, so that all connections are open while any is measured.
"""

import contextlib
import select
import subprocess
from collections.abc import Sequence
from typing import Final, Self

from harness.generator import GRACE_SECONDS, GeneratorError, Order, Report, finish, start
from harness.machine import inherited
from harness.servers import Server, without_paths

REPORT_SECONDS: Final = 60.0


class Crew:
    """Generators that have started and not yet connected. A context manager: those left at its end are killed.

    Call `connect`, `load` and `reports`, in this order. All raise GeneratorError.
    """

    def __init__(self, servers: Sequence[Server], orders: Sequence[Order], cores: frozenset[int]) -> None:
        self._orders = list(orders)
        self._processes: list[subprocess.Popen[str]] = []
        try:
            with inherited(cores):
                for server, order in zip(servers, orders, strict=True):
                    self._processes.append(start(server, order, on_cue=True))
            self._wait_for("connecting", GRACE_SECONDS)
        except BaseException:
            self._kill()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._kill()

    def connect(self, seconds: float) -> None:
        """Open all connections, with a first message each; at most so many seconds for that."""
        self._cue()
        self._wait_for("warming up", seconds)

    def load(self) -> None:
        """Put the load on and measure; the connections stay open."""
        self._cue()
        self._wait_for("closing", max(order.load.seconds for order in self._orders) + GRACE_SECONDS)

    def reports(self) -> list[Report]:
        """Close the connections; what each has found."""
        self._cue()
        return [finish(process, REPORT_SECONDS) for process in self._processes]

    def _cue(self) -> None:
        for process in self._processes:
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):  # it has ended, and whoever waits for it next learns why
                process.stdin.write("\n")
                process.stdin.flush()

    def _wait_for(self, phase: str, seconds: float) -> None:
        """Block until all wait for the cue to this phase."""
        for process in self._processes:
            assert process.stdout is not None
            # It prints one line and then waits, so nothing can be left in the buffer above the descriptor.
            if not select.select([process.stdout], [], [], seconds)[0]:
                raise GeneratorError(f"a generator was not {phase} after {seconds:.0f} s")
            if (line := process.stdout.readline().strip()) != phase:
                _, errors = process.communicate(timeout=REPORT_SECONDS)
                said = without_paths((errors or line).strip().splitlines()[-1]) if errors or line else "nothing"
                raise GeneratorError(f"a generator ended instead of {phase}: {said}")

    def _kill(self) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
