#!/usr/bin/env bash
# Lines of code by module, at commits of this repository, each a column.
#
#   scripts/lines.sh [COMMIT]…     without one: HEAD
#
# Counts lines of Swift and C that are neither empty nor comments. Shared modules are the folders of Sources/PipelineKit; tests are
# summed by tier.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[ $# -gt 0 ] || set -- HEAD
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

count() { # COMMIT: lines of "MODULE COUNT"
    mkdir -p "$folder/$1"
    git archive "$1" Sources Tests | tar -x -C "$folder/$1"
    (cd "$folder/$1" && find Sources Tests -regex '.*\.\(swift\|c\|cpp\|h\)' -print0 |
        xargs -0 awk '/^[[:space:]]*(\/\/|$)/ { next } { print FILENAME }') |
        sed -E 's#^Sources/(PipelineKit/[^/]+|[^/]+)/.*#\1#; s#^(Tests/[^/]+)/.*#\1#' | sort | uniq -c |
        awk '{ print $2, $1 }'
}

for commit; do count "$commit" | sed "s#^#$(git rev-parse --short "$commit") #"; done |
    awk '
        !($1 in seen) { seen[$1] = 1; columns[++width] = $1 }
        { modules[$2] = 1; lines[$1, $2] = $3; sum[$1, substr($2, 1, 6) == "Tests/"] += $3 }
        function row(title, values, name, column, text) {
            text = sprintf("%-26s", title)
            for (column = 1; column <= width; column++)
                text = text sprintf(" %9s", (columns[column], name) in values ? values[columns[column], name] : "-")
            return text
        }
        END {
            text = sprintf("%-26s", "module")
            for (column = 1; column <= width; column++) text = text sprintf(" %9s", columns[column])
            print text
            fflush()
            for (name in modules) print row(name, lines, name) | "sort"
            close("sort")
            print row("all sources", sum, 0)
            print row("all tests", sum, 1)
        }'
