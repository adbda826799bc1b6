"""The file in which a service leaves its process id for who wants to send it signals."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def pid_file(path: str | os.PathLike[str] | None) -> Generator[None]:
    """Write this process's id there, whole or not at all, and remove the file at the end if it is still ours."""
    if path is None:
        yield
        return
    target, mine = Path(path), f"{os.getpid()}\n"
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    draft.write_text(mine)
    draft.replace(target)
    try:
        yield
    finally:
        try:
            if target.read_text() == mine:
                target.unlink()
        except FileNotFoundError:
            pass  # removed by someone else, which is what we wanted
