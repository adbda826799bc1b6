"""Who accepts from the sockets of a seat in which nobody serves, so that no connection waits there."""

from collections.abc import Sequence

from floodway.app.workers.process import WorkerProcess
from floodway.app.workers.seat import Seat
from floodway.app.workers.sockets import HeldSockets


def arrange_covers(seats: Sequence[Seat], sockets: HeldSockets) -> None:
    """Tell serving workers which seats to cover besides their own, and which no more. Says nothing twice."""
    serving = [seat.worker for seat in seats if seat.worker is not None and seat.is_serving]
    for seat in seats:
        if seat.cover is not None and seat.cover not in serving:
            seat.cover = None  # it is gone, or has closed what it covered
        if seat.is_serving and seat.cover is not None:
            seat.cover.channel.send("uncover", index=seat.index)
            seat.cover = None
    for seat in seats:
        if seat.is_serving or seat.cover is not None or not serving:
            continue
        own = [held.socket for held in sockets.of(seat.index) if not held.shared]
        if own:
            seat.cover = _least_burdened(serving, seats)
            seat.cover.channel.send("cover", own, index=seat.index)


def _least_burdened(serving: Sequence[WorkerProcess], seats: Sequence[Seat]) -> WorkerProcess:
    return min(serving, key=lambda worker: sum(seat.cover is worker for seat in seats))
