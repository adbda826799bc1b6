"""`floodway serve MODULE:ATTRIBUTE [ADDRESS...]`: imports a handler and serves it."""

import json
import logging
import logging.config
import os
import sys
from pathlib import Path
from typing import Any, Final

import click

import floodway
from floodway.app.application import check_name, failed, has_user_frames
from floodway.base.address import parse
from floodway.cli.application import ended_by
from floodway.cli.options import given_options, option_flags
from floodway.cli.tls import tls_config, tls_flags
from floodway.config import sort_options, split_service_options
from floodway.conn.tls_endpoints import check_tls
from floodway.errors import ApplicationError, ListenError, NotStopped
from floodway.log import JsonFormatter

logger: Final = logging.getLogger(__name__)

DEFAULT_ADDRESS: Final = "tcp://127.0.0.1:9000"
DEFAULT_TLS_ADDRESS: Final = "tls://127.0.0.1:9000"
BALANCERS: Final[dict[str, type[floodway.Balancer]]] = {
    "least-connections": floodway.LeastConnections,
    "round-robin": floodway.RoundRobin,
    "fd-hash": floodway.FdHash,
}
_TEXT_FORMAT: Final = "%(asctime)s %(levelname)-8s %(name)s: %(message)s"
_WORKERS_FORMAT: Final = "%(asctime)s %(levelname)-8s [%(process)d] %(name)s: %(message)s"


@click.command()
@click.argument("application", metavar="MODULE:ATTRIBUTE")
@click.argument("addresses", metavar="[ADDRESS]...", nargs=-1)
@click.option("--app-dir", default=".", show_default=True, help="Directory to import from, first on the path.")
@click.option("--balancer", type=click.Choice(list(BALANCERS)),
              help="Which sub reactor gets a newcomer. [default: least-connections]")  # fmt: skip
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="[default: info]")
@click.option("--log-format", type=click.Choice(["text", "json"]), help="[default: text]")
@click.option("--log-config", type=click.Path(exists=True, dir_okay=False),
              help="A logging configuration: JSON for dictConfig, anything else for fileConfig.")  # fmt: skip
@tls_flags
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
    **flags: object,
) -> None:
    """Serve the handler MODULE:ATTRIBUTE on each ADDRESS.

    An ADDRESS is tcp://host:port, tls://host:port, unix:///path?mode=660, unix://@name or fd://number. Without one it
    takes the sockets that systemd passed, else tcp://127.0.0.1:9000, or tls:// with --ssl-certfile. A size is in bytes,
    a time in seconds.
    """
    options = given_options(ctx)
    _set_up_logging(log_level, log_format, log_config, process=bool(options.get("workers")))
    tls = tls_config(flags)
    default = DEFAULT_ADDRESS if tls is None else DEFAULT_TLS_ADDRESS
    chosen = addresses or (() if "LISTEN_FDS" in os.environ else (default,))
    _check(application, options, chosen, tls)
    sys.path.insert(0, str(Path(app_dir).resolve()))
    try:
        deals = BALANCERS[balancer]() if balancer else None
        floodway.serve(application, *chosen, balancer=deals, tls=tls, **options)
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


def _check(
    application: str,
    options: dict[str, Any],  # Any: as each field says
    addresses: tuple[str, ...],
    tls: floodway.TLSConfig | None,
) -> None:
    """Make a usage error of what the arguments cannot mean, before anything is imported."""
    try:
        check_name(application)
        sort_options(split_service_options(options)[2], None, "floodway serve")
        check_tls(tls, [parse(address) for address in addresses])
    except (ValueError, TypeError) as error:
        raise click.UsageError(str(error)) from error


def _set_up_logging(level: str | None, form: str | None, config: str | None, *, process: bool) -> None:
    """As the flags say. At a terminal without flags nothing: `serve` then greets the person there.

    `process`: each line names its process.
    """
    if config is not None:
        _configure(Path(config))
    elif level or form or not sys.stderr.isatty():
        handler = logging.StreamHandler()
        text = _WORKERS_FORMAT if process else _TEXT_FORMAT
        handler.setFormatter(JsonFormatter(process=process) if form == "json" else logging.Formatter(text))
        logging.basicConfig(handlers=[handler], level=(level or "info").upper())


def _configure(path: Path) -> None:
    try:
        if path.suffix == ".json":
            settings: dict[str, Any] = json.loads(path.read_text())  # Any: whatever dictConfig takes
            logging.config.dictConfig(settings)
        else:
            logging.config.fileConfig(path, disable_existing_loggers=False)
    except Exception as error:
        raise click.BadParameter(f"{path}: {error}", param_hint="--log-config") from error


def _end_process(error: NotStopped) -> None:
    """A callback never returns, so no thread can be joined: leave it behind."""
    logger.error("%s; ending the process", error)
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)
