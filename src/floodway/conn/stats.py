"""Immutable snapshots, as every `stats()` returns them. No counters here: the native core counts and builds these."""

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactorStats:
    """What one reactor has done since it was made, and what it holds now. Sizes in bytes, times in seconds."""

    name: str
    driver: str
    connections: int
    """Owned now, outgoing ones included."""
    accepted: int
    connected: int
    """Outgoing connections that opened."""
    closed: dict[str, int]
    """Closed connections by reason, such as "orderly", "reset" or "idle-timeout"."""
    shed: int
    """Accepted and closed at once, because of max_connections or max_connections_per_ip."""
    bytes_in: int
    bytes_out: int
    bytes_copied: int
    """Payload copied in user space, between the kernel and the handler either way."""
    events: int
    batches: int
    largest_batch: int
    """Events in the largest batch."""
    waits: int
    """Times the poller was asked; far more than batches means that much is done without Python."""
    output_queued: int
    dropped: int
    """Bytes dropped under output_policy "drop"."""
    blocks_in_use: int
    python_seconds: float
    """Time between polls: handlers and the loop."""
    io_seconds: float
    """Time inside polls, without the waiting."""
    longest_batch_seconds: float
    accept_errors: dict[str, int]
    """Failed accepts by the name of their errno."""
    stale_events: int
    """Events of descriptors that were closed meanwhile, dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStats:
    """A snapshot of all reactors of an engine."""

    reactors: tuple[ReactorStats, ...]
    total: ReactorStats
    """The sums over the reactors; the largest of what is a largest."""
    max_connections: int | None
    resident_bytes: int
    """Memory of the whole process that is in RAM."""

    def __str__(self) -> str:
        total = self.total
        working = total.python_seconds + total.io_seconds
        python_share = 100 * total.python_seconds / working if working else 0.0
        return (
            f"connections={total.connections} accepted={total.accepted} shed={total.shed}"
            f" closed={sum(total.closed.values())} bytes_in={total.bytes_in} bytes_out={total.bytes_out}"
            f" output_queued={total.output_queued} events={total.events} batches={total.batches}"
            f" python={python_share:.0f}% longest_batch={total.longest_batch_seconds * 1000:.1f}ms"
            f" resident={self.resident_bytes / 2**20:.1f}MiB"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """What `floodway load` measured. Sizes in bytes, times in seconds; None where it was not or could not be asked."""

    connected: int
    failed: int
    connects_per_second: float
    messages: int
    messages_per_second: float
    p50: float | None
    p90: float | None
    p99: float | None
    p999: float | None
    max: float | None
    """Latency of a message, from the moment it was due at a fixed rate, else from its sending."""
    per_connection_min: int
    per_connection_mean: float
    per_connection_max: int
    fair: bool | None
    """Whether every connection had between half and twice the mean of messages."""
    verdict: str
    corrupt_bytes: int
    """Bytes that came back other than they were sent."""
    server_cpu_seconds: float | None
    cpu_per_message: float | None
    server_rss_before: int | None
    server_rss_with_connections: int | None
    server_rss_end: int | None
    generator_cpu_per_message: float | None


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
