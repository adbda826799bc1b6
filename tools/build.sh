#!/usr/bin/env bash
# Builds the extension into a virtual environment: `tools/build.sh FOLDER KIND`.
#
#   dev           in place (src/floodway/_core.*.so), cargo's dev profile; Python files are used where they are
#   freethreaded  the same with a target folder of its own (another ABI), and with PyO3 told to abort when a Python
#                 reference is dropped by a thread that is not attached, which must not happen
#   release       (or freethreaded-release) a wheel, installed: what users have, apart from what tests replace under way
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$PWD/$1 kind=$2 stamp=$1/.built installed=$1/.installed

if command -v flock >/dev/null; then
    mkdir -p target
    exec 9>"target/$1.lock"
    flock 9
fi
export VIRTUAL_ENV=$venv

# Maturin reports each of its steps; what it says matters when one fails.
quietly() {
    local log
    log=$(mktemp)
    "$@" 9>&- >"$log" 2>&1 || { cat "$log" >&2; rm "$log"; exit 1; }
    rm "$log"
}

develop() {
    # Installing writes the command `floodway` and the path to src; after that only the library changes.
    if [ -e "$installed" ] && [ ! pyproject.toml -nt "$installed" ]; then
        quietly "$venv/bin/maturin" develop --quiet --skip-install
    else
        quietly "$venv/bin/maturin" develop --quiet
        touch "$installed"
    fi
}

[ -e "$installed" ] || [ -e "$stamp" ] || echo "compiling the extension for $1 (a minute or two the first time)"
case $kind in
    dev)
        # The environment that maturin gives cargo, for every other call of cargo in this checkout (clippy, an editor):
        # with another one PyO3 is compiled again at each change between the two. The file is ignored by git.
        mkdir -p .cargo
        signature=$("$venv/bin/python" -c 'import sys; print("cpython-%d.%d-%dbit" % (*sys.version_info[:2], sys.maxsize.bit_length() + 1))')
        printf '[env]\nPYO3_PYTHON = "%s"\nPYO3_ENVIRONMENT_SIGNATURE = "%s"\n' "$venv/bin/python" "$signature" >.cargo/config.toml.new
        if cmp -s .cargo/config.toml.new .cargo/config.toml; then
            rm .cargo/config.toml.new
        else
            mv .cargo/config.toml.new .cargo/config.toml
        fi
        develop
        ;;
    freethreaded)
        export CARGO_TARGET_DIR=target/freethreaded RUSTFLAGS="--cfg pyo3_disable_reference_pool"
        develop
        ;;
    release | freethreaded-release)
        [ "$kind" = release ] || export CARGO_TARGET_DIR=target/freethreaded
        wheels=target/wheels-$1
        rm -rf "$wheels"
        quietly "$venv/bin/maturin" build --quiet --release --compatibility linux --interpreter "$venv/bin/python" --out "$wheels"
        "$venv/bin/python" -m pip --disable-pip-version-check install --quiet --force-reinstall --no-deps --no-index \
            "$wheels"/*.whl
        ;;
    *)
        echo "tools/build.sh: no such kind of build: $kind" >&2
        exit 2
        ;;
esac
touch "$stamp"
