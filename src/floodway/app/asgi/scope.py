"""The scope of a request: what an ASGI application is told about it (ASGI, HTTP, "HTTP Connection Scope")."""

from typing import Any

from floodway.app.asgi.lifespan import Message
from floodway.app.message import Request


class Scopes:
    """Makes scopes for the requests of one event loop."""

    def __init__(self, state: dict[str, Any]) -> None:  # Any: the application's
        self._state = state
        self._template: Message = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/",
            "raw_path": b"/",
            "query_string": b"",
            "root_path": "",
            "headers": [],
            "client": None,
            "server": None,
            "extensions": {},
            "state": {},
        }

    def http(self, request: Request) -> Message:
        """The scope of a request."""
        scope = self._template.copy()
        scope["method"] = request.method
        scope["path"] = request.path
        scope["raw_path"] = request.raw_path
        scope["query_string"] = request.raw_query
        scope["headers"] = request.raw_headers
        scope["client"] = request.peer
        scope["state"] = self._state.copy()
        return scope
