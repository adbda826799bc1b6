"""`floodway serve MODULE:ATTRIBUTE [ADDRESS...]`: imports a handler and serves it."""

import logging
import os
import sys
from pathlib import Path
from typing import Any, Final

import click

import floodway
from floodway.app.application import check_name, failed, has_user_frames
from floodway.app.workers.reload import check_reload
from floodway.base.address import check_plain, parse
from floodway.cli.application import ended_by
from floodway.cli.env_file import load_env_file
from floodway.cli.foreign import ForeignFlags
from floodway.cli.logs import set_up_logging
from floodway.cli.options import given_options, option_flags
from floodway.config import sort_options, split_service_options
from floodway.errors import ApplicationError, ListenError, NotStopped

logger: Final = logging.getLogger(__name__)

BALANCERS: Final[dict[str, type[floodway.Balancer]]] = {
    "least-connections": floodway.LeastConnections,
    "round-robin": floodway.RoundRobin,
    "fd-hash": floodway.FdHash,
}


@click.command(cls=ForeignFlags, context_settings={"auto_envvar_prefix": "FLOODWAY"})
@click.argument("application", metavar="MODULE:ATTRIBUTE")
@click.argument("addresses", metavar="[ADDRESS]...", nargs=-1)
@click.option("--env-file", type=click.Path(exists=True, dir_okay=False), is_eager=True, expose_value=False,
              callback=load_env_file,
              help="Variables for the application and for these flags; needs the package python-dotenv.")  # fmt: skip
@click.option("--app-dir", default=".", show_default=True, help="Directory to import from, first on the path.")
@click.option("--balancer", type=click.Choice(list(BALANCERS)),
              help="Which sub reactor gets a newcomer. [default: least-connections]")  # fmt: skip
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="[default: info]")
@click.option("--log-format", type=click.Choice(["text", "json"]), help="[default: text]")
@click.option("--log-config", type=click.Path(exists=True, dir_okay=False),
              help="A logging configuration: JSON for dictConfig, anything else for fileConfig.")  # fmt: skip
@option_flags
@click.pass_context
def serve(  # noqa: PLR0913, PLR0917 - a parameter for each flag
    ctx: click.Context,
    /,
    application: str,
    addresses: tuple[str, ...],
    app_dir: str,
    balancer: str | None,
    log_level: str | None,
    log_format: str | None,
    log_config: str | None,
    **_: object,
) -> None:
    """Serve MODULE:ATTRIBUTE, a handler or an application that speaks HTTP, on each ADDRESS.

    An ADDRESS is host:port, :port (every IPv4 interface), tcp://host:port, http://host:port, unix:///path?mode=660,
    unix://@name or fd://number. Without one it takes the sockets that systemd passed, else 127.0.0.1:8000. A size is in
    bytes, a time in seconds. Every flag may be given as a variable too, --idle-timeout as FLOODWAY_IDLE_TIMEOUT.
    """
    options = given_options(ctx)
    if options.get("debug"):
        log_level = log_level or "debug"
    set_up_logging(log_level, log_format, log_config, options)
    _check(application, options, addresses)
    sys.path.insert(0, str(Path(app_dir).resolve()))
    try:
        floodway.serve(application, *addresses, balancer=BALANCERS[balancer]() if balancer else None, **options)
    except NotStopped as error:
        _end_process(error)
    except ApplicationError as error:
        raise ended_by(error) from error
    except ListenError as error:
        raise click.ClickException(str(error)) from error
    except Exception as error:
        if has_user_frames(error):
            raise ended_by(failed(f"{application} could not be started", error)) from error
        raise click.ClickException(str(error) or type(error).__name__) from error


def _check(application: str, options: dict[str, Any], addresses: tuple[str, ...]) -> None:  # Any: as each field says
    """Make a usage error of what the arguments cannot mean, before anything is imported."""
    try:
        check_name(application)
        service_options, _, engine_options = split_service_options(options)
        sort_options(engine_options, None, "floodway serve")
        for address in addresses:
            check_plain(parse(address))
        if service_options.reload:
            check_reload(service_options.reload_dir)
    except (ValueError, TypeError) as error:
        raise click.UsageError(str(error)) from error


def _end_process(error: NotStopped) -> None:
    """A callback never returns, so no thread can be joined: leave it behind."""
    logger.error("%s; ending the process", error)
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)
