"""A journal that nobody measured, with all peers of all scenes, for the tests of what is drawn from one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from figures.series import Scene, gather

Line = dict[str, Any]

# Server CPU per request in microseconds, memory per connection after an exchange and after a burst in bytes.
ECHO = {
    "c": ("C, epoll", 4.6, 0, 0),
    "floodway_raw": ("Floodway, Raw", 4.8, 61, 109),
    "floodway_buffered": ("Floodway, Buffered", 5.3, 61, 122),
    "go_net": ("Go, net", 7.4, 9_800, 72_000),
    "gnet": ("Go, gnet", 5.8, 554, 3_300),
    "go_netpoll": ("Go, netpoll", 7.9, 2_100, 14_000),
    "go_evio": ("Go, evio", 6.2, 700, 2_900),
    "go_gev": ("Go, gev", 6.9, 820, 5_600),
    "go_nbio": ("Go, nbio", 6.5, 1_300, 8_800),
    "python_threads": ("socketserver threads", 24.0, 34_000, 36_000),
    "asyncio_protocol": ("asyncio Protocol", 11.8, 2_400, 4_800),
    "uvloop_protocol": ("uvloop Protocol", 5.6, 1_301, 1_900),
    "asyncio_streams": ("asyncio streams", 31.0, 7_700, 70_000),
    "gevent": ("gevent", 14.0, 5_300, 9_700),
}
HTTP = {
    "c_work": ("C, HTTP with work", 40.0, 300),
    "go_net_http": ("Go, net/http", 62.0, 18_000),
    "go_fasthttp": ("Go, fasthttp", 47.0, 9_300),
    "go_hertz": ("Go, hertz", 49.0, 7_200),
    "floodway_function_loop": ("Floodway, function, Python loop", 4_900.0, 160),
    "floodway_function_native": ("Floodway, function, native loop", 44.0, 160),
    "floodway_asgi_loop": ("Floodway, ASGI, Python loop", 4_950.0, 170),
    "floodway_asgi_native": ("Floodway, ASGI, native loop", 53.0, 170),
    "granian_asgi_loop": ("granian, ASGI, Python loop", 5_000.0, 8_000),
    "granian_asgi_native": ("granian, ASGI, native loop", 83.0, 8_000),
    "granian_wsgi_native": ("granian, WSGI, native loop", 72.0, 7_500),
    "uvicorn_loop": ("uvicorn, Python loop", 5_050.0, 9_900),
    "uvicorn_native": ("uvicorn, native loop", 98.0, 9_900),
    "fastwsgi_native": ("fastwsgi, native loop", 51.0, 4_200),
    "socketify_native": ("socketify, native loop", 55.0, 2_600),
}
VERSIONS = {
    "c": {"cc": "cc (Debian 12.2.0-14+deb12u1) 12.2.0"},
    "floodway": {"floodway": "0.1.0", "python": "CPython 3.13.0"},
    "go": {"go": "go1.26.8"},
    "gnet": {"go": "go1.26.8", "gnet": "v2.9.7"},
    "uvloop": {"uvloop": "0.23.0", "python": "CPython 3.13.0"},
}
MACHINE = {
    "processor": "Made-up processor", "cores": 2, "memory_gib": 24, "kernel": "Linux 6.18", "architecture": "x86_64",
    "virtual": "yes", "somaxconn": 4096, "descriptor_limit": 20000, "ports": "1024-65535",
}  # fmt: skip
POINT = {"connections": 50, "size": 1024, "processes": 1, "seconds": 2.0}
THREADS_REASON = "a thread per connection: refused above 5,000 connections"
GO_REASON = "go is not installed"


def line(
    scene: str, point: Line, peer: str, label: str, number: int, metrics: dict[str, float], **changes: Any
) -> Line:
    """One repetition."""
    versions = VERSIONS.get(peer.removeprefix("collector_").partition("_")[0], {"python": "CPython 3.13.0"})
    return {
        "format": 1, "scene": scene, "point": point, "peer": peer, "label": label, "round": number,
        "metrics": metrics, "problems": [], "remarks": [], "judged": True, "foreign_cores": 0.02 * number,
        "stolen_cores": 0.0, "waited_for_quiet": 0.0, "profile": "standard", "commit": "0123456789ab",
        "date": "2026-01-01T00:00:00+00:00", "machine": MACHINE, "versions": versions,
        "cores": {"server": [1], "generator": [0], "apart": True},
    } | changes  # fmt: skip


def rounds(peer: str, values: list[float], *, label: str = "", point: Line = POINT, **changes: object) -> list[Line]:
    """Repetitions of one peer with these rates."""
    return [
        line("echo-connections", point, peer, label or peer, number, {"messages_per_second": value}, **changes)
        for number, value in enumerate(values, 1)
    ]


def echo(*lines: list[Line]) -> Scene:
    return gather("echo-connections", [each for several in lines for each in several])


def skip(scene: str, point: Line, peer: str, label: str, reason: str) -> Line:
    """Somebody who cannot take part."""
    return {
        "format": 1, "scene": scene, "point": point, "peer": peer, "label": label, "skipped": reason,
        "profile": "standard", "commit": "0123456789ab", "date": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip


def write_journal(folder: Path) -> None:
    """All scenes, three rounds each."""
    scenes: dict[str, list[Line]] = {}
    for made in (*_echoes(), *_http(), *_memory(), *_mass(), *_collector()):
        scenes.setdefault(made["scene"], []).append(made)
    write(folder, scenes)


def write(folder: Path, scenes: dict[str, list[Line]]) -> None:
    """A file for each scene."""
    folder.mkdir(parents=True, exist_ok=True)
    for scene, lines in scenes.items():
        (folder / f"{scene}.jsonl").write_text("".join(json.dumps(made) + "\n" for made in lines))


def _rates(cost: float, number: int, generator: float = 3.9e-6) -> dict[str, float]:
    """A generator of a core of its own, and what the slower of both leaves the other."""
    cost *= 1 + 0.015 * (number - 2)
    rate = min(0.99 / cost, 1 / generator)
    return {
        "messages_per_second": rate, "p50": 0.4 / rate, "p99": 2 / rate, "cpu_per_message": cost,
        "server_core": rate * cost, "generator_core": min(1.0, rate * generator),
        "generator_cpu_per_message": generator,
    }  # fmt: skip


def _point(connections: int, size: int) -> Line:
    processes = -(-connections // 15_000)
    return {"connections": connections, "size": size, "processes": processes, "seconds": 2.0}


def _echoes() -> Iterator[Line]:
    for connections in (50, 1_000, 5_000, 15_000, 100_000):
        for peer, (label, cost, memory, _) in ECHO.items():
            point = _point(connections, 1_024)
            if peer == "python_threads" and connections > 5_000:
                yield skip("echo-connections", point, peer, label, THREADS_REASON)
                continue
            if peer == "go_gev":
                yield skip("echo-connections", point, peer, label, GO_REASON)
                continue
            slower = 1 + 0.12 * (len(str(connections)) - 2) + (0.2 if connections > 15_000 else 0)
            for number in (1, 2, 3):
                metrics = _rates(cost * slower * 1e-6, number) | {"rss": 2e7 + memory * connections}
                if peer == "c" and connections == 50:
                    metrics["generator_core"] = 0.99
                yield line("echo-connections", point, peer, label, number, metrics, judged=connections < 100_000)
    for kib in (1, 4, 16, 64, 128):
        for peer, (label, cost, _, _) in ECHO.items():
            for number in (1, 2, 3):
                metrics = _rates((cost + 0.9 * kib) * 1e-6, number, generator=(3.9 + 0.7 * kib) * 1e-6)
                yield line("echo-sizes", _point(1_000, kib * 1_024), peer, label, number, metrics)


def _http() -> Iterator[Line]:
    for connections in (50, 1_000, 10_000, 50_000, 100_000):
        for peer, (label, cost, memory) in HTTP.items():
            for number in (1, 2, 3):
                metrics = _rates(cost * 1e-6, number, generator=6e-6) | {
                    "rss": 2.5e7 + number * 1e5 + memory * connections
                }
                judged = not (peer.endswith("_loop") and connections > 1_000)
                yield line("http-work", _point(connections, 1_024), peer, label, number, metrics, judged=judged)


def _memory() -> Iterator[Line]:
    for peer, (label, _, exchange, burst) in ECHO.items():
        for number in (1, 2, 3):
            metrics = {
                "bytes_per_connection_exchange": exchange * (1 + number / 100),
                "bytes_per_connection_burst": float(burst),
                "bytes_per_connection_burst_3s": burst * 0.9,
                "rss_high": 2e7 + 15_000 * burst,
            }
            yield line("memory", {"connections": 15_000, "size": 65_536, "seconds": 3.0}, peer, label, number, metrics)


def _mass() -> Iterator[Line]:
    for peer, (label, cost, memory, _) in ECHO.items():
        for number in (1, 2, 3):
            metrics = {"p50": cost * 1e-5, "p99": cost * number * 4e-5, "server_core": cost * 1e-4, "rss": memory * 2e5}
            if peer != "python_threads":
                yield line("mass", _point(200_000, 64), peer, label, number, metrics)
        if peer == "python_threads":
            yield skip("mass", _point(200_000, 64), peer, label, THREADS_REASON)


def _collector() -> Iterator[Line]:
    peers = {
        "collector_floodway": ("Floodway, no state", 0.0),
        "collector_floodway_state": ("Floodway, an object each", 4e-8),
        "collector_asyncio": ("asyncio Protocol", 5e-7),
    }  # fmt: skip
    for connections in (0, 10_000, 15_000):
        for peer, (label, cost) in peers.items():
            for number in (1, 2, 3):
                pause = 1e-3 + cost * connections * (1 + number / 20)
                metrics = {"pauses": 0.0, "longest": 0.0, "total": 0.0, "full": pause * 1.5}
                metrics |= {"connecting_pauses": 3.0, "connecting_longest": pause, "connecting_total": pause * 2}
                yield line("collector", {"connections": connections, "seconds": 5.0}, peer, label, number, metrics)
