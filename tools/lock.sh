#!/usr/bin/env bash
# Writes the pinned requirements anew from pyproject.toml: `make lock`. A bump is a commit of its own.
#
# One lock serves every Python from 3.11 on (environment markers choose), and pip checks each file's hash, so what is
# installed is what was reviewed. uv only resolves here; installing needs nothing but pip.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${1:?usage: tools/lock.sh PATH-TO-UV [uv pip compile options, such as --upgrade]}
shift

compile() {    # NAME, then what goes in
    local name=$1
    shift
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-emit-index-url \
        --custom-compile-command "make lock" --output-file "tools/requirements-$name.txt" pyproject.toml "$@"
}

compile dev --extra demo --extra reload --extra env-file --extra test --group tools "$@"           # .venv: everything `make test` and `make lint` use
compile release --extra demo --group build --group bench "$@"      # .venv-release: what `make demo` and `make bench` run
# watchfiles: the last that has wheels for the free-threaded 3.13.
compile freethreaded --extra demo --extra reload --extra env-file --extra test --group build \
    --constraints <(echo 'watchfiles<1.3') "$@"  # .venv-ft: no tool that has no such wheel
