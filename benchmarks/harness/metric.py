"""What can be measured: names as they stand in results, and how people read them."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Metric:
    """A quantity. Results keep it in seconds, bytes or counts; people see `value * scale` in `unit`."""

    label: str
    unit: str
    scale: float = 1.0
    digits: int = 0

    @property
    def heading(self) -> str:
        """The label with its unit, for the head of a column."""
        return f"{self.label} [{self.unit}]" if self.unit else self.label

    def show(self, value: float) -> str:
        """The value as people read it, without its unit."""
        return f"{value * self.scale:,.{self.digits}f}"


METRICS: Final = {
    "cpu_per_message": Metric("server CPU per request", "µs", 1e6, 2),
    "messages_per_second": Metric("requests per second", ""),
    "p50": Metric("p50", "ms", 1e3, 2),
    "p90": Metric("p90", "ms", 1e3, 2),
    "p99": Metric("p99", "ms", 1e3, 2),
    "p999": Metric("p99.9", "ms", 1e3, 2),
    "max": Metric("longest", "ms", 1e3, 1),
    "generator_cpu_per_message": Metric("generator CPU per request", "µs", 1e6, 2),
    "server_core": Metric("server's share of its core", "%", 100),
    "generator_core": Metric("generator's share of its core", "%", 100),
    "bytes_per_connection": Metric("memory per connection", "bytes"),
    "bytes_per_connection_exchange": Metric("after one exchange", "bytes"),
    "bytes_per_connection_burst": Metric("after a burst of 64 KiB", "bytes"),
    "bytes_per_connection_burst_3s": Metric("3 s after the burst", "bytes"),
    "rss": Metric("memory of the server", "MiB", 1 / 1048576, 1),
    "rss_low": Metric("RSS at the lower count", "MiB", 1 / 1048576, 1),
    "rss_high": Metric("RSS at the higher count", "MiB", 1 / 1048576, 1),
    "connects_per_second": Metric("connections per second", ""),
    "cpu_per_connect": Metric("server CPU per connection", "µs", 1e6, 2),
    "pauses": Metric("pauses", ""),
    "longest": Metric("longest pause", "ms", 1e3, 2),
    "total": Metric("all pauses", "ms", 1e3, 2),
    "connecting_pauses": Metric("pauses while connections opened", ""),
    "connecting_longest": Metric("longest pause while connections opened", "ms", 1e3, 2),
    "connecting_total": Metric("all pauses while connections opened", "ms", 1e3, 2),
    "full": Metric("a full collection", "ms", 1e3, 2),
    "handshakes_per_second": Metric("handshakes per second", ""),
    "cpu_per_handshake": Metric("server CPU per handshake", "µs", 1e6, 1),
    "flood_bytes_per_second": Metric("flood", "MiB/s", 1 / 1048576),
}
