"""From `serve(workers=...)` to a running supervisor: sockets, the pid file, and the application imported beforehand."""

import gc
import logging
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from floodway.app import greeting
from floodway.app.pid_file import pid_file
from floodway.app.workers.service import Service
from floodway.app.workers.sockets import HeldSockets
from floodway.app.workers.supervisor import Supervisor
from floodway.base import platform
from floodway.base.address import Address
from floodway.config import ServiceOptions
from floodway.conn.tls_endpoints import check_tls

logger: Final = logging.getLogger(__name__)


def supervise(service: Service, addresses: Sequence[Address], options: ServiceOptions) -> None:
    """Serve in worker processes until a signal ends it.

    Raises ListenError, ApplicationError, and RuntimeError where this is not the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("serve(workers=...) installs signal handlers and forks; call it on the main thread")
    workers = platform.cores() if options.workers == "auto" else options.workers or 1
    if options.preload:
        service = _preloaded(service)
    if platform.thread_count() > 1:
        logger.warning("this process has %d threads, and workers are forked from it: %s", platform.thread_count(), _WHY)
    check_tls(service.tls, addresses)
    balanced = service.balancer is not None
    sockets = HeldSockets(addresses, service.listener_options, service.limits.backlog, balanced=balanced)
    sockets.open(workers)
    try:
        with pid_file(options.pid_file):
            if greeting.is_wanted():
                greeting.greet(sockets.addresses, f"{workers} worker {'process' if workers == 1 else 'processes'}")
            Supervisor(service, sockets, workers).run()
    finally:
        sockets.close()


_WHY: Final = "threads do not live on in a worker, and a lock that one holds stays locked there; start them in on_start"


def _preloaded(service: Service) -> Service:
    """The service with its application imported.

    Everything there is now is kept out of the garbage collector's sight, which would write to pages that workers share.
    """
    loaded = replace(service, application=service.load())
    gc.collect()
    gc.freeze()
    return loaded
