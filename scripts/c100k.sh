#!/usr/bin/env bash
# 100,000 connections on this machine: starts enough gateway processes on one
# port (a process may have as many descriptors as `ulimit -Hn` says), connects
# and subscribes the clients by worker processes of `stentor loadtest`, publishes
# to all of them through each process's admin listener, then drops 30 % of them at
# once and watches them come back. It needs no root, changes no setting of the
# system, and talks over loopback only.
#
# Exit status: 0 if all connected, nothing was lost or came twice, and all came
# back; 1 if not.
#
#   -n N          connections (100000)
#   -m N          publications (30), 0: connect and storm only
#   -r RATE       publications a second (0.5)
#   -o FOLDER     keep table, JSON and HTML here (default: a temporary folder)
#   -p N          gateway processes (default: as few as descriptors allow)
#   -w N          publications to warm up (3)
#   -S            no storm
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

connections=100000 messages=30 rate=0.5 out='' processes='' storm=yes warmup=3
while getopts 'n:m:r:o:p:w:S' option; do
  case $option in
    n) connections=$OPTARG ;;
    m) messages=$OPTARG ;;
    r) rate=$OPTARG ;;
    o) out=$OPTARG ;;
    p) processes=$OPTARG ;;
    w) warmup=$OPTARG ;;
    S) storm=no ;;
    *) exit 2 ;;
  esac
done

tmp=$(mktemp -d)
pids=()
finish() {
  for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$tmp"
}
trap finish EXIT
trap 'exit 1' INT TERM HUP
[ -n "$out" ] || out=$tmp/results
mkdir -p "$out"

# The kernel deals connections to the processes by a hash, so each needs room for
# some per cent more than its share.
limit=$(ulimit -Hn)
[ "$limit" != unlimited ] && [ "$limit" -lt 1048576 ] || limit=1048576
ulimit -n "$limit"
if [ -z "$processes" ]; then
  room=$((limit - limit / 20 - 500))
  [ "$room" -gt 0 ] || { echo "c100k: a process may have $limit descriptors only: raise the limit (ulimit -n)" >&2; exit 1; }
  processes=$(((connections + room - 1) / room))
fi

go build -o "$tmp/stentor" ./cmd/stentor

"$tmp/stentor" doctor --connections "$connections" >"$tmp/doctor" 2>&1 || true

port=0
targets=()
for ((i = 0; i < processes; i++)); do
  HOME=$tmp "$tmp/stentor" serve --listen "127.0.0.1:$port" --admin 127.0.0.1:0 --reuse-port --drain-window 0s \
    >"$tmp/ready.$i" 2>"$tmp/log.$i" &
  pids+=($!)
  for ((wait = 0; wait < 200; wait++)); do
    line=$(grep -m1 'ready, listening on' "$tmp/ready.$i" "$tmp/log.$i" -h 2>/dev/null || true)
    [ -z "$line" ] || break
    sleep 0.05
  done
  [ -n "$line" ] || { echo "c100k: the gateway does not start:" >&2; cat "$tmp/log.$i" >&2; exit 1; }
  address=$(sed -E 's/.*listening on ([^,]+),.*/\1/' <<<"$line")
  admin=$(sed -E 's/.*admin ([^ ]+).*/\1/' <<<"$line")
  port=${address##*:}
  targets+=(--publish "http://$admin" --metrics "http://$admin" --pid "${pids[-1]}")
done
echo "$processes gateway processes on 127.0.0.1:$port"

run() { # name, scenario, arguments
  local name=$1 scenario=$2
  shift 2
  "$tmp/stentor" loadtest "$scenario" "ws://127.0.0.1:$port/raw/all" --connections "$connections" "${targets[@]}" \
    --timeout 60s --fail-if 'failed>0' --fail-if 'dropped>0' --fail-if 'publish_failed>0' --fail-if 'lost>0' --fail-if 'duplicated>0' --fail-if 'corrupted>0' \
    --json "$out/$name.json" --html "$out/$name.html" "$@" | tee "$out/$name.txt"
}

status=0
if [ "$messages" -gt 0 ]; then
  run "c$connections-broadcast" broadcast --messages "$messages" --rate "$rate" --warm-up "$warmup" || status=1
fi
if [ "$storm" = yes ]; then
  run "c$connections-storm" storm --drop 30% --rate 0.5 --fail-if 'returned<100%' || status=1
fi
exit "$status"
