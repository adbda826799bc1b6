"""Flags of uvicorn, granian and gunicorn that we have not, and what says the same here."""

from typing import Final

import click

_WORKERS: Final = "--workers N (processes) and --threads N (threads that run the application)"
_CIPHERS: Final = "leave it out: only suites without known weakness are spoken"
_TLS: Final = (
    "--ssl-certfile, --ssl-keyfile, --ssl-keyfile-password, --ssl-ca-certs, --ssl-cert-reqs, --ssl-min-version"
)
_SERVICE: Final = "let a service manager see to it: docs/deploy.md"
_PROXY: Final = "let the application or a proxy see to it"
_HTTP2: Final = "leave it out: HTTP/2 is not served"
_WEBSOCKET: Final = "leave it out: WebSocket is not served yet"
_LOGS: Final = "--log-config FILE, --log-level LEVEL or --log-format json"
_HEAD: Final = "--max-head BYTES, --max-headers N and --max-target BYTES"
_ALWAYS: Final = "leave it out: there is one way, and it is on"

INSTEAD: Final[dict[str, str]] = {
    # All of them
    "-b": "write the address behind the application, such as 127.0.0.1:8000",
    "--bind": "write the address behind the application, such as 127.0.0.1:8000",
    "-w": "--workers N",
    "-k": "--interface INTERFACE, if it cannot be told from the application",
    "--worker-class": "--interface INTERFACE, if it cannot be told from the application",
    # uvicorn
    "--loop": _ALWAYS,
    "--http": _ALWAYS,
    "--ws": _WEBSOCKET,
    "--lifespan": "leave it out: it is used where the application has one",
    "--use-colors": _LOGS,
    "--no-use-colors": _LOGS,
    "--no-server-header": "--server-header none",
    "--date-header": "leave it out: every answer has one",
    "--no-date-header": "leave it out: every answer has one",
    "--header": _PROXY,
    "--reload-include": "--reload-dir FOLDER",
    "--reload-exclude": "--reload-dir FOLDER",
    "--reload-delay": "leave it out: it waits until files are quiet",
    "--limit-max-requests-jitter": "--limit-max-requests N, which leaves a tenth to chance",
    "--timeout-worker-healthcheck": "--watchdog SECONDS, which logs what is stuck",
    "--h11-max-incomplete-event-size": _HEAD,
    # granian
    "--runtime-threads": _WORKERS,
    "--runtime-blocking-threads": _WORKERS,
    "--blocking-threads": "--threads N",
    "--runtime-mode": "--main-reactors N and --sub-reactors N",
    "--task-impl": _ALWAYS,
    "--http1-buffer-size": _HEAD,
    "--blocking-threads-idle-timeout": "leave it out: the threads stay",
    "--no-ws": _WEBSOCKET,
    "--no-http1-pipeline-flush": _ALWAYS,
    "--no-respawn-failed-workers": "leave it out: a worker that has ended is always replaced",
    "--reload-paths": "--reload-dir FOLDER",
    "--reload-tick": "leave it out: it waits until files are quiet",
    "--no-log": "--log-level error",
    "--rss-samples": "--limit-max-requests N",
    "--uds-permissions": "write the address behind the application, such as unix:///path?mode=660",
    "--http1-header-read-timeout": "--head-timeout SECONDS",
    "--http1-keep-alive": "--keep-alive-timeout SECONDS",
    "--no-http1-keep-alive": "--keep-alive-timeout SECONDS",
    "--http1-pipeline-flush": _ALWAYS,
    "--backpressure": "--limit-concurrency N",
    "--respawn-failed-workers": "leave it out: a worker that has ended is always replaced",
    "--respawn-interval": "leave it out: the pause before a worker is replaced grows by itself",
    "--rss-sample-interval": "--limit-max-requests N",
    "--workers-lifetime": "--limit-max-requests N",
    "--workers-max-rss": "--limit-max-requests N",
    "--workers-kill-timeout": "--grace SECONDS",
    "--url-path-prefix": "--root-path PATH",
    "--access-log-fmt": _LOGS,
    "--log": "--log-level LEVEL",
    "--process-name": "leave it out: the name of a process is the supervisor's, such as systemd's",
    "--static-path-mount": _PROXY,
    "--working-dir": "--app-dir FOLDER",
    "--env-files": "--env-file FILE",
    # gunicorn
    "--timeout": "--watchdog SECONDS, which logs what is stuck; requests have --head-timeout and --body-timeout",
    "-t": "--watchdog SECONDS, which logs what is stuck; requests have --head-timeout and --body-timeout",
    "--graceful-timeout": "--grace SECONDS",
    "--keep-alive": "--keep-alive-timeout SECONDS",
    "--max-requests": "--limit-max-requests N",
    "--max-requests-jitter": "--limit-max-requests N, which leaves a tenth to chance",
    "--worker-connections": "--max-connections N (of each worker)",
    "--limit-request-line": "--max-target BYTES",
    "--limit-request-fields": "--max-headers N",
    "--limit-request-field_size": "--max-head BYTES",
    "--chdir": "--app-dir FOLDER",
    "--pythonpath": "--app-dir FOLDER",
    "-p": "--pid-file FILE",
    "--pid": "--pid-file FILE",
    "-D": _SERVICE,
    "--daemon": _SERVICE,
    "-u": _SERVICE,
    "--user": _SERVICE,
    "-g": _SERVICE,
    "--group": _SERVICE,
    "-c": "write flags, or set FLOODWAY_ variables",
    "--config": "write flags, or set FLOODWAY_ variables",
    "-e": "--env-file FILE",
    "--env": "--env-file FILE",
    "--access-logfile": "--access-log",
    "--access-logformat": _LOGS,
    "--error-logfile": _LOGS,
    "--log-file": _LOGS,
    "--capture-output": _LOGS,
    "--log-config-json": "--log-config FILE, whose name ends in .json",
    "--logger-class": _LOGS,
    "--proxy-allow-from": "--forwarded-allow-ips",
    "--proxy-protocol": "--proxy-headers, if the proxy can send them",
    "--reload-engine": "leave it out: there is one way, and it is on",
    "--umask": _SERVICE,
    "--initgroups": _SERVICE,
    "-m": _SERVICE,
    "-n": _SERVICE,
    "--name": _SERVICE,
    "--paste": "write MODULE:ATTRIBUTE",
    "--paster": "write MODULE:ATTRIBUTE",
    "--no-sendfile": "leave it out: there is nothing to switch off",
    "--worker-tmp-dir": "leave it out: workers need no files",
    "--check-config": "leave it out: what cannot be meant ends the command at once",
    "--print-config": "run floodway info",
    "--reuse-port": "--main-reactors N or --workers N, which have a socket each",
    "--forwarder-headers": "--proxy-headers",
    "--strip-header-spaces": "leave it out: such requests are refused",
    "--spew": "--log-level debug",
    "--ca-certs": "--ssl-ca-certs FILE",
    "--cert-reqs": "--ssl-cert-reqs none, optional or required",
    "--ciphers": _CIPHERS,
    # TLS
    "--ssl-certificate": "--ssl-certfile FILE",
    "--ssl-ciphers": _CIPHERS,
    "--keyfile": "--ssl-keyfile FILE",
    "--certfile": "--ssl-certfile FILE",
}
"""By flag: what to write, or what to do. Where a flag's name is ours too it never comes here."""

