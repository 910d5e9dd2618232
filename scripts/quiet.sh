#!/usr/bin/env bash
# Runs a long command with its output in a file, and shows its progress and duration on one line.
#
#   scripts/quiet.sh LABEL LOGFILE COMMAND…
#
# When the command fails, its errors (or the end of its output) are shown. Its exit status is passed on.
set -uo pipefail

label=$1 log=$2
shift 2
mkdir -p "$(dirname "$log")"

# On a terminal the line shows the time and SwiftPM's [done/all]; elsewhere it is written once.
watch_progress() {
    while sleep 1; do
        printf '\r%s … %d s %s\033[K' "$label" "$SECONDS" \
            "$(tail -c 400 "$log" 2>/dev/null | grep -aoE '\[[0-9]+/[0-9]+\]' | tail -n 1)" >&2
    done
}

SECONDS=0
watcher=
if [ -t 2 ]; then
    watch_progress &
    watcher=$!
fi
"$@" >"$log" 2>&1 </dev/null
status=$?
if [ -n "$watcher" ]; then
    kill "$watcher" 2>/dev/null
    wait "$watcher" 2>/dev/null
    printf '\r\033[K' >&2
fi

if [ "$status" -ne 0 ]; then
    printf '%s: failed after %d s; the whole output is in %s\n' "$label" "$SECONDS" "$log" >&2
    grep -aE '(^|[ :])(error|fatal):' "$log" | sort -u | head -n 30 >&2 || tail -n 30 "$log" >&2
    exit "$status"
fi
printf '%s: %d s\n' "$label" "$SECONDS" >&2
