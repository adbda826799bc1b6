"""Variables from a file, before anything reads them. Those that are set already stay as they are."""

import click


def load_env_file(_ctx: click.Context, _param: click.Parameter, path: str | None) -> None:
    """Load a file of NAME=value lines: the callback of a flag."""
    if path is None:
        return
    try:
        from dotenv import load_dotenv  # an extra
    except ModuleNotFoundError as error:
        text = "--env-file needs the package python-dotenv: pip install 'floodway[env-file]'"
        raise click.UsageError(text) from error
    load_dotenv(path)
