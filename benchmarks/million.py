"""The drill: a million connections to one Floodway service on this machine, `make million [CONNECTIONS=...]`.

It looks whether there is room, goes into a network of its own where it may, starts workers and generators, opens the
connections at a bounded rate (each echoes once), holds them, lets one percent of them talk, and closes. README.md has
the method; `drill/` has the parts.
"""

import argparse
import json
import socket
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from drill import figures, namespace
from drill.checks import descriptor_limit, lacks
from drill.clients import Client, Order
from drill.guard import Guard
from drill.memory import available_bytes, share_of, slab_bytes
from drill.servers import DrillError, Servers
from drill.size import Size, size_for
from harness.machine import RESERVE_BYTES, describe_machine
from harness.result import commit, today

import floodway

RESULTS = Path(__file__).resolve().parent / "results"
INSIDE = "--inside"
TOO_SMALL = 2


def main() -> int:
    """Run the drill. Returns 0, 1 if something was wrong with what was seen, 2 where the machine is too small."""
    arguments = _parse()
    size = size_for(arguments.connections, min(arguments.descriptors or sys.maxsize, descriptor_limit()))
    if arguments.inside:
        settings: dict[str, str] | None = namespace.set_up()
    else:
        prefix = namespace.command()
        if missing := lacks(size, own_network=prefix is not None):
            for lack in missing:
                print(f"{lack.what}\n    $ {lack.command}")
            fits = min((lack.fits for lack in missing if lack.fits is not None), default=None)
            if fits is not None:
                print(f"as it is, {fits:,} connections fit: make million CONNECTIONS={fits}")
            return TOO_SMALL
        if prefix is not None:
            namespace.enter(prefix, INSIDE)
        print("a network namespace of its own is not permitted here; the drill shares this one")
        settings = None
    try:
        result = drill(size, arguments)
    except DrillError as error:
        print(f"the drill ended: {error}", file=sys.stderr)
        return 1
    result["network_settings"] = settings
    print("\n".join(figures.lines(result)))
    path = _keep(result, arguments)
    print(f"kept in {path.relative_to(RESULTS.parent.parent)}" if path.is_relative_to(RESULTS) else f"kept in {path}")
    for problem in result["problems"]:
        print(f"PROBLEM       {problem}")
    return 1 if result["problems"] else 0


def drill(size: Size, arguments: argparse.Namespace) -> dict[str, Any]:  # Any: what becomes JSON
    """From the first process to the last. Raises DrillError."""
    with tempfile.TemporaryDirectory(prefix="floodway-drill-") as folder:
        clients: list[Client] = []
        servers = Servers(size, _free_port(), Path(folder))

        def end() -> None:
            for process in [servers.process, *(client.process for client in clients)]:
                process.kill()

        with Guard(end, RESERVE_BYTES, arguments.patience) as guard:
            try:
                return _drill(size, arguments, servers, clients, Path(folder)) | {
                    "least_available_bytes": guard.least_available
                }
            except (DrillError, OSError) as error:
                raise DrillError(guard.reason or str(error)) from error
            finally:
                for client in clients:
                    client.kill()
                servers.kill()


def _drill(
    size: Size, arguments: argparse.Namespace, servers: Servers, clients: list[Client], folder: Path
) -> dict[str, Any]:
    _say(f"{size.servers} workers serve, at most {size.max_connections:,} connections each")
    order = Order(servers.address, arguments.connect_rate, arguments.seconds)
    alone = share_of(servers.pids)
    for number in range(size.generators):
        clients.append(Client(order, size, number, folder))  # noqa: PERF401 - one by one: who fails ends the others
    for client in clients:
        client.wait_for("connecting")
    before, slab, available = share_of(servers.pids), slab_bytes(), available_bytes()

    began = time.monotonic()
    _connect(clients, began)
    connect_seconds = time.monotonic() - began
    _say(f"all are open; holding them for {arguments.hold:.0f} s")
    time.sleep(arguments.hold)
    held, slab_held, available_held = share_of(servers.pids), slab_bytes(), available_bytes()
    spread = servers.connections()
    servers.collect()

    _say(f"one percent talk for {arguments.seconds:.0f} s")
    for client in clients:
        client.cue()
    for client in clients:
        client.wait_for("closing")
    after = share_of(servers.pids)

    _say("closing")
    for client in clients:
        client.cue()
    reports = [client.report() for client in clients]
    pauses, full = servers.stop()
    result = {
        "format": 1,
        "date": today(),
        "commit": commit(),
        "machine": describe_machine(),
        "versions": {"floodway": floodway.__version__, "python": sys.version.split()[0]},
        **asdict(size),
        "max_connections": size.max_connections,
        "connect_rate_limit": arguments.connect_rate,
        "connect_seconds": connect_seconds,
        "connects_per_second": size.connections / connect_seconds,
        "hold_seconds": arguments.hold,
        "user_memory": figures.user_memory(alone, before, held, after, size.connections),
        "kernel_memory": {
            "slab_before": slab,
            "slab_held": slab_held,
            "for_connections": slab_held - slab,
            "per_connection": (slab_held - slab) / size.connections,
            "available_before": available,
            "available_held": available_held,
        },
        "spread": {"least": min(spread), "most": max(spread)},
        "active": {
            "connections": sum(size.active(client.connections) for client in clients),
            "seconds": arguments.seconds,
            **figures.latency(reports),
            "lateness_p99": max(report["lateness_p99"] or 0.0 for report in reports),
        },
        "collector": {
            "collections": len(pauses),
            "longest": max(pauses, default=0.0),
            "longest_full": max(full, default=0.0),
        },
        "totals": figures.totals(reports),
    }
    return result | {"problems": figures.problems(result, size.connections)}


def _connect(clients: list[Client], began: float) -> None:
    """One generator after the other: what is open stays open, and the rate stays bounded."""
    opened, told = 0, began
    for client in clients:
        client.cue()
        client.wait_for("warming up")
        opened += client.connections
        if (now := time.monotonic()) - told > 2:
            told = now
            _say(f"{opened:,} open, {opened / (now - began):,.0f}/s, {available_bytes() / 2**30:.1f} GiB available")


def _keep(result: dict[str, Any], arguments: argparse.Namespace) -> Path:
    whole = result["connections"] >= figures.TARGET_CONNECTIONS
    folder = arguments.results or (RESULTS / "million" if whole else RESULTS / "scratch")
    folder.mkdir(parents=True, exist_ok=True)
    path: Path = folder / f"million-{result['connections']}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    return path


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _say(text: str) -> None:
    print(text, flush=True)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--connections", type=int, default=1_000_000)
    parser.add_argument("--connect-rate", type=float, default=30_000.0, help="at most so many a second (30,000)")
    parser.add_argument("--hold", type=float, default=10.0, help="seconds before memory is read")
    parser.add_argument("--seconds", type=float, default=20.0, help="of the load on one percent")
    parser.add_argument("--patience", type=float, default=1800.0, help="seconds for everything")
    parser.add_argument("--descriptors", type=int, help="pretend that a process may have no more than so many")
    parser.add_argument("--results", type=Path, help="folder for the result file")
    parser.add_argument(INSIDE, action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
