"""HTTP as ASGI has it: home of the native exchange, and what the scopes of all requests have in common.

Scopes (`scope.rs`), and what `receive` and `send` do (`asgi.rs`), are native, since they are made for every request.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

from floodway._core import AsgiContext, AsgiExchange

__all__ = ["AsgiContext", "AsgiExchange", "new_context", "scope_template"]

_EAGER: Final[dict[str, Any]] = {"eager_start": True} if sys.version_info >= (3, 12) else {}  # Any: Task's arguments


def new_context(
    loop: asyncio.AbstractEventLoop,
    application: Callable[..., Awaitable[None]],
    template: dict[str, Any] | None = None,  # Any: what each key of a scope has
    state: dict[str, Any] | None = None,  # Any: the application's own
) -> AsgiContext:
    """For the requests of one event loop, each of which becomes a task.

    `template`: what `scope_template` returns, for an ASGI application; None: it is called with the exchange. `state`:
    what its lifespan has put there.
    """
    return AsgiContext(
        application,
        template=template,
        state={} if state is None else state,
        create_future=loop.create_future,
        task=asyncio.Task,
        task_options={"loop": loop, **_EAGER},
    )


def scope_template(server: tuple[str, int | None] | None, root_path: str) -> dict[str, Any]:  # Any: as above
    """A scope with every key. `server`: where all requests come in; None: to be asked of each connection.

    See ASGI, HTTP, "HTTP Connection Scope".
    """
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "",
        "raw_path": b"",
        "query_string": b"",
        "root_path": root_path,
        "headers": [],
        "client": None,
        "server": server,
        "state": {},
        "extensions": {"http.response.pathsend": {}},
    }
