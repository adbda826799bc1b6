"""One repetition under way: one peer at one point of a scene, on servers that were started for it."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from harness import servers
from harness.added import objections
from harness.generator import Report
from harness.machine import Cores, NoiseMeter
from harness.servers import Peer, Server

from figures.scene import Point, Scene


@dataclass(slots=True)
class Turn:
    """What is to be measured, and what was seen. With problems it counts for nothing; remarks only qualify it."""

    scene: Scene
    point: Point
    peer: Peer
    round: int
    cores: Cores
    metrics: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    judged: bool = True
    foreign_cores: float = 0.0
    stolen_cores: float = 0.0

    @contextlib.contextmanager
    def servers(self) -> Iterator[list[Server]]:
        """The peer, as many times as the point wants, each time fresh. Raises ServerError."""
        point = self.point
        with servers.running_several(
            self.peer, self.cores.server, point.processes, additions=point.additions
        ) as running:
            noise = NoiseMeter(*(server.pid for server in running))
            try:
                yield running
            finally:
                for server in running:
                    server.check_alive()  # if it is dead, that is the reason, and not what followed from it
            foreign, stolen = noise.read()
            self.foreign_cores, self.stolen_cores = max(self.foreign_cores, foreign), max(self.stolen_cores, stolen)
        self.remarks += dict.fromkeys(remark for server in running for remark in server.remarks)

    def judge(self, reports: Sequence[Report]) -> None:
        """Take over what the generators object to, and whether fairness was judged by all."""
        self.problems += objections(reports)
        self.judged = all(report.raw.get("fair") is not None for report in reports)
