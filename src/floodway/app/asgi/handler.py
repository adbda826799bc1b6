"""Serves an ASGI application: every request becomes a task on the event loop of the reactor that has it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from floodway.app.asgi.http import new_context, scope_template
from floodway.app.asgi.lifespan import Application, Lifespan
from floodway.app.task_handler import TaskHandler
from floodway.base.address import TcpAddress
from floodway.config import ApplicationOptions
from floodway.conn.engine import Engine


class ASGIHandler(TaskHandler):
    """Calls an ASGI 3 application. One that raises costs its client a 500, and nobody else anything."""

    def __init__(self, application: Application, options: ApplicationOptions) -> None:
        super().__init__(options, whole_bodies=False)
        self._root_path = options.root_path
        self._application = application
        self._server: tuple[str, int | None] | None = None

    def on_start(self, engine: Engine) -> None:
        """Remember where all requests will come in, if there is one such place."""
        super().on_start(engine)
        first, *others = engine.addresses
        if isinstance(first, TcpAddress) and first.host not in ("0.0.0.0", "::") and not others:
            self._server = first.host, first.port

    @asynccontextmanager
    async def lifespan(self) -> AsyncGenerator[None]:
        """One run of the application, on the running loop. It ends when its requests have, or their time is over."""
        loop = asyncio.get_running_loop()
        template = scope_template(self._server, self._root_path)
        async with (
            Lifespan(self._application) as lifespan,
            self.running(new_context(loop, self._application, template, lifespan.state)),
        ):
            yield
