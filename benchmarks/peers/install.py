"""Install a peer apart: `install.py FOLDER REQUIREMENT...` makes a virtual environment with pinned packages, once.

For peers that have no wheel for every Python, or that need packages of another version than the others do. Where they
cannot be installed, pip's last line is the reason for which they are skipped.
"""

import subprocess
import sys
import venv
from pathlib import Path

folder, requirements = Path(sys.argv[1]), sys.argv[2:]
installed = folder / "installed.txt"
asked = "\n".join([sys.version, *requirements])
if not installed.exists() or installed.read_text() != asked:
    venv.create(folder, clear=True, with_pip=True, symlinks=True)
    pip = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    done = subprocess.run([*pip, *requirements], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if line.startswith(("ERROR:", "error:"))]
        sys.exit(errors[-1] if errors else done.stderr)
    installed.write_text(asked)
