#!/usr/bin/env bash
# Runs the end-to-end tests: the real server, clients that other people have
# written, and a browser. Arguments are passed to node, "--test-name-pattern
# copied" for example.
#
#   CHROMIUM=/path/to/browser   use this browser instead of Debian's chromium
#   E2E_SHOTS=/some/folder      put pictures of the page there
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/tools.sh

temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
go build -buildvcs=false -o "$temp/stentor" ./cmd/stentor
export E2E_STENTOR=$temp/stentor

cd test/e2e
npm ci --loglevel=error
node --test --test-reporter=spec "$@" ./*.test.js
