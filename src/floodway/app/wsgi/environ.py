"""What all environs of an application have in common; home of the native `EnvironBuilder`, which adds the rest."""

import sys

from floodway._core import EnvironBuilder
from floodway.app.wsgi.files import FileWrapper

__all__ = ["EnvironBuilder", "environ_builder"]


def environ_builder(*, root_path: str, multithread: bool, multiprocess: bool) -> EnvironBuilder:
    """What makes environs for one thread, or for a few."""
    template = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": root_path,
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "floodway",
        "SERVER_NAME": "localhost",  # these two of listeners that have neither: Unix sockets
        "SERVER_PORT": "80",
        "REMOTE_ADDR": "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": None,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": multithread,
        "wsgi.multiprocess": multiprocess,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
        "wsgi.input_terminated": True,  # reading stops at the body's end, CONTENT_LENGTH or not
    }
    return EnvironBuilder(template, root_path)