FAMILIES: Final = {
    "--ssl-": _TLS,
    "--ws-": _WEBSOCKET,
    "--websocket-": _WEBSOCKET,
    "--http2": _HTTP2,
    "--no-http2": _HTTP2,
    "--no-ssl-": _TLS,
    "--static-path-": _PROXY,
    "--metrics": "ask Engine.service_stats() from the application",
    "--statsd": "ask Engine.service_stats() from the application",
    "--dogstatsd": "ask Engine.service_stats() from the application",
    "--log-syslog": _LOGS,
    "--permit-": "leave it out: such requests are refused",
    "--reload-": "--reload-dir FOLDER",
    "--no-reload-": "leave it out: if new code does not start, the old serves on",
    "--asgi-": "leave it out: what ASGI says is done",
    "--dirty-": "--workers N or --threads N",
}
"""The same by how a flag begins."""


class ForeignFlags(click.Command):
    """A command that knows what other servers' flags are called here."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, and answer for a flag that somebody else has."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            advice = advice_for(error.option_name)
            if advice is None:
                raise
            raise click.UsageError(f"{error.option_name} is no flag here; {advice}", ctx) from error


def advice_for(flag: str) -> str | None:
    """What to do in place of another server's flag; None if it is nobody's."""
    advice = INSTEAD.get(flag) or next((text for start, text in FAMILIES.items() if flag.startswith(start)), None)
    return f"write {advice}" if advice is not None and advice.startswith("--") else advice
