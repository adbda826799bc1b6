"""Remote procedure calls: JSON behind a four-byte length.

`rpc.py [ADDRESS]` serves, `rpc.py call ADDRESS METHOD ARGUMENT…` calls.
"""

import json
import sys
import threading
from collections.abc import Callable
from typing import Any

import floodway

METHODS: dict[str, Callable[..., Any]] = {
    "add": lambda *numbers: sum(numbers),
    "upper": str.upper,
    "fail": lambda: 1 // 0,
}


class Server(floodway.Handler):
    """Answers each request with its id and a result or an error. Requests may be pipelined."""

    framing = floodway.LengthPrefixed(size=4, max_bytes=256 * 1024)

    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        request = json.loads(data)
        try:
            answer = {"id": request["id"], "result": METHODS[request["method"]](*request["arguments"])}
        except Exception as error:  # noqa: BLE001 - the caller's problem, and told to the caller
            answer = {"id": request["id"], "error": f"{type(error).__name__}: {error}"}
        conn.write_frame(json.dumps(answer).encode())


class Client(floodway.Handler):
    """Sends one request and keeps the answer."""

    framing = Server.framing

    def __init__(self, method: str, arguments: list[Any]) -> None:
        self._request = {"id": 1, "method": method, "arguments": arguments}
        self.answer: dict[str, Any] = {}
        self.finished = threading.Event()

    def on_open(self, conn: floodway.Connection) -> None:
        conn.write_frame(json.dumps(self._request).encode())

    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        self.answer = json.loads(data)
        conn.close()

    def on_close(self, conn: floodway.Connection, error: BaseException | None) -> None:
        if not self.answer:
            self.answer = {"error": f"no answer: {error}"}
        self.finished.set()


def call(address: str, method: str, *arguments: Any) -> dict[str, Any]:
    """Call a method of the server at `address` and wait for the answer."""
    client = Client(method, list(arguments))
    with floodway.Engine() as engine:
        engine.connect(address, client)
        client.finished.wait()
    return client.answer


if __name__ == "__main__":
    if sys.argv[1:2] == ["call"]:
        print(json.dumps(call(sys.argv[2], sys.argv[3], *map(json.loads, sys.argv[4:]))))
    else:
        floodway.serve(Server(), *(sys.argv[1:] or ["tcp://127.0.0.1:9000"]))
