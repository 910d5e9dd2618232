#!/usr/bin/env bash
# Runs the built tests, three targets at a time.
#
#   TARGETS='ATests BTests' [FILTER=REGEX [SKIP=REGEX]] scripts/test.sh BUILD-FOLDER [OPTION OF swift test]…
#
# With FILTER only the tests whose names match run, of whatever target, and of these not the ones that match SKIP. The results
# are in BUILD-FOLDER/tests.xml.
set -uo pipefail

build=$1
shift
# Tests wait for servers, so four of each target share two cores well. With many more tests than cores, tests delay each
# other, and their time limits, which count from the start of a test, would fail.
width=$(nproc)
if [ "$width" -lt 4 ]; then width=4; fi
# Nearly all the time of these goes by in waiting, for the mock cluster's group above all: with four at once the processors
# are idle for 9/10 of it.
readonly waiting=' LoaderFaultTests '
# A test that hangs must not hold up the others for ever; the slowest target takes a quarter of this.
readonly seconds=1800
# The program of all tests itself, since SwiftPM serves one `swift test` at a time.
bin=$("${SWIFT:-swift}" build --show-bin-path "$@") || exit
run=(timeout --kill-after=10 "$seconds" "$bin"/*PackageTests.xctest --testing-library swift-testing)
readonly limit=--experimental-maximum-parallelization-width
rm -f "$build"/tests*.xml "$build"/tests-of-*.log
# Installed here, so that no test waits for it.
"$(dirname "${BASH_SOURCE[0]}")/python.sh" --install || exit 69

if [ -n "${FILTER:-}" ]; then
    exec "${run[@]}" "$limit" "$width" --filter "$FILTER" ${SKIP:+--skip "$SKIP"} --xunit-output "$build/tests.xml"
fi

ended() { # STATUS TARGET
    if [ "$1" -eq 124 ]; then
        echo "$2 did not end within $seconds s: a test hangs" >&2
    elif [ "$1" -gt 128 ]; then
        echo "$2 was ended by SIG$(kill -l "$1")" >&2
    fi
}

# librdkafka's mock cluster ends the process when a broker that a test takes down cannot have its port again.
readonly lost_port='Failed to bind mock broker socket'

run_target() { # TARGET
    run_once "$1" && return
    local status=$?
    { [ "$status" -eq 134 ] && grep -qaF "$lost_port" "$(log "$1")"; } || return "$status"
    echo "$1 begins again: the mock cluster lost a port to another process" >&2
    run_once "$1"
}

run_once() { # TARGET
    local status=0 many=$width
    # With the processor time of the programs that the tests have started, in user mode and in the kernel.
    local TIMEFORMAT="-- $1: %0R s, processor %0U + %0S s"
    if [[ $waiting == *" $1 "* ]]; then many=$((3 * width)); fi
    printf '\n-- %s\n' "$1"
    time "${run[@]}" "$limit" "$many" --filter "^$1\." --xunit-output "$build/tests-of-$1.xml" || status=$?
    ended "$status" "$1"
    return "$status"
}

log() { echo "$build/tests-of-$1.log"; } # TARGET

declare -A running=()
status=0
# What still runs, and what that has started.
trap 'for row in "${!running[@]}"; do kill "$row" $(pgrep -P "$row"); done 2>/dev/null' EXIT

await_one() {
    local row
    wait -n -p row "${!running[@]}" || status=1
    cat "$(log "${running[$row]}")"
    unset "running[$row]"
}

for target in $TARGETS; do
    [ "${#running[@]}" -lt 3 ] || await_one
    run_target "$target" >"$(log "$target")" 2>&1 &
    running[$!]=$target
done
while [ "${#running[@]}" -gt 0 ]; do await_one; done
cat "$build"/tests-of-*.xml >"$build/tests.xml" || status=1
exit "$status"
