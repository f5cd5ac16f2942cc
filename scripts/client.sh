#!/usr/bin/env bash
# Tests the browser client by itself: its logic in fake time, its types, its
# package. Arguments are passed to node.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../web/client"

npm ci --loglevel=error
node --test --test-reporter=spec "$@" ./test/*.test.js
