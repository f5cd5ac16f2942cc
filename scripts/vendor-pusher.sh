#!/usr/bin/env bash
# Copies the browser's build of pusher-js, with its licence, out of the npm package
# that test/e2e/package.json pins to where the demo page has it. Run it when another
# version is pinned: the end-to-end tests compare the copies with the package.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

(cd test/e2e && npm ci --loglevel=error)
package=test/e2e/node_modules/pusher-js
copies=web/assets/vendor/pusher
mkdir -p "$copies"
install -m 644 "$package/LICENCE" "$package"/dist/web/pusher.min.js{,.LICENSE.txt} "$copies"
