#!/usr/bin/env bash
# Measures Stentor against its budgets, beside a floor of bare system calls in
# the same run: builds the server and the benchmark into a temporary folder,
# runs it, and writes the raw rounds to benchmarks/results/core-DATE.json.
# It takes about three minutes, needs no root and talks over loopback only.
#
# Exit status: 0 if every budget that can be measured here is kept, 1 if one is
# not or something has failed. Arguments go to the benchmark: -only NAME,...
# measures some figures, -quick is a trial of a few seconds whose figures mean
# nothing; neither is kept.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

go build -o "$tmp/stentor" ./cmd/stentor
(cd benchmarks && go build -o "$tmp/core" ./core)

. scripts/measure.sh
measure "$tmp/core" -stentor "$tmp/stentor" -results "$PWD/benchmarks/results" -command "scripts/bench-core.sh${*:+ $*}" "$@"
