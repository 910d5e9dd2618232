#!/usr/bin/env bash
# Shows that scripts/folders.py and scripts/sizes.py fail when they should: in a copy of the sources, with one fault at a time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
mkdir "$copy/scripts"
cp -r Sources Tests "$copy/"
cp scripts/folders.py scripts/sizes.py "$copy/scripts/"
status=0

passes() { # SCRIPT
    if ! "$copy/scripts/$1" check >"$copy/output"; then
        echo "$1 fails without a fault:"
        cat "$copy/output"
        status=1
    fi
}

names() { # SCRIPT TEXT: the script fails, and its output has the text
    if "$copy/scripts/$1" check >"$copy/output"; then
        echo "$1 passes in spite of the fault, which should give: $2"
        status=1
    elif ! grep -qF "$2" "$copy/output"; then
        echo "$1 fails without this line: $2"
        cat "$copy/output"
        status=1
    fi
}

function_of() { # LINES: a Swift function; braces in strings and comments must not count
    echo 'func long() {'
    # shellcheck disable=SC2016
    echo '    let text = "}\(#"{"#)" // }'
    for ((line = 1; line < $1; line++)); do echo "    print(text)"; done
    echo '}'
}

passes folders.py
passes sizes.py

upward=$copy/Sources/PipelineKit/Core/Upward.swift
echo 'import Journal' >"$upward"
names folders.py 'Sources/PipelineKit/Core/Upward.swift:1: Core must not import Journal'
rm "$upward"

circle=$copy/Sources/PipelineKit/Journal/Segments/Circle.swift
echo 'let circle = ArchiveOptions.self' >"$circle"
names folders.py 'Journal: circle between folders: Archive <-> Segments'
rm "$circle"

status_of=$copy/Sources/PipelineKit/Postgres/Status.swift
echo 'let statusOfNothing = Failure(.badData, "no row")' >"$status_of"
names folders.py 'Sources/PipelineKit/Postgres/Status.swift:1: exit statuses exist only in commands'
mv "$status_of" "$copy/Sources/TweetLoader/Commands/"
passes folders.py
rm "$copy/Sources/TweetLoader/Commands/Status.swift"

long=$copy/Sources/PipelineKit/Core/Long.swift
function_of 30 >"$long"
passes sizes.py
function_of 31 >"$long"
names sizes.py 'Sources/PipelineKit/Core/Long.swift:1: long has 31 lines, at most 30'
for ((line = 1; line <= 301; line++)); do echo "// $line"; done >"$long"
names sizes.py 'Sources/PipelineKit/Core/Long.swift: 301 lines, at most 300'
rm "$long"

[ "$status" -eq 0 ] && echo 'both checks fail when they should'
exit "$status"
