"""`wsgi.input` of a request whose body streams."""

from io import BufferedReader, BytesIO, RawIOBase
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from floodway.app.message import Request

if TYPE_CHECKING:
    from typing_extensions import Buffer

BUFFER_BYTES: Final = 64 * 1024


def body_of(request: Request) -> BinaryIO:
    """The body as a file: what came with the request, or what comes when it is read. For a thread that may wait."""
    if request._more:  # noqa: SLF001 - made for applications' handlers
        return cast("BinaryIO", BufferedReader(_Body(request), BUFFER_BYTES))
    return BytesIO(request.body)


class _Body(RawIOBase):
    """Reads a body piece by piece, and asks the client for no more than is read."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._piece = memoryview(b"")
        self._more = True

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: "Buffer", /) -> int:
        """Wait for bytes, and return how many there were; 0: the end. ConnectionClosed if the client leaves before."""
        if not self._piece and self._more:
            piece, self._more = self._request._receive()  # noqa: SLF001 - made for this module
            self._piece = memoryview(piece)
        room = memoryview(buffer).cast("B")
        count = min(len(room), len(self._piece))
        room[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count
