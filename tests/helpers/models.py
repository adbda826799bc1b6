"""The engines that tests run everything on, as parameters."""

from collections.abc import Callable
from typing import Any, TypeAlias

import floodway

MakeEngine: TypeAlias = Callable[..., floodway.Engine]
"""`Engine` with the address and the driver given already; takes the handler and further options."""

# Any: the values are options of Engine, each of its own type.
MODELS: dict[str, dict[str, Any]] = {
    "single": {"sub_reactors": 0},
    "single+threads": {"sub_reactors": 0, "threads": 3},
    "main-sub": {"main_reactors": 1, "sub_reactors": 2},
    "main-sub+threads": {"main_reactors": 1, "sub_reactors": 2, "threads": 3},
    "mains-subs": {"main_reactors": 2, "sub_reactors": 2},
    "mains": {"main_reactors": 2, "sub_reactors": 0},
}

BALANCERS: dict[str, type[floodway.Balancer]] = {
    "round-robin": floodway.RoundRobin,
    "fd-hash": floodway.FdHash,
    "least-connections": floodway.LeastConnections,
}
