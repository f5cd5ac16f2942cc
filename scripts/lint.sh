#!/usr/bin/env bash
# Checks the source without running it, the benchmarks' module included:
# gofmt, go vet, staticcheck, and whether all of it compiles for macOS.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

staticcheck=honnef.co/go/tools/cmd/staticcheck@v0.8.2

check() { # a module's folder
  cd "$1"
  local unformatted
  unformatted=$(go list -f '{{.Dir}}' ./... | tr '\n' '\0' | xargs -0 gofmt -l | sort -u)
  if [ -n "$unformatted" ]; then
    printf 'lint.sh: not formatted by gofmt:\n%s\n' "$unformatted" >&2
    exit 1
  fi
  go vet ./...
  go run "$staticcheck" ./...
}

(check .)
(check benchmarks)
GOOS=darwin GOARCH=arm64 go build ./...
