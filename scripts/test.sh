#!/usr/bin/env bash
# Runs all tests. What they need besides Go is installed where it is missing
# (see tools.sh), so a fresh Debian machine will do. The seeds of the fuzz
# targets run with the others; scripts/fuzz.sh looks for more.
#
#   CHROMIUM=/path/to/browser   use this browser instead of Debian's chromium
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

step=
trap '[ $? -eq 0 ] || echo "test.sh: FAILED: $step" >&2' EXIT

run() { # what it is, command
  step=$1
  local start=$SECONDS
  printf '\n== %s\n' "$step"
  "${@:2}"
  echo "   $((SECONDS - start)) s"
}

benchmarks() {
  (cd benchmarks && go vet ./... && go test -timeout 5m ./...)
}

run "tools that the tests need" scripts/tools.sh
run "gofmt, vet, staticcheck, and a build for macOS" scripts/lint.sh
run "tests" go test -timeout 5m ./...
run "tests with the race detector" go test -race -timeout 5m ./...
run "benchmarks module: vet and tests" benchmarks
run "browser client" scripts/client.sh
run "end-to-end tests" scripts/e2e.sh
printf '\nAll tests have passed, in %d s.\n' "$SECONDS"
