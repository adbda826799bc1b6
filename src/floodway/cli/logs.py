"""Where `floodway serve` logs to, as its flags say."""

import json
import logging
import logging.config
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from floodway.log import JsonFormatter

_TEXT_FORMAT: Final = "%(asctime)s %(levelname)-8s %(name)s: %(message)s"
_WORKERS_FORMAT: Final = "%(asctime)s %(levelname)-8s [%(process)d] %(name)s: %(message)s"


def set_up_logging(level: str | None, form: str | None, config: str | None, options: Mapping[str, object]) -> None:
    """As the flags say. At a terminal without flags nothing: `serve` then greets the person there.

    The access log's lines go to standard output and nothing else does, unless they are JSON. With workers each of the
    other lines names its process.
    """
    if config is not None:
        _configure(Path(config))
        return
    if options.get("access_log") and form != "json":
        _log_access()
    if level or form or not sys.stderr.isatty():
        process = bool(options.get("workers") or options.get("reload"))
        handler = logging.StreamHandler()
        text = _WORKERS_FORMAT if process else _TEXT_FORMAT
        handler.setFormatter(JsonFormatter(process=process) if form == "json" else logging.Formatter(text))
        logging.basicConfig(handlers=[handler], level=(level or "info").upper())


def _log_access() -> None:
    access = logging.getLogger("floodway.access")
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    access.addHandler(handler)
    access.setLevel(logging.INFO)
    access.propagate = False


def _configure(path: Path) -> None:
    try:
        if path.suffix == ".json":
            settings: dict[str, Any] = json.loads(path.read_text())  # Any: whatever dictConfig takes
            logging.config.dictConfig(settings)
        else:
            logging.config.fileConfig(path, disable_existing_loggers=False)
    except Exception as error:
        raise click.BadParameter(f"{path}: {error}", param_hint="--log-config") from error
