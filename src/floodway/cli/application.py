"""Importing the user's application, and showing an exception of theirs without our frames."""

import importlib
import sys
import traceback
from pathlib import Path
from typing import Final

import click

from floodway.conn.route import HandlerLike

FAILED: Final = 3

_OURS: Final = (str(Path(__file__).parents[1]), str(Path(importlib.__file__).parent), click.__path__[0], "<")


class ApplicationError(click.ClickException):
    """The application could not be imported or started."""

    exit_code = FAILED


def import_application(name: str, app_dir: str) -> HandlerLike:
    """The handler that MODULE:ATTRIBUTE names; a handler's class is called. `app_dir` comes first on the path.

    Raises ApplicationError; an exception inside the user's module is printed with its traceback first.
    """
    module_name, separator, attribute = name.partition(":")
    if not separator or not module_name or not attribute:
        raise click.BadParameter(f"{name!r} is not MODULE:ATTRIBUTE, such as myserver:handler")
    sys.path.insert(0, str(Path(app_dir).resolve()))
    try:
        found = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name + ".").startswith(error.name + "."):
            raise failed(f"{name} could not be imported", error) from error
        raise ApplicationError(f"there is no module {error.name!r} in {app_dir} or on the path") from error
    except (Exception, SystemExit) as error:
        raise failed(f"{name} could not be imported", error) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ApplicationError(f"module {module_name!r} has no attribute {attribute!r}")
        found = getattr(found, part)
    return _handler(name, found)


def failed(what: str, error: BaseException) -> ApplicationError:
    """Print what the user's code raised, without our frames, and return the error that ends the command."""
    if has_user_frames(error) or isinstance(error, SyntaxError):
        shown = traceback.TracebackException.from_exception(error)
        _strip(shown)
        print("".join(shown.format()), end="", file=sys.stderr)
        return ApplicationError(what)
    return ApplicationError(f"{what}: {str(error) or type(error).__name__}")


def has_user_frames(error: BaseException) -> bool:
    """Whether the exception passed through code that is neither ours nor generated nor the import system's."""
    return any(not frame.filename.startswith(_OURS) for frame in traceback.extract_tb(error.__traceback__))


def _handler(name: str, found: object) -> HandlerLike:
    if isinstance(found, type) and hasattr(found, "interest"):
        try:
            found = found()
        except Exception as error:
            raise failed(f"{name} could not be made", error) from error
    if not hasattr(found, "interest") or isinstance(found, type):
        raise ApplicationError(f"{name} is {found!r}, which is no handler; derive its class from floodway.Handler")
    return found  # type: ignore[return-value]  # narrowed by its mark, as check_handler does


def _strip(shown: traceback.TracebackException) -> None:
    """Remove our frames, in the causes too."""
    frames = [frame for frame in shown.stack if not frame.filename.startswith(_OURS)]
    shown.stack = traceback.StackSummary.from_list(frames)
    for other in (shown.__cause__, shown.__context__):
        if other is not None:
            _strip(other)
