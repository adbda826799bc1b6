"""A network namespace of the drill's own, where that is permitted: its settings touch nobody else's connections."""

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Final

SIOCSIFFLAGS: Final = 0x8914
IFF_UP: Final = 1
SETTINGS: Final = {
    "net/core/somaxconn": "65535",
    "net/ipv4/ip_local_port_range": "1024 65535",
}


def command() -> list[str] | None:
    """What to put before a command so that it runs in a network of its own; None where that is not permitted."""
    if shutil.which("unshare") is None:
        return None
    for flags in (["--net"], ["--user", "--map-root-user", "--net"]):
        if subprocess.run(["unshare", *flags, "true"], capture_output=True, check=False).returncode == 0:
            return ["unshare", *flags, "--"]
    return None


def enter(prefix: list[str], mark: str) -> None:
    """Start this program anew within the namespace, with `mark` as a further argument. Does not return."""
    sys.stdout.flush()
    os.execvp(prefix[0], [*prefix, sys.executable, *sys.argv, mark])


def set_up() -> dict[str, str]:
    """Within the namespace: bring the loopback device up, and set what connections need. Returns what is set."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
    done = {}
    for name, value in SETTINGS.items():
        path = Path("/proc/sys") / name
        try:
            path.write_text(value)
        except OSError:
            pass  # read-only in some containers; the defaults are enough for the drill
        done[name.replace("/", ".")] = " ".join(path.read_text().split())
    return done
