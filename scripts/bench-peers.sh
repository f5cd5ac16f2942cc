#!/usr/bin/env bash
# Measures Stentor beside other people's servers and a floor of bare system
# calls: installs the Node packages that benchmarks/peers pins, builds Stentor,
# the small servers and the benchmark into a temporary folder, and runs it. A
# whole run leaves the raw rounds in benchmarks/results/peers-DATE.json, and makes
# the tables and plots of docs/benchmarks.md of them. It takes about twenty
# minutes on a machine that has nothing else to do, needs Node 20 with npm, no
# root, and talks over loopback only.
#
# Exit status: 0 if the run has come to its end, whatever it has found. Arguments
# go to the benchmark: -only SERVER,... and -sizes CONNECTIONS,... measure a part,
# -quick is a trial of half a minute whose figures mean nothing; none of these is
# kept.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

if command -v npm >/dev/null; then
    for folder in node soketi; do
        # Only what is not there as the lock file says. A server that cannot be
        # installed is left out.
        (cd "benchmarks/peers/$folder" &&
            { cmp -s package-lock.json node_modules/.installed ||
                { npm ci --ignore-scripts --loglevel=error && cp package-lock.json node_modules/.installed; }; }) ||
            echo "bench-peers.sh: benchmarks/peers/$folder is not installed" >&2
    done
fi

go build -o "$tmp/stentor" ./cmd/stentor
(cd benchmarks && go build -o "$tmp/" ./peers/... ./render)

. scripts/measure.sh
status=0
measure "$tmp/peers" -stentor "$tmp/stentor" -bin "$tmp" -peers "$PWD/benchmarks/peers" \
    -results "$PWD/benchmarks/results" -command "scripts/bench-peers.sh${*:+ $*}" "$@" || status=$?
if [ "$status" -eq 0 ]; then
    "$tmp/render" -results benchmarks/results -document docs/benchmarks.md -plots docs/benchmarks
fi
exit "$status"
