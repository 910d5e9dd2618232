#!/usr/bin/env bash
# Builds the programs optimized, so that they need no Swift at run time: every program, and nothing that is for tests only.
#
#   scripts/release.sh [OPTION OF swift build]…
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

for program in tweet-producer tweet-loader tweet-timelines sandbox; do
    "${SWIFT:-swift}" build -c release --static-swift-stdlib --product "$program" "$@"
done
