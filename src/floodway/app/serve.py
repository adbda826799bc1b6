"""`serve`: an engine plus signals, for a program that does nothing else. Uses only the engine's public methods.

The reactors run on threads of their own, also in the single reactor model, and the main thread waits: so a signal is
acted upon even while a callback never returns. With `workers=` there is an engine in each of several processes, and
this one supervises them: read `workers/supervisor.py`.
"""

from typing import Unpack

from floodway.app import greeting
from floodway.app.addresses import addresses_of
from floodway.app.interface import load_application
from floodway.app.pid_file import pid_file
from floodway.app.signals import signals_to
from floodway.app.workers.service import make_service
from floodway.app.workers.supervise import supervise
from floodway.base.address import Address
from floodway.base.tls import TLSConfig
from floodway.config import ServeOptions, split_service_options
from floodway.conn.balancing import Balancer
from floodway.conn.engine import Engine
from floodway.conn.route import FramingLike
from floodway.limits import Limits


def serve(
    application: object,
    *addresses: str | Address,
    balancer: Balancer | None = None,
    framing: FramingLike | None = None,
    limits: Limits | None = None,
    tls: TLSConfig | None = None,
    **options: Unpack[ServeOptions],
) -> None:
    """Serve until SIGINT or SIGTERM, and return when everything is closed. Blocks; takes what `Engine` takes.

    The application is a handler, a plain function that answers HTTP requests, an ASGI or a WSGI application, or the
    "module:attribute" of one, which is imported; `interface` says which where that cannot be told. Without addresses,
    which may also be said as `host`, `port`, `uds` and `fd`, it takes the sockets that systemd passed (LISTEN_FDS),
    else 127.0.0.1:8000; with `tls`, those that name no scheme are encrypted. The first signal lets busy connections
    finish for `Limits.grace` seconds, a second aborts them, a third is the process's own again. SIGUSR1 writes
    statistics and every reactor's Python stack to the log, SIGHUP reads the certificates of `tls` again. On another
    thread than the main one it installs no signals.

    With `workers=` it forks that many processes, each with an engine of its own, to which every option and limit
    applies (`max_connections` too is per process), and replaces those that die. Each imports "module:attribute" itself,
    so SIGHUP, which replaces all of them one after the other, brings new code; a handler object is inherited, and so
    keeps the old. SIGTTIN and SIGTTOU add and remove a worker. Main thread only.

    Raises ListenError for an address that cannot be had, ApplicationError if the application cannot be imported (or,
    with workers, started), whatever `on_start` raises, SystemExit if a callback raised it, and NotStopped when a
    callback never returns although the time to stop is over.
    """
    service_options, application_options, engine_options = split_service_options(options)
    chosen = addresses_of(addresses, service_options, secure=tls is not None)
    if service_options.workers is not None or service_options.reload:
        service = make_service(application, application_options, balancer, framing, limits, tls, engine_options)
        supervise(service, chosen, service_options)
        return
    handler = load_application(application, application_options, engine_options.get("threads"))
    engine = Engine(handler, *chosen, balancer=balancer, framing=framing, limits=limits, tls=tls, **engine_options)
    with signals_to(engine) as stop_if_told, engine, pid_file(service_options.pid_file):
        stop_if_told()
        _announce(engine)
        engine.join()


def _announce(engine: Engine) -> None:
    if not greeting.is_wanted():
        return
    stats = engine.stats()
    limit = "any number of" if stats.max_connections is None else f"up to {stats.max_connections:,}"
    greeting.greet(engine.addresses, f"{engine.model}, {stats.total.driver}, {limit} connections")
