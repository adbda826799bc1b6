"""The greeting of `hello.py` on socketify's own interface: `hello_socketify.py PORT`."""

import sys
from typing import Any

from hello import TEXT
from socketify import App


def greet(response: Any, _request: Any) -> None:  # Any: socketify tells no types
    response.write_header("Content-Type", "text/plain; charset=utf-8").end(TEXT)


if __name__ == "__main__":
    app = App()
    app.get("/", greet)
    app.listen({"port": int(sys.argv[1]), "host": "127.0.0.1"}, lambda _: None)
    app.run()
