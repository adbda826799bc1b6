"""Sums over reactors, and the line that the log gets."""

from dataclasses import fields

from floodway.conn.stats import EngineStats, ReactorStats, total_of


def stats(name: str, **values: object) -> ReactorStats:
    zeros: dict[str, object] = {field.name: 0 for field in fields(ReactorStats)}
    return ReactorStats(**{**zeros, "name": name, "driver": "epoll", "closed": {}, "accept_errors": {}, **values})  # type: ignore[arg-type]


def test_counters_add_up_and_of_the_largest_the_largest_remains() -> None:
    first = stats("sub-0", bytes_in=3, largest_batch=9, longest_batch_seconds=0.5, closed={"finished": 2})
    second = stats("sub-1", bytes_in=4, largest_batch=7, longest_batch_seconds=0.7, closed={"finished": 1, "system": 5})
    total = total_of((first, second))
    assert (total.name, total.driver, total.bytes_in) == ("total", "epoll", 7)
    assert (total.largest_batch, total.longest_batch_seconds) == (9, 0.7)
    assert total.closed == {"finished": 3, "system": 5}


def test_the_log_line_has_the_figures() -> None:
    part = stats("reactor", connections=2, python_seconds=1.0, io_seconds=3.0, longest_batch_seconds=0.0125)
    line = str(EngineStats(reactors=(part,), total=total_of((part,)), max_connections=9, resident_bytes=3 << 20))
    assert line.startswith("connections=2 accepted=0 ")
    assert "python=25% longest_batch=12.5ms resident=3.0MiB" in line
