"""From `serve(workers=...)` to a running supervisor: sockets, the pid file, and the application imported beforehand."""

import importlib
import logging
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Final

from floodway.app import greeting
from floodway.app.pid_file import pid_file
from floodway.app.workers.reload import check_reload, reloading
from floodway.app.workers.service import Service
from floodway.app.workers.sharing import share_memory
from floodway.app.workers.sockets import HeldSockets
from floodway.app.workers.supervisor import Supervisor
from floodway.base import platform
from floodway.base.address import Address
from floodway.config import ServiceOptions

logger: Final = logging.getLogger(__name__)


def supervise(service: Service, addresses: Sequence[Address], options: ServiceOptions) -> None:
    """Serve in worker processes until a signal ends it.

    Raises ListenError, ApplicationError, and RuntimeError where this is not the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("serve(workers=...) installs signal handlers and forks; call it on the main thread")
    workers = platform.cores() if options.workers == "auto" else options.workers or 1
    folders = options.reload_dir or (str(Path.cwd()),)
    if options.reload:
        if not service.is_imported_by_workers:
            raise ValueError('reload needs the application by name, such as "mymodule:app": an object keeps its code')
        check_reload(folders)
    if options.preload:
        service = replace(service, application=service.load())
    if platform.thread_count() > 1:
        logger.warning("this process has %d threads, and workers are forked from it: %s", platform.thread_count(), _WHY)
    importlib.invalidate_caches()  # imports 2 MB of modules (CPython 3.12), which each worker would do for itself
    share_memory()
    balanced = service.balancer is not None
    sockets = HeldSockets(addresses, service.listener_options, service.limits.backlog, balanced=balanced)
    sockets.open(workers)
    try:
        with pid_file(options.pid_file), reloading(folders) if options.reload else nullcontext():
            if greeting.is_wanted():
                greeting.greet(sockets.addresses, f"{workers} worker {'process' if workers == 1 else 'processes'}")
            Supervisor(service, sockets, workers).run()
    finally:
        sockets.close()


_WHY: Final = "threads do not live on in a worker, and a lock that one holds stays locked there; start them in on_start"
