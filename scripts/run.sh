#!/usr/bin/env bash
# Runs the server from source, on this machine only. Arguments are passed on:
# scripts/run.sh --listen 127.0.0.1:9000. Signals reach the server, and its exit
# status is this script's.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

pid= early= interrupted=
pass() { # signal
  interrupted=1
  if [ -n "$pid" ]; then
    kill -s "$1" "$pid" 2>/dev/null || true
  else
    early=$1
  fi
}
for signal in INT TERM HUP; do
  # shellcheck disable=SC2064
  trap "pass $signal" "$signal"
done

go build -buildvcs=false -o "$tmp/stentor" ./cmd/stentor
[ -z "$early" ] || exit 1

set -m # a process group of its own: Ctrl-C reaches it from here only, once
"$tmp/stentor" serve "$@" &
pid=$!
[ -z "$early" ] || kill -s "$early" "$pid" 2>/dev/null || true

status=0
wait "$pid" || status=$?
while [ -n "$interrupted" ]; do # by a signal, it was not the end
  interrupted='' status=0
  wait "$pid" || status=$?
done
exit "$status"
