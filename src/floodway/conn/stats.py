"""Immutable snapshots, as every `stats()` returns them. No counters here: the native core counts and builds these."""

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactorStats:
    """What one reactor has done since it was made, and what it holds now. Sizes in bytes, times in seconds."""

    name: str
    driver: str
    connections: int
    """Owned now or on their way here, outgoing ones included."""
    accepted: int
    """Sockets that this reactor's listeners accepted; in the main/sub model another reactor owns them."""
    connected: int
    """Outgoing connections that opened."""
    closed: dict[str, int]
    """Closed connections by reason, such as "finished", "system" or "idle_timeout"."""
    shed: int
    """Accepted and closed at once, because of max_connections or max_connections_per_ip."""
    lost: int
    """Handed over by the accepting process when this one had no descriptor left: their peers were reset."""
    bytes_in: int
    bytes_out: int
    bytes_copied: int
    """Payload copied in user space between receiving and sending."""
    dropped: int
    """Bytes of writes that output_policy "drop" dropped."""
    output_queued: int
    """Bytes of pending output now."""
    blocks_in_use: int
    events: int
    """Events that Python handled."""
    batches: int
    largest_batch: int
    """Events of the largest batch."""
    waits: int
    """Times the poller was asked; far more than batches means that much is done without Python."""
    python_seconds: float
    """Time between polls: handlers and the loop."""
    io_seconds: float
    """Time inside polls, without the waiting."""
    longest_batch_seconds: float
    accept_errors: dict[str, int]
    """Accepts that failed, by the name of their errno, such as "EMFILE"."""
    stale_events: int
    """The kernel's events for connections that were gone meanwhile, dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStats:
    """A snapshot of all reactors of an engine."""

    reactors: tuple[ReactorStats, ...]
    total: ReactorStats
    """The sums over the reactors; of what is a largest or a longest, the largest."""
    max_connections: int | None
    resident_bytes: int
    """Memory of the whole process that is in RAM."""

    def __str__(self) -> str:
        return described(self.total, self.resident_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStats:
    """A snapshot of one worker process."""

    index: int
    """Its place among the workers; who replaces it has the same. -1 is the accepting process of a balancer."""
    pid: int
    stats: EngineStats


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStats:
    """A snapshot of all worker processes of a service."""

    workers: tuple[WorkerStats, ...]
    """By index. A worker that is being replaced and its successor are both there."""
    total: ReactorStats
    """The sums over the workers that are there; of what is a largest or a longest, the largest."""
    resident_bytes: int
    """The sum over the workers: memory that several share counts for each of them."""
    missing: tuple[int, ...]
    """Process ids of workers that did not answer in time."""
    deaths: int
    """Workers that ended without having been told to."""

    def __str__(self) -> str:
        text = f"workers={len(self.workers)} deaths={self.deaths} {described(self.total, self.resident_bytes)}"
        return text + (f" missing={','.join(map(str, self.missing))}" if self.missing else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """What `floodway load` measured. Sizes in bytes, times in seconds; None where it was not or could not be asked."""

    connected: int
    failed: int
    answered: int
    """Connections whose first message came back; in flood mode, where there is none, those that were opened."""
    broken: int
    """Connections that the server or the network ended before the run did, and those of `malformed`."""
    connects_per_second: float
    messages: int
    """Messages that came back; in handshake mode handshakes, in whose place every figure below speaks of messages."""
    messages_per_second: float
    unanswered: int
    """Messages not answered at the end, on connections still open; in handshake mode connections kept open."""
    p50: float | None
    p90: float | None
    p99: float | None
    p999: float | None
    max: float | None
    """Latency of a message, from the moment it was due at a fixed rate, else from its sending."""
    latency_counts: list[tuple[float, int]]
    """The same latencies as (seconds, how many), ascending: those of several generators can be added up."""
    lateness_p99: float | None
    """How late the generator itself sent, at a fixed rate; near p99, the generator was the limit."""
    per_connection_min: int
    per_connection_mean: float
    per_connection_max: int
    fair: bool | None
    """Whether every connection had between half and twice the mean of messages."""
    verdict: str
    """Why, after what is wrong with the encryption and the HTTP answers if anything is."""
    other_statuses: dict[int, int]
    """How many HTTP answers had which status other than 200, over the whole run."""
    wrong_lengths: int
    """HTTP answers whose body was not as long as that of the first, or as the request's if an echo is expected."""
    wrong_sums: int
    """HTTP answers whose body was not the sum that --additions asks for, but as long as one."""
    malformed: int
    """Connections that were ended because what came was no HTTP answer."""
    bytes_checked: int
    """Bytes that came back over the whole run and were compared with what was sent: over HTTP with --expect-echo or
    --additions."""
    corrupt_bytes: int
    """Bytes that came back other than they were sent."""
    server_cpu_seconds: float | None
    cpu_per_message: float | None
    server_rss_before: int | None
    server_rss_with_connections: int | None
    server_rss_end: int | None
    generator_cpu_per_message: float | None


def service_of(workers: tuple[WorkerStats, ...], *, missing: tuple[int, ...], deaths: int) -> ServiceStats:
    """The snapshot of a service that these workers are."""
    return ServiceStats(
        workers=workers,
        total=total_of(tuple(worker.stats.total for worker in workers)),
        resident_bytes=sum(worker.stats.resident_bytes for worker in workers),
        missing=missing,
        deaths=deaths,
    )


def service_of_one(pid: int, stats: EngineStats) -> ServiceStats:
    """The snapshot of a service that is one process, without a supervisor."""
    return service_of((WorkerStats(index=0, pid=pid, stats=stats),), missing=(), deaths=0)


def described(total: ReactorStats, resident_bytes: int) -> str:
    """The most telling numbers in one line, for the log."""
    working = total.python_seconds + total.io_seconds
    python_share = 100 * total.python_seconds / working if working else 0.0
    return (
        f"connections={total.connections} accepted={total.accepted} shed={total.shed}"
        f" closed={sum(total.closed.values())} bytes_in={total.bytes_in} bytes_out={total.bytes_out}"
        f" output_queued={total.output_queued} events={total.events} batches={total.batches}"
        f" python={python_share:.0f}% longest_batch={total.longest_batch_seconds * 1000:.1f}ms"
        f" resident={resident_bytes / 2**20:.1f}MiB"
    )


def total_of(parts: tuple[ReactorStats, ...], name: str = "total") -> ReactorStats:
    """The sums over several reactors; of `largest_batch` and `longest_batch_seconds` the largest."""
    values: dict[str, object] = {}
    for field in fields(ReactorStats):
        column = [getattr(part, field.name) for part in parts]
        if field.name == "name":
            values[field.name] = name
        elif field.name == "driver":
            values[field.name] = ", ".join(dict.fromkeys(column))
        elif field.name in ("largest_batch", "longest_batch_seconds"):
            values[field.name] = max(column, default=0)
        elif field.name in ("closed", "accept_errors"):
            values[field.name] = _merged(column)
        else:
            values[field.name] = sum(column)
    return ReactorStats(**values)  # type: ignore[arg-type]  # one value per field, each of its column's type


def _merged(counts: list[dict[str, int]]) -> dict[str, int]:
    merged: dict[str, int] = {}
    for count in counts:
        for key, value in count.items():
            merged[key] = merged.get(key, 0) + value
    return merged
