#!/usr/bin/env bash
# 100,000 connections on this machine: starts enough gateway processes on one
# port (a process may have as many descriptors as `ulimit -Hn` says), connects
# and subscribes the clients by worker processes of `stentor loadtest`, publishes
# to all of them through each process's admin listener, and, with fresh gateways,
# drops 30 % of the clients at once and watches them come back. It needs no root,
# changes no setting of the system, and talks over loopback only.
#
# Exit status: 0 if all connected, nothing was lost or came twice, and all came
# back; 1 if not; 2 for a wrong command line.
#
#   -n N          connections (100000)
#   -m N          publications (30)
#   -r RATE       publications a second (50,000 deliveries a second, 20 at most)
#   -w N          publications to warm up (3)
#   -p N          gateway processes (as few as descriptors allow)
#   -g            before, the same with 1,000, 3,000, 10,000 and 30,000
#                 connections and as many processes: how the cost grows
#   -S            no storm
#   -o FOLDER     keep tables, JSON and HTML here (default: nowhere)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

connections=100000 messages=30 rate='' out='' processes='' warmup=3 grow='' storm=yes
while getopts 'n:m:r:o:p:w:gS' option; do
  case $option in
    n) connections=$OPTARG ;;
    m) messages=$OPTARG ;;
    r) rate=$OPTARG ;;
    o) out=$OPTARG ;;
    p) processes=$OPTARG ;;
    w) warmup=$OPTARG ;;
    g) grow=yes ;;
    S) storm=no ;;
    *) exit 2 ;;
  esac
done

tmp=$(mktemp -d)
pids=()
stop() {
  for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  pids=()
}
trap 'stop; rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM HUP
[ -n "$out" ] || out=$tmp
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

# start starts fresh gateways, and says in targets and port how they are reached.
start() {
  port=0 targets=()
  for ((i = 0; i < processes; i++)); do
    HOME=$tmp "$tmp/stentor" serve --listen "127.0.0.1:$port" --admin 127.0.0.1:0 --reuse-port --drain-window 0s \
      >"$tmp/ready" 2>"$tmp/log" &
    pids+=($!)
    local line=''
    for ((wait = 0; wait < 400; wait++)); do
      line=$(grep -m1 'ready, listening on' "$tmp/ready" || true)
      [ -z "$line" ] || break
      kill -0 "${pids[-1]}" 2>/dev/null || break
      sleep 0.05
    done
    [ -n "$line" ] || { echo "c100k: the gateway does not start:" >&2; cat "$tmp/log" >&2; exit 1; }
    local address=${line#*listening on } admin=${line##*admin }
    address=${address%%,*}
    port=${address##*:}
    targets+=(--publish "http://$admin" --metrics "http://$admin" --pid "${pids[-1]}")
  done
}

# run runs a scenario against fresh gateways: name, scenario, connections,
# arguments.
status=0
run() {
  local name=$1 scenario=$2 n=$3
  shift 3
  start
  printf '\n== %s: %d connections to %d gateway processes on 127.0.0.1:%s\n' "$scenario" "$n" "$processes" "$port"
  "$tmp/stentor" loadtest "$scenario" "ws://127.0.0.1:$port/raw/all" --connections "$n" "${targets[@]}" --timeout 60s \
    --fail-if 'failed>0' --fail-if 'dropped>0' --fail-if 'publish_failed>0' --fail-if 'lost>0' --fail-if 'duplicated>0' --fail-if 'corrupted>0' \
    --json "$out/$name.json" --html "$out/$name.html" "$@" | tee "$out/$name.txt" || status=1
  stop
}

broadcast() { # connections
  local each=${rate:-$(awk -v n="$1" 'BEGIN { r = 50000 / n; print (r > 20 ? 20 : r) }')}
  run "broadcast-$1" broadcast "$1" --messages "$messages" --rate "$each" --warm-up "$warmup"
}

if [ -n "$grow" ]; then
  for n in 1000 3000 10000 30000; do broadcast "$n"; done
fi
broadcast "$connections"
if [ "$storm" = yes ]; then
  run "storm-$connections" storm "$connections" --drop 30% --rate 0.5 --fail-if 'returned<100%'
fi
exit "$status"
