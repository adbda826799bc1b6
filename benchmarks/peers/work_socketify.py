"""The work of `work.py` on socketify's own interface: `work_socketify.py PORT`."""

import sys
from typing import Any

from socketify import App
from work import TYPE, answer


def work(response: Any, _request: Any) -> None:  # Any: socketify tells no types
    pieces: list[bytes] = []

    def take(response: Any, piece: bytes | None, is_last: bool) -> None:
        if piece:
            pieces.append(piece)
        if is_last:
            response.write_header("Content-Type", TYPE).end(answer(b"".join(pieces)))

    response.on_data(take)


if __name__ == "__main__":
    app = App()
    app.any("/", work)
    app.listen({"port": int(sys.argv[1]), "host": "127.0.0.1"}, lambda _: None)
    app.run()
