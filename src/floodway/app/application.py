"""Importing the user's application by name, and showing an exception of theirs without our frames."""

import importlib
import re
import sys
import traceback
from pathlib import Path
from typing import Final

from floodway.errors import ApplicationError

_OURS: Final = (str(Path(__file__).parents[1]), str(Path(importlib.__file__).parent), "<")


def import_application(name: str) -> object:
    """The object that MODULE:ATTRIBUTE names.

    Raises ApplicationError, and ValueError for a name of another form.
    """
    module_name, attribute = check_name(name)
    importlib.invalidate_caches()  # what a supervisor knew of the folder may be older than the file
    try:
        found: object = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name + ".").startswith(error.name + "."):
            raise failed(f"{name} could not be imported", error) from error
        raise ApplicationError(f"there is no module {error.name!r} on the path ({sys.path[0] or '.'}, ...)") from error
    except (Exception, SystemExit) as error:
        raise failed(f"{name} could not be imported", error) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ApplicationError(f"module {module_name!r} has no attribute {attribute!r}")
        found = getattr(found, part)
    return found


def check_name(name: str) -> tuple[str, str]:
    """Module and attribute of a name. Raises ValueError if it is of another form; imports nothing."""
    module_name, _, attribute = name.partition(":")
    if not re.fullmatch(r"[\w.]+:[\w.]+", name):
        raise ValueError(f"{name!r} is not MODULE:ATTRIBUTE, such as myserver:handler")
    return module_name, attribute


def failed(what: str, error: BaseException) -> ApplicationError:
    """The error that says in one line what the user's code raised, with its traceback without our frames."""
    text = str(error) or type(error).__name__
    if not has_user_frames(error) and not isinstance(error, SyntaxError):
        return ApplicationError(f"{what}: {text}")
    details = describe_failure(error)
    text = text if text == type(error).__name__ else f"{type(error).__name__}: {text}"
    return ApplicationError(f"{what}: {text.splitlines()[0]}", details)


def describe_failure(error: BaseException) -> str:
    """The traceback of what the user's code raised, without our frames."""
    shown = traceback.TracebackException.from_exception(error)
    _strip(shown)
    return "".join(shown.format())


def has_user_frames(error: BaseException) -> bool:
    """Whether some frame of the traceback is neither ours nor the import system's."""
    return any(not frame.filename.startswith(_OURS) for frame in traceback.extract_tb(error.__traceback__))


def _strip(shown: traceback.TracebackException) -> None:
    """Remove our frames, in the causes too."""
    frames = [frame for frame in shown.stack if not frame.filename.startswith(_OURS)]
    shown.stack = traceback.StackSummary.from_list(frames)
    for other in (shown.__cause__, shown.__context__):
        if other is not None:
            _strip(other)
