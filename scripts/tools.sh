#!/usr/bin/env bash
# Makes sure that what the tests need is on this machine: a C compiler for the
# race detector, curl, Node.js with npm, and Chromium. What is missing is
# installed by apt-get, as root or by sudo.
#
#   CHROMIUM=/path/to/browser   use this browser instead of Debian's chromium
set -euo pipefail

fail() {
  echo "tools.sh: $*" >&2
  exit 1
}

command -v go >/dev/null || fail "there is no go command: install Go, at least the version that go.mod names"

missing=()
need() { # command, packages that bring it
  command -v "$1" >/dev/null || missing+=("${@:2}")
}
echo '#include <stdlib.h>' | "$(go env CC)" -E - >/dev/null 2>&1 || missing+=(gcc libc6-dev)
need curl curl ca-certificates
need node nodejs
need npm npm
if [ -n "${CHROMIUM:-}" ]; then
  [ -x "$CHROMIUM" ] || fail "CHROMIUM is $CHROMIUM, which is no program"
else
  need chromium chromium
fi

if [ ${#missing[@]} -gt 0 ]; then
  command -v apt-get >/dev/null || fail "install what these Debian packages hold: ${missing[*]}"
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! sudo -n true 2>/dev/null && ! { command -v sudo >/dev/null && [ -t 0 ]; }; then # a terminal can be asked
      fail "no permission to install: ask for the Debian packages ${missing[*]}"
    fi
    as_root=(sudo)
  fi
  echo "installing ${missing[*]}"
  "${as_root[@]}" apt-get -qq update
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
fi

node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 18 || a === 18 && b >= 19 ? 0 : 1)' ||
  fail "node $(node --version) is too old: 18.19 is the least"
