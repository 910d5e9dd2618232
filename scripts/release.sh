#!/usr/bin/env bash
# Builds the programs as they are installed, into .build-release: every program, optimized, without what is for tests only,
# and so that it needs no Swift at run time.
# The programs name no folder of the machine that built them.
#
#   scripts/release.sh [OPTION OF swift build]…
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

options=(
    -c release --scratch-path .build-release --static-swift-stdlib --disable-local-rpath
    -Xswiftc -no-toolchain-stdlib-rpath
    -Xswiftc -file-prefix-map -Xswiftc "$PWD=."
    -Xcc "-ffile-prefix-map=$PWD=."
)
# All at once: with a product each, one program waits for the other, and half of the processors for both.
TEST_TARGETS='' exec "${SWIFT:-swift}" build "${options[@]}" "$@"
