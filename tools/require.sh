#!/usr/bin/env bash
# Says in one line what is missing: `tools/require.sh cargo cc` fails at the first of them that is not there or too old.
set -uo pipefail
cd "$(dirname "$0")/.."

stop() { echo "$*" >&2; exit 1; }

for tool in "$@"; do
    case $tool in
        cargo)
            wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
            command -v cargo >/dev/null || stop "no cargo on the PATH: install Rust >= $wanted (rustup, or your system's package)"
            found=$(cargo --version 2>/dev/null | cut -d' ' -f2)
            [ -n "$found" ] || stop "cargo is there but does not run, try 'cargo --version': rustup may lack its toolchain"
            [ "$(printf '%s\n' "$wanted" "$found" | sort -V | head -n 1)" = "$wanted" ] ||
                stop "cargo $found is too old: Floodway needs Rust >= $wanted (rustup update)"
            ;;
        cc)
            command -v "${CC:-cc}" >/dev/null ||
                stop "no C compiler (${CC:-cc}), which Rust links with: install one (Debian: apt-get install gcc libc6-dev)"
            ;;
        rustfmt | clippy)
            cargo "${tool/rustfmt/fmt}" --version >/dev/null 2>&1 ||
                stop "no $tool: run 'rustup component add $tool' (or install your system's package of it)"
            ;;
        miri)
            cargo +nightly miri --version >/dev/null 2>&1 ||
                stop "no Miri: run 'rustup toolchain install nightly --component miri,rust-src'"
            ;;
        nightly)
            cargo +nightly --version >/dev/null 2>&1 ||
                stop "no nightly Rust, which the sanitizers need: run 'rustup toolchain install nightly'"
            ;;
        cargo-fuzz)
            command -v cargo-fuzz >/dev/null || stop "no cargo-fuzz on the PATH: run 'cargo install cargo-fuzz'"
            ;;
        *)
            command -v "$tool" >/dev/null || stop "no $tool on the PATH: install it, then run this again"
            ;;
    esac
done
