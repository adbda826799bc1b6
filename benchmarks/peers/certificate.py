"""Make the certificate of the peers that speak TLS: `certificate.py FOLDER` writes tls.pem and tls.key there, once.

It signs itself, for `localhost` and 127.0.0.1, with a key on P-256: what most servers have, and cheap to sign with.
Nobody verifies it. A month old, it is made anew.
"""

import fcntl
import subprocess
import sys
import time
from pathlib import Path

MONTH_SECONDS = 30 * 86_400

folder = Path(sys.argv[1])
chain, key = folder / "tls.pem", folder / "tls.key"
with (folder / "tls.lock").open("w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)  # of tests that run side by side, each would have the other's key
    if not chain.exists() or time.time() - chain.stat().st_mtime > MONTH_SECONDS:
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        command += ["-days", "90", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        done = subprocess.run(
            [*command, "-keyout", str(key), "-out", str(chain)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            chain.unlink(missing_ok=True)
            sys.exit(done.stderr)
