#!/usr/bin/env bash
# Sees to the few programs that tests use and pip cannot bring: installs them where it may, else says so in one line.
# Their tests skip, with a reason, where a program is missing; under CI a skip fails (tests/conftest.py).
set -euo pipefail

programs=(
    redis-cli:redis-tools          # the real client drives examples/redis_server.py
    redis-benchmark:redis-tools
    ss:iproute2                    # resets connections from outside (ss -K) and looks at their queues
    curl:curl                      # HTTP clients that are not ours: uploads and Expect,
    wrk:wrk                        # keep-alive under load and across rolling restarts,
    ab:apache2-utils               # HTTP/1.0 with keep-alive,
    h2load:nghttp2-client          # pipelining
)
missing=()
for entry in "${programs[@]}"; do
    command -v "${entry%%:*}" >/dev/null || missing+=("${entry##*:}")
done
[ ${#missing[@]} -gt 0 ] || exit 0
mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)

if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    echo "installing ${missing[*]}, which tests use"
    install=(apt-get install -y -q --no-install-recommends "${missing[@]}")
    export DEBIAN_FRONTEND=noninteractive
    # The lists may be missing or older than the mirror: one try as it is, one with fresh lists.
    "${install[@]}" >/dev/null 2>&1 || { apt-get update -q && "${install[@]}"; } >/dev/null
else
    echo "some tests will be skipped for want of a program: install ${missing[*]} (Debian's names) to run them" >&2
fi
