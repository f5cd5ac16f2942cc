#!/usr/bin/env bash
# Makes sure that what the tests need is on this machine: a C compiler for the
# race detector, curl, Node.js with npm, and Chromium; PHP, nginx and openssl for
# the documents. What is missing is installed by apt-get, as root or by sudo.
# No service is started, and nginx is not enabled to start with the machine.
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
need php php-cli
need openssl openssl
PATH=$PATH:/usr/sbin need nginx nginx-light # other users do not have sbin in their PATH
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
  policy=/usr/sbin/policy-rc.d # asked by Debian's packages whether to start a service
  if [ ! -e "$policy" ]; then
    trap '"${as_root[@]}" rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 755 "$policy"
  fi
  echo "installing ${missing[*]}"
  "${as_root[@]}" apt-get -qq update
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
  if [[ " ${missing[*]} " == *" nginx-light "* ]]; then
    "${as_root[@]}" env PATH="$PATH:/usr/sbin" update-rc.d nginx disable >/dev/null
  fi
fi

node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 18 || a === 18 && b >= 19 ? 0 : 1)' ||
  fail "node $(node --version) is too old: 18.19 is the least"
