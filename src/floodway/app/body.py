"""`request.stream()`: the body of a request, as it comes."""

from collections.abc import AsyncGenerator

from floodway.app.asgi.http import AsgiExchange
from floodway.app.message import Request
from floodway.errors import ConnectionClosed


async def pieces_of(request: Request) -> AsyncGenerator[bytes]:
    """The body piece by piece; see `Request.stream`. Raises RuntimeError where there is no more to be had."""
    if not request._more:  # noqa: SLF001 - made for this module
        if request.body:
            yield request.body
        return
    exchange = request.connection.user_data
    if not isinstance(exchange, AsgiExchange) or exchange.request is not request:
        raise RuntimeError(
            "the body of a request can be streamed by the function that is called for it, until it returns"
        )
    if exchange.has_read:
        raise RuntimeError("the body of this request was streamed already; keep what it had")
    more = True
    while more:
        message = await exchange.receive()
        if message["type"] != "http.request":
            raise ConnectionClosed("the client has left before the end of its request's body")
        more = message["more_body"]
        if piece := message["body"]:
            yield piece
