"""A Redis of PING, ECHO, GET, SET and DEL: enough for redis-cli and redis-benchmark, pipelining included.

Requests are arrays of bulk strings (https://redis.io/docs/latest/develop/reference/protocol-spec/). `Buffered` hands
over everything that has come; what is no whole request yet stays in the buffer and is offered again when more has come.
"""

import sys
from typing import ClassVar

import floodway


class Redis(floodway.Handler[floodway.LinkBuffer]):
    """One key space for all connections. One reactor: with several it would need a lock."""

    framing: ClassVar[floodway.Buffered] = floodway.Buffered()

    def __init__(self) -> None:
        self._store: dict[bytes, bytes] = {}

    def on_data(self, conn: floodway.Connection, data: floodway.LinkBuffer) -> None:
        answers = []
        while (request := take_request(data)) is not None:
            answers.append(self._answer(request))
        conn.writelines(answers)

    def _answer(self, request: list[bytes]) -> bytes:
        name, *arguments = request or [b""]
        match name.upper(), arguments:
            case b"PING", []:
                return b"+PONG\r\n"
            case (b"PING", [text]) | (b"ECHO", [text]):
                return bulk(text)
            case b"GET", [key]:
                return bulk(self._store.get(key))
            case b"SET", [key, value]:
                self._store[key] = value
                return b"+OK\r\n"
            case b"DEL", keys:
                return b":%d\r\n" % sum(self._store.pop(key, None) is not None for key in keys)
            case b"CONFIG", [_, parameter]:  # redis-benchmark asks for two of them
                return b"*2\r\n" + bulk(parameter) + bulk(b"")
        return b"-ERR unknown command '%s' with %d arguments\r\n" % (name, len(arguments))


def bulk(text: bytes | None) -> bytes:
    """A bulk string, or the null one."""
    return b"$-1\r\n" if text is None else b"$%d\r\n%s\r\n" % (len(text), text)


def take_request(data: floodway.LinkBuffer) -> list[bytes] | None:
    """The next whole request, taken out of the buffer; None, and nothing taken, when it is not all there."""
    text = data.peek(len(data))
    end = text.find(b"\r\n")
    if end < 0:
        return None
    if not text.startswith(b"*"):  # an inline command, as typed into telnet
        data.skip(end + 2)
        return text[:end].split()
    parts, at = [], end + 2
    for _ in range(int(text[1:end])):
        end = text.find(b"\r\n", at)
        if end < 0:
            return None
        start, size = end + 2, int(text[at + 1 : end])
        if len(text) < start + size + 2:
            return None
        parts.append(text[start : start + size])
        at = start + size + 2
    data.skip(at)
    return parts


if __name__ == "__main__":
    # One reactor on every build: commands on one store take effect one after the other, as in Redis.
    floodway.serve(Redis(), *(sys.argv[1:] or ["tcp://127.0.0.1:6379"]), main_reactors=1, sub_reactors=0)
