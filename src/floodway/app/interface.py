"""What an application is: a handler, or something that speaks HTTP, and then how it wants to be called."""

import inspect
from collections.abc import Callable
from typing import Any, Final, cast, get_args

from floodway.app.application import failed, import_application
from floodway.app.function import FunctionHandler
from floodway.app.message import streams_body
from floodway.config import ApplicationOptions, Interface
from floodway.conn.route import HandlerLike
from floodway.errors import ApplicationError

_BY_PARAMETERS: Final[dict[int, Interface]] = {1: "function", 2: "wsgi", 3: "asgi"}


def load_application(application: object, options: ApplicationOptions, threads: int | None = None) -> HandlerLike:
    """The handler that serves an application: an object, or what MODULE:ATTRIBUTE names. `threads`: as in the options.

    Raises ApplicationError if it cannot be imported or made, or cannot be told apart; TypeError for the latter if it
    is an object.
    """
    if not isinstance(application, str):
        return handler_of(_made(application, options, "serve()"), options, "serve()", threads)
    found = _made(import_application(application), options, application)
    try:
        return handler_of(found, options, application, threads)
    except TypeError as error:
        raise ApplicationError(str(error)) from error


def handler_of(
    application: object, options: ApplicationOptions, caller: str, threads: int | None = None
) -> HandlerLike:
    """The handler that serves an application: itself if it is one.

    Raises TypeError, with what to write, for what is no application.
    """
    interface = options.interface
    if interface == "auto":
        interface = find_interface(application, caller)
    if interface == "handler":
        return cast("HandlerLike", application)
    if not callable(application):
        raise TypeError(f"{caller} got {application!r}, which cannot be called as interface {interface!r} demands")
    if interface == "asgi":
        from floodway.app.asgi.handler import ASGIHandler  # asyncio takes longer to import than all of Floodway

        return ASGIHandler(cast("Callable[..., Any]", application), options)
    if interface == "wsgi":
        from floodway.app.wsgi.handler import wsgi_handler  # the same for wsgiref

        return wsgi_handler(application, options, threads)
    if _is_coroutine_function(application):
        from floodway.app.async_function import AsyncFunctionHandler  # as for ASGI

        return AsyncFunctionHandler(cast("Callable[..., Any]", application), options)
    if streams_body(application):
        raise TypeError(
            f"{caller} got {application!r}, which asks to stream bodies and is no coroutine function; write async def, "
            "since a function that waits for its client holds up all others"
        )
    return FunctionHandler(cast("Callable[[Any], object]", application), options)


def find_interface(application: object, caller: str) -> Interface:
    """How an application wants to be called. Raises TypeError if that cannot be told."""
    if isinstance(application, type) and hasattr(application, "interest"):
        raise TypeError(f"{caller} got the class {application.__name__}; make one: {application.__name__}()")
    if hasattr(application, "interest"):
        return "handler"
    what = f"{caller} {'got' if caller == 'serve()' else 'is'} {application!r}"
    if not callable(application):
        raise TypeError(f"{what}, which is no application: neither a floodway.Handler nor something that is called")
    if found := _BY_PARAMETERS.get(_parameters(application)):
        return found
    names = ", ".join(get_args(Interface)[1:])
    raise TypeError(f"{what}, and its parameters do not say how it is called; choose its interface: {names}")


def _made(application: object, options: ApplicationOptions, name: str) -> object:
    """What a factory makes; a handler's class is called like one."""
    is_handler_class = isinstance(application, type) and hasattr(application, "interest")
    if not (options.factory or (is_handler_class and name != "serve()")):
        return application
    if not callable(application):
        raise TypeError(f"{name} is {application!r}, which is no factory: it cannot be called; leave factory out")
    try:
        return application()
    except Exception as error:
        raise failed(f"{name} could not be made", error) from error


def _is_coroutine_function(application: Callable[..., object]) -> bool:
    """Also for an object whose __call__ is one."""
    return inspect.iscoroutinefunction(application) or inspect.iscoroutinefunction(type(application).__call__)


def _parameters(application: Callable[..., object]) -> int:
    """How many arguments have to be given by place; -1 if that cannot be told."""
    try:
        signature = inspect.signature(application)
    except (TypeError, ValueError):
        return -1
    by_place = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [one for one in signature.parameters.values() if one.kind in by_place and one.default is one.empty]
    return len(needed)
