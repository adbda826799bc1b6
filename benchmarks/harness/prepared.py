"""The peers as this machine has them: each is built once, when it is first wanted, and may turn out not to run here."""

import platform
from collections.abc import Iterable, Mapping

from harness.servers import Peer, UnavailableError, prepare, substitute


class Prepared:
    """Knows what was built, what cannot take part, and why."""

    def __init__(self, peers: Mapping[str, Peer]) -> None:
        self._peers = peers
        self._versions: dict[str, dict[str, str]] = {}
        self._unavailable: dict[str, str] = {}

    def lacks(self, name: str) -> str | None:
        """Build a peer, unless that was done. Returns why it cannot take part, or None."""
        if name not in self._versions and name not in self._unavailable:
            try:
                self._versions[name] = prepare(self._peers[name])
                substitute(self._peers[name].command)
            except UnavailableError as error:
                self._unavailable[name] = str(error)
        return self._unavailable.get(name)

    def versions(self, names: Iterable[str]) -> dict[str, str]:
        """Python's and those of these peers, which have been built."""
        versions = {"python": f"{platform.python_implementation()} {platform.python_version()}"}
        for name in names:
            versions |= self._versions[name]
        return versions
