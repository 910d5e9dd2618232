#!/usr/bin/env bash
# Builds the fuzz targets and runs them one after the other; fails when one finds something.
#
#   scripts/fuzz.sh [TARGET…]     framer, control, tweet; none: builds only
#   scripts/fuzz.sh --runtime     prints the path of libFuzzer's runtime
#
# FUZZ_RUNS inputs per target, or FUZZ_SECONDS unless that is 0. FUZZ_CORPUS names files of JSON Lines as seeds beside
# Fuzz/Seeds. The corpus stays in .build-fuzz/corpus, and an input that fails in .build-fuzz/found. With
# FUZZ_SANITIZER=address the build is that of `make test-address`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly folder=.build-fuzz longest=8192
if [ "${FUZZ_SANITIZER:-}" = address ]; then
    # The shadow and the freed memory that the sanitizer keeps are most of it.
    readonly build=.build-address program=.build-address/debug/fuzz options=(--sanitize=address) megabytes=2048
else
    readonly build=.build-fuzz program=.build-fuzz/release/fuzz options=(-c release) megabytes=512
fi

resources=$("$SWIFT" -print-target-info | sed -n 's/.*"runtimeResourcePath": "\(.*\)".*/\1/p')
runtime=$(find -L "$resources/clang/lib/linux" -name "libclang_rt.fuzzer_no_main-$(uname -m).a" -print -quit)
[ -n "$runtime" ] || { echo "fuzz: this Swift toolchain has no libFuzzer in $resources/clang" >&2; exit 69; }
if [ "${1:-}" = --runtime ]; then
    echo "$runtime"
    exit 0
fi

FUZZER_RUNTIME=$runtime scripts/quiet.sh 'building the fuzz targets' "$build/make-fuzz.log" \
    "$SWIFT" build "${options[@]}" --scratch-path "$build" --product fuzz
[ $# -gt 0 ] || exit 0
mkdir -p "$folder/found"

limit=(-runs="$FUZZ_RUNS")
if [ "$FUZZ_SECONDS" != 0 ]; then limit=(-max_total_time="$FUZZ_SECONDS"); fi
status=0
for target in "$@"; do
    corpus=$folder/corpus/$target
    mkdir -p "$corpus"
    # The framer's first two bytes are not lines.
    if [ -n "$FUZZ_CORPUS" ] && [ "$target" != framer ]; then
        # shellcheck disable=SC2086
        cat $FUZZ_CORPUS | awk -v folder="$corpus" -v longest="$longest" '
            length($0) > 0 && length($0) < longest { file = folder "/given-" ++n; printf "%s", $0 > file; close(file) }'
    fi
    log=$folder/$target.log
    # Swift's own handler of crashes would end the process before libFuzzer keeps the input.
    if SWIFT_BACKTRACE=enable=no "$program" "$target" "${limit[@]}" -max_len="$longest" -timeout=10 \
        -rss_limit_mb="$megabytes" -dict=Fuzz/tokens.dict -artifact_prefix="$folder/found/$target-" -print_final_stats=1 \
        "$corpus" "Fuzz/Seeds/$target" >"$log" 2>&1 </dev/null; then
        awk -v target="$target" '/number_of_executed_units/ { runs = $2 } /average_exec_per_sec/ { rate = $2 }
            /peak_rss_mb/ { printf "fuzz: %s: %d inputs, %d a second, %d MB, nothing found\n", target, runs, rate, $2 }' "$log"
    else
        status=1
        echo "fuzz: $target: found a failure; the whole output is in $log" >&2
        grep -aE 'does not hold|Fatal error|Test unit written|ERROR' "$log" >&2 || tail -n 5 "$log" >&2
    fi
done
exit "$status"
