# measure COMMAND... runs a benchmark in the background, so that a signal to the
# script that sources this reaches it and it can end its own processes, and
# returns its exit status.
measure() {
    "$@" &
    local pid=$! status=0
    # shellcheck disable=SC2064
    trap "kill -TERM $pid 2>/dev/null || true" INT TERM HUP
    wait "$pid" || status=$?
    while kill -0 "$pid" 2>/dev/null; do # the wait was interrupted
        status=0
        wait "$pid" || status=$?
    done
    return "$status"
}
