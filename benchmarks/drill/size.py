"""How many processes a number of connections takes, where each may have so many descriptors.

The kernel deals connections out by a hash of both ends, so the workers' shares differ: with n connections a share is
off by about its square root. Five times that is kept free, or the fullest worker would shed what another has room for.
"""

import math
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

SPARE_DESCRIPTORS: Final = 64
"""Beside connections: standard streams, listeners, epoll, a channel, files while they are imported."""
DEVIATIONS: Final = 5
"""A worker's share is above the mean by more than this many standard deviations once in some three million cases."""
ACTIVE_SHARE: Final = 0.01
MESSAGES_PER_SECOND: Final = 1.0  # of an active connection
FIRST_SOURCE: Final = IPv4Address("127.1.0.1")


@dataclass(frozen=True, slots=True)
class Size:
    """The drill's processes."""

    connections: int
    descriptors: int
    """That a process may have."""
    servers: int
    """Workers; their supervisor comes on top."""
    generators: int

    @property
    def max_connections(self) -> int:
        """Of a worker."""
        return self.descriptors - SPARE_DESCRIPTORS

    @property
    def shares(self) -> list[int]:
        """The connections of each generator."""
        share, rest = divmod(self.connections, self.generators)
        return [share + (number < rest) for number in range(self.generators)]

    def active(self, share: int) -> int:
        """How many of a generator's connections go on talking."""
        return max(1, round(share * ACTIVE_SHARE))

    def source(self, generator: int) -> IPv4Address:
        """The first local address of a generator: each has 256 of its own, and every address its own range of ports."""
        return FIRST_SOURCE + 256 * generator


def size_for(connections: int, descriptors: int) -> Size:
    """The fewest processes that hold this many. Raises ValueError where a process can hold next to none."""
    room = descriptors - SPARE_DESCRIPTORS
    if room < SPARE_DESCRIPTORS:
        raise ValueError(f"a process may have {descriptors} descriptors, which is too few to say anything")
    servers = math.ceil(connections / room)
    while servers > 1 and _fullest(connections / servers) > room:
        servers += 1
    return Size(connections, descriptors, servers, math.ceil(connections / room))


def _fullest(mean: float) -> float:
    return mean + DEVIATIONS * math.sqrt(mean)
