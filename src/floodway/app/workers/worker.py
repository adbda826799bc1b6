"""A worker process, from the fork to its end. It never returns into the supervisor's frames.

The main thread imports the application, so that modules may do there what only the main thread may; then it starts an
engine like any other program, and waits for its end.
"""

import atexit
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NoReturn

from floodway.app.application import failed
from floodway.app.signals import signals_to
from floodway.app.workers.channel import Channel
from floodway.app.workers.control import Control
from floodway.app.workers.hand_over import Channels
from floodway.app.workers.service import Service
from floodway.app.workers.sockets import Held
from floodway.conn.dispatcher import Seats
from floodway.conn.engine import Engine
from floodway.errors import ApplicationError, NotStopped

logger: Final = logging.getLogger(__name__)

NOT_STARTED: Final = 3
"""The exit code of a worker whose application could not be imported or started; the reason was told before."""


def run_worker(service: Service, held: Sequence[Held], channel: Channel, index: int, seats: Seats | None) -> NoReturn:
    """Serve until told to stop, and end the process. Called right after the fork, with signals reset."""
    _run(partial(_serve, service, held, channel, index, seats))


def run_entrance(service: Service, held: Sequence[Held], channel: Channel, channels: Channels) -> NoReturn:
    """Accept for the workers until told to stop, and end the process. As `run_worker`."""
    _run(partial(_accept, service, held, channel, channels))


def _run(work: Callable[[], int]) -> NoReturn:
    code = 1
    try:
        atexit._clear()  # noqa: SLF001 - as multiprocessing does: those are the supervisor's
        code = work()
        _flush()
        threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - as at the end of any program
        atexit._run_exitfuncs()  # noqa: SLF001 - the same
    except NotStopped:
        code = 0  # a callback never returns, so no thread can be joined: leave it behind
    except BaseException:
        logger.exception("the worker ends")
    finally:
        logging.shutdown()
        _flush()
        os._exit(code)


def _serve(service: Service, held: Sequence[Held], channel: Channel, index: int, seats: Seats | None) -> int:
    control = Control(channel)
    control.start()
    try:
        handler = service.load()
    except ApplicationError as error:
        control.tell("failed", reason=str(error), details=error.details)
        return NOT_STARTED
    engine, listeners = service.engine(handler, held, index, seats)
    control.attach(engine, [listener for listener, one in zip(listeners, held, strict=True) if not one.shared])
    return _work(service, engine, control)


def _accept(service: Service, held: Sequence[Held], channel: Channel, channels: Channels) -> int:
    control = Control(channel)
    engine, destinations = service.entrance(held, channels)
    control.attach(engine, (), destinations)
    control.start()  # now: a seat that was added since the fork must find its destinations
    return _work(service, engine, control)


def _work(service: Service, engine: Engine, control: Control) -> int:
    with signals_to(engine, [signal.SIGTERM]) as stop_if_told:
        try:
            engine.start()
        except ApplicationError as error:  # a lifespan's
            control.tell("failed", reason=str(error), details=error.details)
            return NOT_STARTED
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever on_start raises
            reason = failed(f"{service.name} could not be started", error)
            control.tell("failed", reason=str(reason), details=reason.details)
            return NOT_STARTED
        stop_if_told()
        control.serves(engine)
        engine._wait_requested()  # noqa: SLF001 - made for workers
        control.tell("leaving")
        engine._wait_closed()  # noqa: SLF001 - the same
        control.tell("closed")
        return _join(engine, control)


def _join(engine: Engine, control: Control) -> int:
    """Wait for the engine's end. Returns the exit code, which a callback may have chosen by raising SystemExit."""
    try:
        engine.join()
    except NotStopped as error:
        control.tell("stuck", reason=str(error))
        raise
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    return 0


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            pass  # closed, or there is none
