"""`wsgi.file_wrapper`: files that the core sends itself."""

import os
import stat
from io import BufferedReader, FileIO
from wsgiref.util import FileWrapper

__all__ = ["FileWrapper", "part_of"]


def part_of(result: object) -> tuple[int, int, int] | None:
    """Descriptor, offset and length of what a wrapped file has left; None for what is no plain file of bytes.

    Only files of exactly these kinds are what their descriptor is: one that decompresses has a descriptor too.
    """
    if type(result) is not FileWrapper:
        return None
    file: object = result.filelike
    if not (type(file) is FileIO or (type(file) is BufferedReader and type(file.raw) is FileIO)):
        return None
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        return None
    offset = file.tell()
    return file.fileno(), offset, max(0, status.st_size - offset)
