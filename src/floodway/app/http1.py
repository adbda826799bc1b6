"""HTTP/1.1 as a framing: what a listener's `on_data` gets is requests. The engine is native, and strict."""

from dataclasses import dataclass

from floodway._core import RequestQueue
from floodway.app.framing import Framing
from floodway.app.intake import Intake

__all__ = ["Http1", "RequestQueue"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Http1:
    """Requests of HTTP/1.1 and 1.0 (RFC 9112), one at a time for each connection, in order.

    `whole_bodies`: a request comes when its body is complete; else with its head, and the body on demand. `server`: the
    value of the Server header; None for none. `queue`: who gets the requests instead of the handler. `intake`: what
    happens to them around the application.
    """

    whole_bodies: bool
    server: str | None = "floodway"
    queue: RequestQueue | None = None
    intake: Intake | None = None

    @property
    def largest_frame(self) -> None:
        """None: limits of their own bound what a request may have."""
        return None

    def native(self) -> Framing:
        """The framing as the native core takes it."""
        server = None if self.server is None else self.server.encode("latin-1")
        return Framing.http1(whole_bodies=self.whole_bodies, server=server, queue=self.queue, intake=self.intake)
