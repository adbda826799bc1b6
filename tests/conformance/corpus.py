"""Requests, whether a strict server accepts them, and why.

Each is one whole request, or what is refused before it is whole. The sections are those of RFC 9110 and RFC 9112.
"""

from typing import NamedTuple


class Case(NamedTuple):
    """A request, the verdict on it, and where it is founded."""

    name: str
    data: bytes
    accepted: bool
    why: str


HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
LENGTH = POST + b"Content-Length: "


def line(text: bytes) -> bytes:
    return text + b"\r\nHost: a\r\n\r\n"


def field(text: bytes) -> bytes:
    return HEAD + text + b"\r\n\r\n"


CASES = [
    # Request lines
    Case("plain", line(b"GET / HTTP/1.1"), True, "9112 3"),
    Case("query", line(b"GET /a?b=c&d=%20 HTTP/1.1"), True, "9112 3.2.1"),
    Case("absolute", line(b"GET http://a/b HTTP/1.1"), True, "9112 3.2.2"),
    Case("absolute-https", line(b"GET https://a:1/b HTTP/1.1"), True, "9112 3.2.2"),
    Case("absolute-no-path", line(b"GET http://a HTTP/1.1"), True, "9112 3.2.2"),
    Case("asterisk", line(b"OPTIONS * HTTP/1.1"), True, "9112 3.2.4"),
    Case("method-unknown", line(b"BREW / HTTP/1.1"), True, "9110 9.1"),
    Case("method-token", line(b"M-SEARCH / HTTP/1.1"), True, "9110 9.1"),
    Case(
        "method-lower", line(b"get / HTTP/1.1"), True, "9110 9.1: methods are case-sensitive, and this one is unknown"
    ),
    Case("empty-line-first", b"\r\n" + line(b"GET / HTTP/1.1"), True, "9112 2.2"),
    Case("version-1.0", b"GET / HTTP/1.0\r\n\r\n", True, "9112 2.3"),
    Case("version-1.0-host", line(b"GET / HTTP/1.0"), True, "9112 2.3"),
    Case("version-2.0", line(b"GET / HTTP/2.0"), False, "9110 15.6.6"),
    Case("version-1.2", line(b"GET / HTTP/1.2"), False, "9110 15.6.6"),
    Case("version-0.9", line(b"GET / HTTP/0.9"), False, "9110 15.6.6"),
    Case("version-lower", line(b"GET / http/1.1"), False, "9112 2.3"),
    Case("version-long", line(b"GET / HTTP/1.10"), False, "9112 2.3"),
    Case("version-none", line(b"GET /"), False, "9112 3"),
    Case("two-spaces", line(b"GET  / HTTP/1.1"), False, "9112 3: one space"),
    Case("two-spaces-later", line(b"GET /  HTTP/1.1"), False, "9112 3: one space"),
    Case("tab", line(b"GET\t/ HTTP/1.1"), False, "9112 3: one space"),
    Case("space-first", line(b" GET / HTTP/1.1"), False, "9112 3"),
    Case("space-last", line(b"GET / HTTP/1.1 "), False, "9112 3"),
    Case("space-in-target", line(b"GET /a b HTTP/1.1"), False, "9112 3.2"),
    Case("control-in-target", line(b"GET /a\x01b HTTP/1.1"), False, "9112 3.2"),
    Case("non-ascii-target", line(b"GET /\xc3\xa4 HTTP/1.1"), False, "9112 3.2"),
    Case("relative-target", line(b"GET a HTTP/1.1"), False, "9112 3.2"),
    Case("asterisk-get", line(b"GET * HTTP/1.1"), False, "9112 3.2.4: of OPTIONS alone"),
    Case("method-separator", line(b"G(T / HTTP/1.1"), False, "9110 9.1: a token"),
    Case("method-none", line(b"/ HTTP/1.1"), False, "9112 3"),
    Case("bare-lf", b"GET / HTTP/1.1\nHost: a\n\n", False, "9112 2.2: stricter than it has to be"),
    Case("bare-lf-one", b"GET / HTTP/1.1\r\nHost: a\n\r\n", False, "9112 2.2: stricter than it has to be"),
    Case("bare-cr", b"GET / HTTP/1.1\rHost: a\r\n\r\n", False, "9112 2.2"),
    Case("tls", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", False, "no HTTP"),
    # Hosts
    Case("host-none", b"GET / HTTP/1.1\r\n\r\n", False, "9112 3.2"),
    Case("host-twice", field(b"Host: a"), False, "9112 3.2"),
    Case("host-empty", b"GET / HTTP/1.1\r\nHost:\r\n\r\n", True, "9112 3.2: where there is no authority"),
    Case("host-port", b"GET / HTTP/1.1\r\nHost: a:80\r\n\r\n", True, "9110 7.2"),
    Case("host-ipv6", b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", True, "9110 7.2"),
    Case("host-space", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", False, "9112 3.2: an invalid value"),
    Case("host-path", b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", False, "9112 3.2: an invalid value"),
    Case("host-user", b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", False, "9112 3.2: an invalid value"),
    Case("host-list", b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", False, "9112 3.2: an invalid value"),
    # Fields
    Case("value-empty", field(b"A:"), True, "9110 5.5"),
    Case("value-spaces", field(b"A: \t b \t "), True, "9112 5.1"),
    Case("value-no-space", field(b"A:b"), True, "9112 5.1"),
    Case("value-latin-1", field(b"A: \xe4"), True, "9110 5.5: obs-text"),
    Case("value-tab", field(b"A: b\tc"), True, "9110 5.5"),
    Case("value-quoted", field(b'A: "b, c"'), True, "9110 5.6.4"),
    Case("name-token", field(b"!#$%&'*+-.^_`|~09Az: b"), True, "9110 5.1"),
    Case("name-repeated", field(b"A: b\r\nA: c"), True, "9110 5.3"),
    Case("value-nul", field(b"A: b\0c"), False, "9110 5.5"),
    Case("value-cr", field(b"A: b\rc"), False, "9110 5.5"),
    Case("value-control", field(b"A: b\x01c"), False, "9110 5.5"),
    Case("value-delete", field(b"A: b\x7fc"), False, "9110 5.5"),
    Case("fold", field(b"A: b\r\n c"), False, "9112 5.2"),
    Case("fold-tab", field(b"A: b\r\n\tc"), False, "9112 5.2"),
    Case("fold-first", b"GET / HTTP/1.1\r\n A: b\r\nHost: a\r\n\r\n", False, "9112 2.2"),
    Case("name-space", field(b"A : b"), False, "9112 5.1"),
    Case("name-tab", field(b"A\t: b"), False, "9112 5.1"),
    Case("name-inner-space", field(b"A B: c"), False, "9110 5.1"),
    Case("name-empty", field(b": b"), False, "9110 5.1"),
    Case("name-separator", field(b"A(B): c"), False, "9110 5.1"),
    Case("name-non-ascii", field(b"\xc3\x84: b"), False, "9110 5.1"),
    Case("name-nul", field(b"A\0B: c"), False, "9110 5.1"),
    Case("colon-none", field(b"A"), False, "9112 5"),
    # Lengths
    Case("length", LENGTH + b"3\r\n\r\nabc", True, "9112 6.2"),
    Case("length-0", LENGTH + b"0\r\n\r\n", True, "9112 6.2"),
    Case("length-zeros", LENGTH + b"0003\r\n\r\nabc", True, "9110 8.6: digits"),
    Case(
        "length-get", HEAD + b"Content-Length: 3\r\n\r\nabc", True, "9110 9.3.1: of no meaning, and framed all the same"
    ),
    Case("length-twice", LENGTH + b"3\r\nContent-Length: 3\r\n\r\nabc", False, "9112 6.3: stricter than it has to be"),
    Case("length-two", LENGTH + b"3\r\nContent-Length: 4\r\n\r\nabcd", False, "9112 6.3"),
    Case("length-list", LENGTH + b"3, 3\r\n\r\nabc", False, "9112 6.3: stricter than it has to be"),
    Case("length-list-two", LENGTH + b"3, 4\r\n\r\nabc", False, "9112 6.3"),
    Case("length-plus", LENGTH + b"+3\r\n\r\nabc", False, "9110 8.6"),
    Case("length-minus", LENGTH + b"-3\r\n\r\nabc", False, "9110 8.6"),
    Case("length-hexadecimal", LENGTH + b"0x3\r\n\r\nabc", False, "9110 8.6"),
    Case("length-underscore", LENGTH + b"1_0\r\n\r\nabcdefghij", False, "9110 8.6"),
    Case("length-inner-space", LENGTH + b"1 0\r\n\r\nabcdefghij", False, "9110 8.6"),
    Case("length-fraction", LENGTH + b"3.0\r\n\r\nabc", False, "9110 8.6"),
    Case("length-empty", LENGTH + b"\r\n\r\n", False, "9110 8.6"),
    Case("length-huge", LENGTH + b"99999999999999999999\r\n\r\n", False, "9110 8.6: beyond 64 bits"),
    Case("length-arabic", LENGTH + "٣".encode() + b"\r\n\r\nabc", False, "9110 8.6"),
    # Codings
    Case("chunked", CHUNKED + b"3\r\nabc\r\n0\r\n\r\n", True, "9112 7.1"),
    Case("chunked-two", CHUNKED + b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", True, "9112 7.1"),
    Case("chunked-none", CHUNKED + b"0\r\n\r\n", True, "9112 7.1"),
    Case("chunked-upper", CHUNKED + b"A\r\nabcdefghij\r\n0\r\n\r\n", True, "9112 7.1"),
    Case("chunked-zeros", CHUNKED + b"0003\r\nabc\r\n000\r\n\r\n", True, "9112 7.1"),
    Case("chunked-name", POST + b"Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", True, "9110 7: case-insensitive"),
    Case("chunk-extension", CHUNKED + b"3;a=b\r\nabc\r\n0\r\n\r\n", True, "9112 7.1.1"),
    Case("chunk-extension-quoted", CHUNKED + b'3;a="b c"\r\nabc\r\n0\r\n\r\n', True, "9112 7.1.1"),
    Case("trailer", CHUNKED + b"0\r\nA: b\r\n\r\n", True, "9112 7.1.2"),
    Case("chunk-lf", CHUNKED + b"3\nabc\n0\n\n", False, "9112 7.1"),
    Case("chunk-lf-after", CHUNKED + b"3\r\nabc\n0\r\n\r\n", False, "9112 7.1"),
    Case("chunk-cr", CHUNKED + b"3\rxabc\r\n0\r\n\r\n", False, "9112 7.1"),
    Case("chunk-empty", CHUNKED + b"\r\nabc\r\n0\r\n\r\n", False, "9112 7.1"),
    Case("chunk-minus", CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n", False, "9112 7.1"),
    Case("chunk-prefix", CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n", False, "9112 7.1"),
    Case("chunk-space-first", CHUNKED + b" 3\r\nabc\r\n0\r\n\r\n", False, "9112 7.1"),
    Case("chunk-space-last", CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n", False, "9112 7.1"),
    Case("chunk-short", CHUNKED + b"2\r\nabc\r\n0\r\n\r\n", False, "9112 7.1"),
    Case("chunk-huge", CHUNKED + b"11111111111111111\r\n", False, "9112 7.1: beyond 64 bits"),
    Case("chunk-letter", CHUNKED + b"g\r\nabc\r\n0\r\n\r\n", False, "9112 7.1"),
    Case("trailer-malformed", CHUNKED + b"0\r\nA b\r\n\r\n", False, "9112 7.1.2"),
    Case(
        "coding-and-length",
        POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        False,
        "9112 6.1",
    ),
    Case("coding-other", POST + b"Transfer-Encoding: gzip\r\n\r\n", False, "9112 6.1"),
    Case(
        "coding-two", POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", False, "9112 6.1: we know no other"
    ),
    Case("coding-not-last", POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n", False, "9112 6.3"),
    Case("coding-repeated", POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", False, "9112 6.1"),
    Case(
        "coding-twice",
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        False,
        "9112 6.1",
    ),
    Case("coding-quoted", POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n', False, "9112 6.1"),
    Case("coding-vertical-tab", POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", False, "9110 5.5"),
    Case(
        "coding-1.0",
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        False,
        "9112 6.1: faulty framing",
    ),
    # Connections
    Case("close", field(b"Connection: close"), True, "9112 9.6"),
    Case("keep-alive", field(b"Connection: Keep-Alive"), True, "9112 9.3"),
    Case("connection-list", field(b"Connection: TE, close"), True, "9110 7.6.1"),
    Case("continue", LENGTH + b"3\r\nExpect: 100-continue\r\n\r\nabc", True, "9110 10.1.1"),
    Case("upgrade-ignored", field(b"Upgrade: foo\r\nConnection: upgrade"), True, "9110 7.8: may be ignored"),
]

METHODS = "it knows a list of methods, in upper case"
VERSIONS = "it leaves the version to the server"
TARGETS = "it leaves the target to the server"
HOSTS = "it leaves the host to the server"
LENIENT = "it takes what a recipient may take"

DIFFERENT: dict[str, dict[str, str]] = {
    "h11": {
        "empty-line-first": "it has no time for clients of the nineties",
        "version-2.0": VERSIONS,
        "version-1.2": VERSIONS,
        "version-0.9": VERSIONS,
        "relative-target": TARGETS,
        "asterisk-get": TARGETS,
        "bare-lf": LENIENT,
        "bare-lf-one": LENIENT,
        "host-space": HOSTS,
        "host-path": HOSTS,
        "host-user": HOSTS,
        "host-list": HOSTS,
        "value-control": "it refuses only what ends a line",
        "value-delete": "it refuses only what ends a line",
        "fold": LENIENT,
        "fold-tab": LENIENT,
        "length-twice": LENIENT,
        "length-list": LENIENT,
        "chunk-space-last": "it strips it, as old servers sent it",
        "coding-and-length": "it lets the coding win, as a recipient may",
        "coding-1.0": "it reads it as HTTP/1.1",
    },
    "httptools": {
        "method-unknown": METHODS,
        "method-lower": METHODS,
        "version-2.0": VERSIONS,
        "version-0.9": VERSIONS,
        "version-none": "it takes HTTP/0.9",
        "two-spaces": LENIENT,
        "two-spaces-later": LENIENT,
        "asterisk-get": TARGETS,
        "host-none": HOSTS,
        "host-twice": HOSTS,
        "host-space": HOSTS,
        "host-path": HOSTS,
        "host-user": HOSTS,
        "host-list": HOSTS,
        "coding-two": "it leaves codings to the application",
        "coding-1.0": "it reads it as HTTP/1.1",
    },
}
"""Which parser judges which case differently, and why."""

OTHERWISE_READ: dict[str, dict[str, str]] = {
    "h11": {"chunked-name": "it gives the coding in lower case"},
    "httptools": {
        "value-spaces": "it leaves white space at the end",
        "trailer": "it gives trailers as headers",
    },
}
"""Which parser accepts which case, too, and reads something else in it."""
