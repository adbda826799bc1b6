"""How long to wait before a worker is started again that ends by itself: not at all, then ever longer."""

from typing import Final

FIRST_SECONDS: Final = 0.1
LONGEST_SECONDS: Final = 10.0
STEADY_SECONDS: Final = 10.0
"""Who has served for so long begins anew: what ended it is not what ended those before."""


class BackOff:
    """The pauses of one worker index.

    >>> back_off = BackOff()
    >>> [back_off.after(served) for served in (0.0, 0.0, 0.0, 60.0, 0.0)]
    [0.0, 0.1, 0.2, 0.0, 0.1]
    """

    def __init__(self) -> None:
        self._failures = 0

    def after(self, served_seconds: float) -> float:
        """Seconds to wait after one that served for so long, 0.0 if it never did."""
        if served_seconds >= STEADY_SECONDS:
            self._failures = 0
        self._failures += 1
        if self._failures == 1:
            return 0.0
        pause: float = FIRST_SECONDS * 2 ** min(self._failures - 2, 32)
        return min(LONGEST_SECONDS, pause)
