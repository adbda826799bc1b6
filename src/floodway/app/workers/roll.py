"""Replacing every worker by one with new code, one seat after the other, so that the service never stops to accept."""

import logging
from collections.abc import Sequence
from typing import Final

from floodway.app.workers.seat import Seat

logger: Final = logging.getLogger(__name__)


class Roll:
    """Which seat is next, if any. Supervisor's thread."""

    def __init__(self, seats: Sequence[Seat]) -> None:
        self._seats = seats
        self._is_under_way = False
        self.generation: int = 0
        """Of workers that are forked now; those of an earlier one are to be replaced while it is under way."""

    def begin(self) -> None:
        """Replace all that live now. If a roll is under way, it begins anew."""
        self.generation += 1
        self._is_under_way = True

    def give_up(self) -> None:
        """Leave those that are not replaced yet as they are."""
        self._is_under_way = False

    def next_seat(self) -> Seat | None:
        """The seat that gets a successor now; None while another one starts, or if there is nothing to replace."""
        if not self._is_under_way:
            return None
        seats = [seat for seat in self._seats if seat.is_wanted]
        if any(not seat.is_serving or seat.successor is not None for seat in seats):
            return None  # one at a time
        for seat in seats:
            if seat.worker is not None and seat.worker.generation < self.generation:
                # While its predecessor is still leaving, the next one would come too soon: processes would pile up.
                return None if seat.leaving else seat
        if any(worker.accepts for seat in seats for worker in seat.leaving):
            return None
        logger.info("every worker was replaced")
        self._is_under_way = False
        return None
