"""Who accepts from the sockets of a seat in which nobody does, so that no connection waits there.

Nobody does while the seat is empty, and while its worker is short of descriptors or memory; then the two share it.
"""

from collections.abc import Sequence

from floodway.app.workers.process import WorkerProcess
from floodway.app.workers.seat import Seat
from floodway.app.workers.sockets import HeldSockets


def arrange_covers(seats: Sequence[Seat], sockets: HeldSockets, now: float) -> None:
    """Tell workers which seats to cover besides their own, and which no more. Says nothing twice."""
    serving = [seat.worker for seat in seats if seat.worker is not None and seat.is_serving]
    able = [seat.worker for seat in seats if seat.worker is not None and seat.accepts(now)]
    for seat in seats:
        if seat.cover is not None and seat.cover not in serving:
            seat.cover = None  # it is gone, or has closed what it covered
        if seat.cover is not None and (seat.accepts(now) or seat.cover not in able):
            seat.cover.channel.send("uncover", index=seat.index)
            seat.cover = None
    for seat in seats:
        if seat.accepts(now) or seat.cover is not None or not able:
            continue
        own = [held.socket for held in sockets.of(seat.index) if not held.shared]
        if own:
            seat.cover = _least_burdened(able, seats)
            seat.cover.channel.send("cover", own, index=seat.index)


def _least_burdened(able: Sequence[WorkerProcess], seats: Sequence[Seat]) -> WorkerProcess:
    return min(able, key=lambda worker: sum(seat.cover is worker for seat in seats))
