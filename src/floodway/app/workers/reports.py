"""Statistics and stacks of a worker as they cross the channel, and back."""

from dataclasses import asdict
from typing import Any

from floodway.app.workers.channel import Fields
from floodway.conn.engine import Engine
from floodway.conn.stats import EngineStats, ReactorStats, ServiceStats, WorkerStats, service_of


def report_of(engine: Engine, *, stacks: bool) -> Fields:
    """What a worker has to say about itself."""
    return {"stats": asdict(engine.stats()), "stacks": engine.stacks() if stacks else {}}


def engine_stats(fields: Fields) -> EngineStats:
    """The `EngineStats` that `asdict` took apart."""
    values: Fields = dict(fields)
    values["reactors"] = tuple(ReactorStats(**one) for one in values["reactors"])
    values["total"] = ReactorStats(**values["total"])
    return EngineStats(**values)


def service_stats(workers: list[dict[str, Any]], rest: Fields) -> ServiceStats:  # Any: whatever JSON holds
    """The `ServiceStats` that these messages are the parts of."""
    parts = tuple(WorkerStats(index=one["index"], pid=one["pid"], stats=engine_stats(one["stats"])) for one in workers)
    parts = tuple(sorted(parts, key=lambda part: (part.index, part.pid)))
    return service_of(parts, missing=tuple(rest["missing"]), deaths=rest["deaths"])
