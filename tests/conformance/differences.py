"""Where other parsers judge the corpus differently than our server does, and why.

We accept what h11 or httptools refuse in three cases; everything else is stricter here, or judged by their callers.
"""

from typing import Final

FOR_CALLERS: Final = "it leaves this to the server around it"
LENIENT: Final = "it takes what a recipient may take"
LIMIT: Final = "a limit of ours; it has others"
NO_COPY: Final = "it keeps only what would end a line out of values"
METHODS: Final = "it knows a list of methods"
TRAILERS: Final = "it gives trailers to the server around it, which has to know which are safe"

DIFFERENT: Final[dict[str, dict[str, str]]] = {
    "h11": {
        "empty line before": "it makes no exception for old clients",
        "LF alone": LENIENT,
        "LF alone behind a header": LENIENT,
        "LF alone at the end": LENIENT,
        "folded header": LENIENT,
        "folded by tab": LENIENT,
        "control in a value": NO_COPY,
        "DEL in a value": NO_COPY,
        "malformed host": FOR_CALLERS,
        "host with user": FOR_CALLERS,
        "two types": FOR_CALLERS,
        "relative target": FOR_CALLERS,
        "asterisk of GET": FOR_CALLERS,
        "absolute target of another scheme": FOR_CALLERS,
        "absolute target without host": FOR_CALLERS,
        "absolute target with user": FOR_CALLERS,
        "CONNECT": FOR_CALLERS,
        "HTTP/1.2": FOR_CALLERS,
        "HTTP/2.0": FOR_CALLERS,
        "HTTP/2 with prior knowledge": FOR_CALLERS,
        "other expectation": FOR_CALLERS,
        "target above 8 KiB": LIMIT,
        "head above 16 KiB": LIMIT,
        "101 headers": LIMIT,
        "list of lengths": LENIENT,
        "HTTP/1.0 in chunks": "it reads it as HTTP/1.1",
        "LF at the end": LENIENT,
        "folded trailer": LENIENT,
        "trailer that frames": TRAILERS,
        "trailer that routes": TRAILERS,
    },
    "httptools": {
        "unknown method": METHODS,
        "method in lower case": METHODS,
        "two empty lines before": LENIENT,
        "no host": FOR_CALLERS,
        "two hosts": FOR_CALLERS,
        "malformed host": FOR_CALLERS,
        "host with user": FOR_CALLERS,
        "two types": FOR_CALLERS,
        "two spaces": LENIENT,
        "asterisk of GET": FOR_CALLERS,
        "absolute target of another scheme": FOR_CALLERS,
        "absolute target without host": FOR_CALLERS,
        "absolute target with user": FOR_CALLERS,
        "CONNECT": FOR_CALLERS,
        "HTTP/2.0": FOR_CALLERS,
        "other expectation": FOR_CALLERS,
        "target above 8 KiB": LIMIT,
        "head above 16 KiB": LIMIT,
        "101 headers": LIMIT,
        "HTTP/1.0 in chunks": "it reads it as HTTP/1.1",
        "trailer that routes": TRAILERS,
    },
}

OTHERWISE_READ: Final[dict[str, dict[str, str]]] = {
    "h11": {"chunked in capitals": "it gives the coding in lower case"},
    "httptools": {"white space around a value": "it leaves white space at the end"},
}
"""Where a parser accepts what we accept, and reads something else in it."""
