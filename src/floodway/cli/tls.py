"""The flags for TLS, under the names that uvicorn's users know."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import click

from floodway.base.tls import TLSConfig, VerifyClient

Command = TypeVar("Command", bound=Callable[..., object])

_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_VERIFY: Final[dict[str, VerifyClient]] = {"0": "none", "1": "optional", "2": "required"}  # the numbers of `ssl.CERT_*`
_FLAGS: Final = (
    click.option("--ssl-certfile", type=_FILE, help="PEM file with the certificate and its chain."),
    click.option("--ssl-keyfile", type=_FILE, help="PEM file with the private key. [default: as --ssl-certfile]"),
    click.option("--ssl-keyfile-password", help="What the private key is encrypted with."),
    click.option("--ssl-ca-certs", type=_FILE, help="PEM file with the roots that clients' certificates lead to."),
    click.option("--ssl-cert-reqs", type=click.Choice([*_VERIFY, *_VERIFY.values()]), default="none", show_default=True,
                 help="Whether clients need a certificate."),
    click.option("--ssl-min-version", type=click.Choice(["1.2", "1.3"]), default="1.2", show_default=True,
                 help="The oldest version of TLS that is spoken."),
)  # fmt: skip


def tls_flags(command: Command) -> Command:
    """Give a command the flags."""
    for flag in reversed(_FLAGS):
        command = flag(command)
    return command


def tls_config(given: dict[str, Any]) -> TLSConfig | None:  # Any: what click made of each flag
    """What the flags say; None if there is no certificate. Raises click.UsageError, with file and cause."""
    chain, reqs = given["ssl_certfile"], given["ssl_cert_reqs"]
    if chain is None:
        others = [name for name in ("ssl_keyfile", "ssl_keyfile_password", "ssl_ca_certs") if given[name] is not None]
        if others:
            raise click.UsageError(f"--{others[0].replace('_', '-')} needs a certificate; pass --ssl-certfile too")
        return None
    try:
        return TLSConfig.from_files(
            chain,
            given["ssl_keyfile"],
            password=given["ssl_keyfile_password"],
            min_version=given["ssl_min_version"],
            client_ca=given["ssl_ca_certs"],
            verify_client=_VERIFY.get(reqs) or cast("VerifyClient", reqs),
        )
    except (OSError, ValueError) as error:
        raise click.UsageError(str(error)) from error
