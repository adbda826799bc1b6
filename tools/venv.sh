#!/usr/bin/env bash
# Makes a virtual environment with the pinned packages of one lock: `tools/venv.sh .venv dev`.
# Does nothing where it is already as it should be; makes it anew when PYTHON= asks for another interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1 lock=tools/requirements-$2.txt stamp=$1/.ready

if command -v flock >/dev/null; then    # two makes in one checkout
    mkdir -p target
    exec 9>"target/$venv.lock"
    flock 9
fi
if [ -n "${PYTHON:-}" ] || ! "$venv/bin/python" -c '' 2>/dev/null; then
    python=$(tools/find_python.sh)
    identity='import sys, sysconfig; print(sys.version, sys.base_prefix, sysconfig.get_config_var("Py_GIL_DISABLED"))'
    if [ "$("$python" -c "$identity")" != "$("$venv/bin/python" -c "$identity" 2>/dev/null)" ]; then
        echo "making $venv with $("$python" --version) ($python)"
        rm -rf "$venv"
        "$python" -m venv "$venv"
    fi
fi
if [ ! -e "$stamp" ] || [ "$lock" -nt "$stamp" ]; then
    "$venv/bin/python" -m pip --disable-pip-version-check install --quiet --require-hashes --requirement "$lock" 9>&-
    touch "$stamp"
fi
