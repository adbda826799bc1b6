"""HTTP as ASGI has it: home of the native exchange, and what the scopes of all requests have in common.

What `receive` and `send` do is native (`asgi.rs`), since it runs for every request.
"""

import asyncio
from typing import Any

from floodway._core import AsgiContext, AsgiExchange

__all__ = ["AsgiContext", "AsgiExchange", "new_context"]


def new_context(
    loop: asyncio.AbstractEventLoop,
    state: dict[str, Any],  # Any: the application's own
    server: tuple[str, int | None] | None,
    root_path: str,
) -> AsgiContext:
    """For the requests of one event loop. `server`: where all of them come in; None: to be asked of each connection.

    See ASGI, HTTP, "HTTP Connection Scope".
    """
    template: dict[str, Any] = {  # Any: what each key has
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
    return AsgiContext(template, state, loop.create_future)
