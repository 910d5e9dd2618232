#!/usr/bin/env bash
# Builds the programs optimized, so that they need no Swift at run time: every program, and nothing that is for tests only.
# The programs name no folder of the machine that built them.
#
#   scripts/release.sh [OPTION OF swift build]…
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

options=(
    -c release --static-swift-stdlib --disable-local-rpath
    -Xswiftc -no-toolchain-stdlib-rpath
    -Xswiftc -file-prefix-map -Xswiftc "$PWD=."
    -Xcc "-ffile-prefix-map=$PWD=."
)
for program in tweet-producer tweet-loader tweet-timelines sandbox; do
    "${SWIFT:-swift}" build "${options[@]}" --product "$program" "$@"
done
