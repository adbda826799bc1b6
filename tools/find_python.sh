#!/usr/bin/env bash
# Prints the newest Python >= 3.11 on this machine that can make a virtual environment, or one line saying what to do.
# PYTHON=... overrides. Looks at the PATH and below pyenv's root; whatever it finds has to run first, since pyenv's
# shims exist for versions that are not selected and then fail.
set -uo pipefail

# Prints "major.minor.micro path" for an interpreter that will do. Pre-releases and free-threaded builds have to be
# asked for with PYTHON=.
probe() {
    "$1" -I -c '
import sys, sysconfig, venv, ensurepip
asked = len(sys.argv) > 1
if sys.version_info < (3, 11) or sys.implementation.name != "cpython":
    sys.exit(1)
if not asked and (sys.version_info.releaselevel != "final" or sysconfig.get_config_var("Py_GIL_DISABLED")):
    sys.exit(1)
if sys.version_info >= (3, 15) and not asked:    # PyO3 0.28 does not know it
    sys.exit(1)
print("%d.%d.%d" % sys.version_info[:3], sys.executable)
' ${2:+"$2"} 2>/dev/null
}

if [ -n "${PYTHON:-}" ]; then
    found=$(probe "$PYTHON" asked) || { echo "PYTHON=$PYTHON is no CPython >= 3.11 with venv and ensurepip" >&2; exit 1; }
    echo "${found#* }"
    exit 0
fi

found=$(
    {
        type -ap python3.14 python3.13 python3.12 python3.11 python3
        ls -d "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin/python3 2>/dev/null
    } | while read -r candidate; do probe "$candidate"; done | sort -V -s -k1,1 | tail -n 1
)
if [ -z "$found" ]; then
    echo "no Python >= 3.11 with venv found: install one (Debian: apt-get install python3-venv) or name it with PYTHON=" >&2
    exit 1
fi
echo "${found#* }"
