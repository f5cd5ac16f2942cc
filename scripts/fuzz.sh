#!/usr/bin/env bash
# Fuzzes each fuzz target of the module for a while. What it finds is kept in
# testdata/fuzz beside the target, and is a test from then on.
#
#   FUZZTIME=30s   time for each target
#   scripts/fuzz.sh ./frame        the targets of one package only
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fuzztime=${FUZZTIME:-30s}
[ $# -gt 0 ] || set -- ./...

found=0
for package in $(go list "$@"); do
  targets=$(go test -list '^Fuzz' "$package")
  for target in $(grep '^Fuzz' <<<"$targets" || true); do
    found=$((found + 1))
    echo "== $package $target, $fuzztime"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$fuzztime" "$package"
  done
done
echo "$found fuzz targets"
