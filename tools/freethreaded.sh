#!/usr/bin/env bash
# Builds a free-threaded CPython 3.13 from Debian's source package and prints where its interpreter is.
#
#   tools/freethreaded.sh            build it if it is not there yet (some five minutes on two cores), print its path
#   tools/freethreaded.sh --path     print the path without building; fails if it is not there
#
# The result is kept outside of the checkout, in $XDG_CACHE_HOME/floodway (or FLOODWAY_CACHE), so that every checkout
# uses one build. FREETHREADED_PYTHON=/path/to/python3.13t skips all of this and takes an interpreter of yours.
set -euo pipefail

cache=${FLOODWAY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/floodway}
prefix=$cache/python3.13t
python=${FREETHREADED_PYTHON:-$prefix/bin/python3.13t}
log=$cache/python3.13t.log

die() { echo "$*" >&2; exit 1; }

gil_is_off() { [ -x "$1" ] && [ "$("$1" -c 'import sys; print(sys._is_gil_enabled())' 2>/dev/null)" = False ]; }

if gil_is_off "$python"; then echo "$python"; exit 0; fi
[ "${1:-}" != --path ] || die "no free-threaded Python at $python; run tools/freethreaded.sh"
[ -z "${FREETHREADED_PYTHON:-}" ] || die "FREETHREADED_PYTHON=$python does not run with the GIL off; unset it to build one"
command -v apt-get >/dev/null || die "no apt-get here: set FREETHREADED_PYTHON to a free-threaded Python 3.13"
command -v cc >/dev/null || die "no C compiler: install gcc, then run this again"
command -v make >/dev/null || die "no make: install make, then run this again"

# What ssl, ctypes, zlib and the rest are compiled against.
packages=(libssl-dev libffi-dev zlib1g-dev libbz2-dev liblzma-dev libsqlite3-dev libreadline-dev xz-utils pkg-config)
missing=()
for package in "${packages[@]}"; do
    dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -q '^installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    [ "$(id -u)" = 0 ] || die "missing headers: run 'apt-get install ${missing[*]}' as root, then this again"
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y "${missing[@]}"; } >&2
fi

mkdir -p "$cache"
exec 9>"$cache/python3.13t.lock"
flock 9    # one build at a time; whoever waited finds it done
if gil_is_off "$python"; then echo "$python"; exit 0; fi
work=$(mktemp -d "$cache/build.XXXXXX")
trap 'rm -rf "$work"' EXIT

# apt with folders of its own: the system's sources stay as they are. The mirror is whichever the system uses.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m1 '/debian/*$') ||
    die "the system's apt sources name no Debian mirror: set FREETHREADED_PYTHON instead"
mkdir -p "$work"/{lists/partial,archives/partial,source}
echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$work/sources.list"
own=(-o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$work/lists"
     -o Dir::Cache="$work" -o Dir::Cache::Archives="$work/archives" -o APT::Sandbox::User=root)

build() {
    set -e
    apt-get "${own[@]}" update
    cd "$work/source"
    # Upstream's archive alone: Debian's patches move pip's wheel to where only Debian has it.
    apt-get "${own[@]}" source --download-only python3.13
    tar -xf python3.13_*.orig.tar.xz
    cd Python-3.13*/
    nice ./configure --prefix="$prefix" --disable-gil --disable-test-modules --with-ensurepip=install CFLAGS=-O2
    nice make -j"$(nproc)"
    rm -rf "$prefix"
    make install
}

echo "building a free-threaded CPython 3.13 in $prefix (some five minutes; log: $log)" >&2
# In the background and waited for: behind `||` bash would ignore `set -e` inside.
build >"$log" 2>&1 &
wait $! || die "the build failed, its last lines ($log): $(tail -n 5 "$log")"

"$python" -c 'import ctypes, ssl, sqlite3, zlib, bz2, lzma' || die "$python lacks a standard module, see $log"
gil_is_off "$python" || die "$python runs, but with the GIL on"
echo "$python"
