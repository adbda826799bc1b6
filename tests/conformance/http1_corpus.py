"""What HTTP/1.1 peers send, rightly and wrongly, and how it is answered: data for tests.

Each case says what the answers are of a server whose application reads the body and answers 200 to everything, and
whether the connection is over then although the client keeps its side open. The limits are the defaults.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Case:
    """One conversation. The bytes are sent at once; any other way to send them has the same outcome."""

    name: str
    sent: bytes
    statuses: tuple[int, ...]
    """Of the answers, in order; empty if more has to come first."""
    closes: bool
    """Whether the server closes the connection after them."""
    why: str
    """The rule, and where it stands."""


HOST: Final = b"Host: a\r\n"
GET: Final = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"


def get(*lines: bytes) -> bytes:
    """A request with these header lines, which end themselves."""
    return b"GET / HTTP/1.1\r\n" + HOST + b"".join(lines) + b"\r\n"


def post(line: bytes, body: bytes) -> bytes:
    """A request with this header line and this body."""
    return b"POST / HTTP/1.1\r\n" + HOST + line + b"\r\n\r\n" + body


def chunked(body: bytes) -> bytes:
    """A request whose body is chunked, which `body` is already."""
    return post(b"Transfer-Encoding: chunked", body)


def line(text: bytes) -> bytes:
    """A request with this request line."""
    return text + b"\r\n" + HOST + b"\r\n"


def accepted(name: str, sent: bytes, why: str, *, requests: int = 1, closes: bool = False) -> Case:
    """A case in which every request is answered with 200."""
    return Case(name, sent, (200,) * requests, closes, why)


def refused(status: int, name: str, sent: bytes, why: str, *, requests: int = 0) -> Case:
    """A case that ends in a refusal, after so many requests that were answered."""
    return Case(name, sent, (200,) * requests + (status,), True, why)


def waits(name: str, sent: bytes, why: str) -> Case:
    """A case in which the server waits for more."""
    return Case(name, sent, (), False, why)


VALID: Final = [
    accepted("plain", GET, "RFC 9112 2.1"),
    accepted("pipelined", GET * 3, "RFC 9112 9.3.2: answers in order", requests=3),
    accepted("empty line before", b"\r\n" + GET, "RFC 9112 2.2: at least one is ignored"),
    accepted(
        "empty line between", GET + b"\r\n" + GET, "RFC 9112 2.2: what old clients send behind a body", requests=2
    ),
    accepted("names in any case", line(b"GET / HTTP/1.1").replace(b"Host", b"hOST"), "RFC 9110 5.1"),
    accepted("no space after the colon", get(b"X:y\r\n"), "RFC 9112 5"),
    accepted("white space around a value", get(b"X: \t y \t\r\n"), "RFC 9112 5"),
    accepted("empty value", get(b"X:\r\n"), "RFC 9110 5.5"),
    accepted("value beyond ASCII", get(b"X: \xe9\xff\r\n"), "RFC 9110 5.5: obs-text is opaque"),
    accepted("name of odd token bytes", get(b"!#$%&'*+-.^_`|~: y\r\n"), "RFC 9110 5.6.2"),
    accepted("repeated name", get(b"X: 1\r\n", b"X: 2\r\n"), "RFC 9110 5.3"),
    accepted("unknown method", line(b"BREW /pot HTTP/1.1"), "the application knows its methods"),
    accepted(
        "method in lower case",
        line(b"get / HTTP/1.1"),
        "RFC 9110 9.1: methods are case-sensitive, so it is another one",
    ),
    accepted("query", line(b"GET /a?b=c?d&%20 HTTP/1.1"), "RFC 3986 3.4"),
    accepted("quotes in a target", line(b'GET /"a"?{b}|c HTTP/1.1'), "not RFC 3986, but harmless and common"),
    accepted(
        "fragment in a target",
        line(b"GET /a#b HTTP/1.1"),
        "not RFC 9112 3.2, but some clients send theirs; it is dropped",
    ),
    accepted("absolute target", line(b"GET http://a/b HTTP/1.1"), "RFC 9112 3.2.2"),
    accepted("absolute target without path", line(b"GET http://a?b HTTP/1.1"), "RFC 9112 3.2.2"),
    accepted("asterisk", line(b"OPTIONS * HTTP/1.1"), "RFC 9112 3.2.4"),
    accepted("empty host", b"GET / HTTP/1.1\r\nHost:\r\n\r\n", "RFC 9112 3.2: sent by who knows no name"),
    accepted("host with port", b"GET / HTTP/1.1\r\nHost: [::1]:8000\r\n\r\n", "RFC 9110 7.2"),
    accepted("close", get(b"Connection: close\r\n") + GET, "RFC 9112 9.6: what follows is ignored", closes=True),
    accepted("close among others", get(b"Connection: x, Close\r\n"), "RFC 9110 7.6.1", closes=True),
    accepted("HTTP/1.0", b"GET / HTTP/1.0\r\n\r\n", "RFC 9112 9.3", closes=True),
    accepted(
        "HTTP/1.0 that stays", b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" * 2, "RFC 9112 9.3", requests=2
    ),
    accepted("HTTP/1.0 with a body", b"POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\nx", "RFC 9112 6.3", closes=True),
    accepted("body", post(b"Content-Length: 5", b"hello") * 2, "RFC 9112 6.2", requests=2),
    accepted(
        "body of a GET", get(b"Content-Length: 1\r\n") + b"x" + GET, "RFC 9110 9.3.1: allowed, if senseless", requests=2
    ),
    accepted("body of no bytes", post(b"Content-Length: 0", b"") + GET, "RFC 9112 6.2", requests=2),
    accepted(
        "length with leading zeros", post(b"Content-Length: 0001", b"x") + GET, "RFC 9110 8.6: 1*DIGIT", requests=2
    ),
    accepted("chunks", chunked(b"5\r\nhello\r\n0\r\n\r\n") + GET, "RFC 9112 7.1", requests=2),
    accepted(
        "chunks, size in both cases", chunked(b"a\r\n0123456789\r\nA\r\n0123456789\r\n000\r\n\r\n"), "RFC 9112 7.1"
    ),
    accepted(
        "chunks with extensions",
        chunked(b'1;a=b;c="d e"\r\nx\r\n0;z\r\n\r\n'),
        "RFC 9112 7.1.1: unknown ones are ignored",
    ),
    accepted(
        "chunks with trailers", chunked(b"0\r\nA: b\r\nC:\r\n\r\n") + GET, "RFC 9112 7.1.2: may be ignored", requests=2
    ),
    accepted(
        "chunked in capitals",
        post(b"transfer-encoding: CHUNKED", b"0\r\n\r\n"),
        "RFC 9112 7: names are case-insensitive",
    ),
    accepted(
        "expectation of HTTP/1.0",
        b"GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n",
        "RFC 9110 10.1.1: ignored",
        closes=True,
    ),
    accepted("target of 8 KiB", line(b"GET /" + b"x" * 8191 + b" HTTP/1.1"), "within the limit"),
    accepted("100 headers", get(*[b"X: y\r\n"] * 99), "within the limit"),
    waits("half a line", b"GET / HTTP/1.1", "the head may still come"),
    waits("half a head", b"GET / HTTP/1.1\r\nHost: a\r\n", "the head may still come"),
    waits("only CR", b"\r", "LF may follow"),
    waits("half a body", post(b"Content-Length: 5", b"hel"), "the body may still come"),
    waits("half a chunk", chunked(b"5\r\nhel"), "the body may still come"),
    waits("no last chunk", chunked(b"5\r\nhello\r\n"), "the body may still come"),
]

HEADS: Final = [
    refused(
        400, "LF alone", GET.replace(b"\r\n", b"\n"), "RFC 9112 2.2 allows it; two readers may see different lines"
    ),
    refused(400, "LF alone behind a header", b"GET / HTTP/1.1\r\nHost: a\n\r\n", "the same"),
    refused(400, "LF alone at the end", b"GET / HTTP/1.1\r\nHost: a\r\n\n", "the same"),
    refused(400, "CR alone in a value", get(b"X: a\rb\r\n"), "RFC 9112 2.2"),
    refused(400, "CR alone before CRLF", get(b"X: a\r\r\n"), "RFC 9112 2.2"),
    refused(400, "two empty lines before", b"\r\n\r\n" + GET, "one is enough for old clients"),
    refused(400, "folded header", get(b"X: a\r\n", b" b\r\n"), "RFC 9112 5.2"),
    refused(400, "folded by tab", get(b"X: a\r\n", b"\tb\r\n"), "RFC 9112 5.2"),
    refused(400, "space before the first header", b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", "RFC 9112 2.2"),
    refused(400, "space before the colon", get(b"X : a\r\n"), "RFC 9112 5.1: it has been used to smuggle"),
    refused(400, "tab before the colon", get(b"X\t: a\r\n"), "RFC 9112 5.1"),
    refused(400, "no name", get(b": a\r\n"), "RFC 9110 5.1"),
    refused(400, "no colon", get(b"X\r\n"), "RFC 9112 5"),
    refused(400, "NUL in a name", get(b"X\0: a\r\n"), "RFC 9110 5.1"),
    refused(400, "name beyond ASCII", get(b"X\xe9: a\r\n"), "RFC 9110 5.1"),
    refused(400, "parenthesis in a name", get(b"X(: a\r\n"), "RFC 9110 5.1"),
    refused(400, "NUL in a value", get(b"X: a\0b\r\n"), "RFC 9110 5.5"),
    refused(400, "control in a value", get(b"X: a\x01b\r\n"), "RFC 9110 5.5"),
    refused(400, "DEL in a value", get(b"X: a\x7fb\r\n"), "RFC 9110 5.5"),
    refused(400, "no host", b"GET / HTTP/1.1\r\n\r\n", "RFC 9112 3.2"),
    refused(400, "two hosts", get(HOST), "RFC 9112 3.2"),
    refused(400, "malformed host", b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "RFC 9112 3.2"),
    refused(400, "host with user", b"GET / HTTP/1.1\r\nHost: b@a\r\n\r\n", "RFC 9110 4.2.4"),
    refused(400, "two types", get(b"Content-Type: a/b\r\n", b"Content-Type: c/d\r\n"), "RFC 9110 8.3: which is it?"),
    refused(400, "HTTP/0.9", b"GET /\r\n", "RFC 9112 2.1: no version"),
    refused(400, "two spaces", line(b"GET  / HTTP/1.1"), "RFC 9112 3: one space"),
    refused(400, "tab for a space", line(b"GET\t/ HTTP/1.1"), "RFC 9112 3: one space"),
    refused(400, "space at the end of the line", line(b"GET / HTTP/1.1 "), "RFC 9112 3"),
    refused(400, "space in the target", line(b"GET /a b HTTP/1.1"), "RFC 9112 3.2"),
    refused(400, "malformed method", line(b"G(T / HTTP/1.1"), "RFC 9110 9.1"),
    refused(400, "target beyond ASCII", line(b"GET /\xc3\xa9 HTTP/1.1"), "RFC 3986 2: percent-encoded"),
    refused(400, "control in the target", line(b"GET /\x7f HTTP/1.1"), "RFC 3986 2"),
    refused(400, "relative target", line(b"GET a HTTP/1.1"), "RFC 9112 3.2"),
    refused(400, "asterisk of GET", line(b"GET * HTTP/1.1"), "RFC 9112 3.2.4: only OPTIONS"),
    refused(
        400,
        "absolute target of another scheme",
        line(b"GET ftp://a/ HTTP/1.1"),
        "RFC 9110 7.4: no such resource is ours",
    ),
    refused(400, "absolute target without host", line(b"GET http:///b HTTP/1.1"), "RFC 9110 4.2.1"),
    refused(400, "absolute target with user", line(b"GET http://b@a/ HTTP/1.1"), "RFC 9110 4.2.4"),
    refused(400, "other protocol", line(b"GET / ICY/1.0"), "RFC 9112 2.3"),
    refused(400, "version in lower case", line(b"GET / http/1.1"), "RFC 9112 2.3"),
    refused(400, "version of two digits", line(b"GET / HTTP/1.10"), "RFC 9112 2.3"),
    refused(400, "TLS", b"\x16\x03\x01\x02\x00\x01\x00", "a ClientHello on a plain port"),
    refused(501, "CONNECT", line(b"CONNECT a:443 HTTP/1.1"), "RFC 9110 9.3.6: this is no proxy"),
    refused(505, "HTTP/1.2", line(b"GET / HTTP/1.2"), "RFC 9110 15.6.6"),
    refused(505, "HTTP/2.0", line(b"GET / HTTP/2.0"), "RFC 9110 15.6.6"),
    refused(505, "HTTP/2 with prior knowledge", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "RFC 9113 3.4"),
    refused(417, "other expectation", get(b"Expect: 200-ok\r\n"), "RFC 9110 10.1.1"),
    refused(414, "target above 8 KiB", line(b"GET /" + b"x" * 8192 + b" HTTP/1.1"), "a limit"),
    refused(414, "target without end", b"GET /" + b"x" * 9000, "a limit"),
    refused(431, "head above 16 KiB", get(b"X: " + b"y" * 17_000 + b"\r\n"), "a limit"),
    refused(431, "head without end", GET[:-2] + b"X: " + b"y" * 17_000, "a limit"),
    refused(431, "101 headers", get(*[b"X: y\r\n"] * 100), "a limit"),
    refused(400, "malformed behind a good one", GET + b"GET / HTTP/1.1\r\n\r\n", "the first is answered", requests=1),
]

BODIES: Final = [
    refused(
        400,
        "length and chunked",
        get(b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"),
        "RFC 9112 6.1: smuggling",
    ),
    refused(
        400,
        "chunked and length",
        get(b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n"),
        "RFC 9112 6.1: smuggling",
    ),
    refused(400, "two lengths", get(b"Content-Length: 5\r\n", b"Content-Length: 6\r\n"), "RFC 9112 6.3"),
    refused(400, "the same length twice", get(b"Content-Length: 5\r\n" * 2), "RFC 9112 6.3 allows it; nobody needs it"),
    refused(400, "list of lengths", post(b"Content-Length: 5, 5", b"hello"), "the same"),
    refused(400, "length with plus", post(b"Content-Length: +5", b"hello"), "RFC 9110 8.6: digits"),
    refused(400, "length with minus", post(b"Content-Length: -5", b"hello"), "RFC 9110 8.6: digits"),
    refused(400, "length with underscore", post(b"Content-Length: 1_0", b"0123456789"), "RFC 9110 8.6: digits"),
    refused(400, "length in hexadecimal", post(b"Content-Length: 0x5", b"hello"), "RFC 9110 8.6: digits"),
    refused(400, "empty length", post(b"Content-Length:", b""), "RFC 9110 8.6: digits"),
    refused(400, "length of 65 bits", post(b"Content-Length: 18446744073709551616", b""), "RFC 9110 8.6: overflow"),
    refused(501, "other encoding", post(b"Transfer-Encoding: gzip", b""), "RFC 9112 6.1"),
    refused(501, "encoding before chunked", post(b"Transfer-Encoding: gzip, chunked", b""), "RFC 9112 6.1"),
    refused(501, "chunked twice", post(b"Transfer-Encoding: chunked, chunked", b""), "RFC 9112 7: at most once"),
    refused(501, "chunked on two lines", get(b"Transfer-Encoding: chunked\r\n" * 2), "RFC 9112 7: at most once"),
    refused(501, "identity", post(b"Transfer-Encoding: identity", b""), "RFC 9112 7: no longer one"),
    refused(501, "quoted", post(b'Transfer-Encoding: "chunked"', b""), "RFC 9112 7"),
    refused(
        400, "HTTP/1.0 in chunks", b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "RFC 9112 6.1"
    ),
    refused(400, "size is no number", chunked(b"x\r\n"), "RFC 9112 7.1"),
    refused(400, "no size", chunked(b"\r\n"), "RFC 9112 7.1"),
    refused(400, "size with sign", chunked(b"+1\r\nx\r\n"), "RFC 9112 7.1"),
    refused(400, "size with prefix", chunked(b"0x1\r\nx\r\n"), "RFC 9112 7.1"),
    refused(400, "size of 17 digits", chunked(b"00000000000000001\r\n"), "no client needs them"),
    refused(400, "space before a size", chunked(b" 1\r\nx\r\n"), "RFC 9112 7.1"),
    refused(400, "space behind a size", chunked(b"1 \r\nx\r\n"), "RFC 9112 7.1.1: only before an extension"),
    refused(400, "LF behind a size", chunked(b"1\nx\r\n"), "RFC 9112 7.1: CRLF"),
    refused(400, "LF within an extension", chunked(b"1;a\nb\r\nx\r\n"), "RFC 9112 7.1: it has been used to smuggle"),
    refused(400, "CR within an extension", chunked(b"1;a\rb\r\nx\r\n"), "RFC 9112 7.1"),
    refused(400, "chunk longer than its size", chunked(b"1\r\nxy\r\n"), "RFC 9112 7.1"),
    refused(400, "chunk without CRLF", chunked(b"1\r\nx0\r\n\r\n"), "RFC 9112 7.1"),
    refused(400, "chunk with LF", chunked(b"1\r\nx\n"), "RFC 9112 7.1"),
    refused(400, "LF at the end", chunked(b"0\r\n\n"), "RFC 9112 7.1"),
    refused(400, "malformed trailer", chunked(b"0\r\nx\r\n\r\n"), "RFC 9112 7.1.2"),
    refused(400, "folded trailer", chunked(b"0\r\nX: a\r\n b\r\n\r\n"), "RFC 9112 5.2"),
    refused(
        400, "trailer that frames", chunked(b"0\r\nContent-Length: 5\r\n\r\n"), "RFC 9110 6.5.1: others may believe it"
    ),
    refused(400, "trailer that routes", chunked(b"0\r\nHost: b\r\n\r\n"), "RFC 9110 6.5.1: others may believe it"),
    refused(400, "long extension", chunked(b"1;" + b"x" * 5000), "a limit"),
    refused(
        400, "many extensions", chunked(b"1;xxxxxxxxx\r\ny\r\n" * 600), "a limit: they may not outweigh the payload"
    ),
    refused(431, "long trailers", chunked(b"0\r\nX: " + b"y" * 5000), "a limit"),
]

CASES: Final = [*VALID, *HEADS, *BODIES]
