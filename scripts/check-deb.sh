#!/usr/bin/env bash
# Judges a Debian package: lintian, mandoc, what the programs contain and need.
#
#   scripts/check-deb.sh PACKAGE…
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0
bad() {
    echo "check-deb: $*" >&2
    status=1
}

for package in "$@"; do
    rm -rf "$work/tree"
    dpkg-deb --extract "$package" "$work/tree"
    lintian --fail-on error,warning --allow-root "$package" || bad "$package: lintian"
    gunzip -r "$work/tree/usr/share/man"
    remarks=$(mandoc -Tlint "$work"/tree/usr/share/man/man?/* || true)
    [ -z "$remarks" ] || bad "$package: mandoc -Tlint: $remarks"
    for program in "$work"/tree/usr/bin/* "$work"/tree/usr/lib/tweet-pipeline/*; do
        [[ $(readelf -S "$program") != *.symtab* ]] || bad "$program is not stripped"
        [[ $(readelf -d "$program") != *libswift* ]] || bad "$program needs Swift at run time"
        [[ $(readelf -d "$program") != *PATH* ]] || bad "$program searches libraries in a folder of its own"
    done
    # It is of no use on other machines, and differs from build to build.
    ! grep -rlF "$PWD" "$work/tree" || bad "$package: these files name the folder of the build"
done
exit "$status"
