#!/usr/bin/env bash
# Runs the built tests in two rows beside each other, each target after the other.
#
#   TARGETS='ATests BTests' [FILTER=REGEX] scripts/test.sh BUILD-FOLDER [OPTION OF swift test]…
#
# With FILTER only the tests whose names match run, of whatever target. The results are in BUILD-FOLDER/tests.xml.
set -uo pipefail

build=$1
shift
# Tests wait for servers, so four of them share two cores well. With many more tests than cores, tests delay each
# other, and their time limits, which count from the start of a test, would fail.
width=$(nproc)
if [ "$width" -lt 4 ]; then width=4; fi
# Nearly all the time of these goes by in waiting, for the mock cluster's group above all: with four at once the processors
# are idle for 9/10 of it.
readonly waiting=' LoaderFaultTests '
# The second row: they take as long as all others, and wait most of it for brokers that are slow or refuse, for services
# that end, and for time-outs.
readonly beside=' TimelinesIntegrationTests EndToEndTests JournalFaultTests LoaderFaultTests XFaultTests '
# A test that hangs must not hold up the others for ever; the slowest target takes a quarter of this.
readonly seconds=1800
# The program of all tests itself, since SwiftPM serves one `swift test` at a time.
bin=$("${SWIFT:-swift}" build --show-bin-path "$@") || exit
run=(timeout --kill-after=10 "$seconds" "$bin"/*PackageTests.xctest --testing-library swift-testing)
readonly limit=--experimental-maximum-parallelization-width
rm -f "$build"/tests*.xml
# Installed here, so that no test waits for it.
"$(dirname "${BASH_SOURCE[0]}")/python.sh" --install || exit 69

if [ -n "${FILTER:-}" ]; then
    exec "${run[@]}" "$limit" "$width" --filter "$FILTER" --xunit-output "$build/tests.xml"
fi

ended() { # STATUS TARGET
    if [ "$1" -eq 124 ]; then
        echo "$2 did not end within $seconds s: a test hangs" >&2
    elif [ "$1" -gt 128 ]; then
        echo "$2 was ended by SIG$(kill -l "$1")" >&2
    fi
}

run_row() { # TARGET…
    local status=0 target many start
    for target; do
        printf '\n-- %s\n' "$target"
        many=$width
        if [[ $waiting == *" $target "* ]]; then many=$((3 * width)); fi
        start=$SECONDS
        "${run[@]}" "$limit" "$many" --filter "^$target\\." --xunit-output "$build/tests-of-$target.xml" || {
            ended $? "$target"
            status=1
        }
        printf -- '-- %s: %s s\n' "$target" "$((SECONDS - start))"
    done
    return "$status"
}

status=0 first=() second=()
for target in $TARGETS; do
    if [[ $beside == *" $target "* ]]; then second+=("$target"); else first+=("$target"); fi
done
run_row "${second[@]}" >"$build/tests-beside.log" 2>&1 &
row=$!
# The row, and what it runs.
trap 'kill "$row" $(pgrep -P "$row") 2>/dev/null' EXIT
run_row "${first[@]}" || status=1
wait "$row" || status=1
trap - EXIT
cat "$build/tests-beside.log"
cat "$build"/tests-of-*.xml >"$build/tests.xml" || status=1
exit "$status"
