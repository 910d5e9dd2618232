#!/usr/bin/env bash
# Installs the programs and what belongs to them: manual pages, completions, units, default settings, documents, examples.
#
#   scripts/install.sh PROGRAMS       PROGRAMS: the folder with the built programs
#
# Environment: PREFIX (default /usr/local), DESTDIR (default none), UNITDIR ($PREFIX/lib/systemd/system),
# ZSHDIR ($PREFIX/share/zsh/site-functions). Settings that exist in /etc/tweet-pipeline stay as they are.
set -euo pipefail

PROGRAMS=$(realpath "${1:?usage: scripts/install.sh PROGRAMS}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
: "${PREFIX:=/usr/local}" "${DESTDIR:=}"
: "${UNITDIR:=$PREFIX/lib/systemd/system}" "${ZSHDIR:=$PREFIX/share/zsh/site-functions}"
readonly services=(tweet-producer tweet-loader tweet-timelines)

put() { # MODE FILE FOLDER: copies a file
    install -D -m "$1" "$2" "$DESTDIR$3/$(basename "$2")"
}

write() { # PATH: writes standard input to a file
    install -d "$DESTDIR$(dirname "$1")"
    cat >"$DESTDIR$1"
    chmod 0644 "$DESTDIR$1"
}

programs() {
    local program
    for program in "${services[@]}" sandbox; do
        [ -x "$PROGRAMS/$program" ] || {
            echo "install: there is no $program in $PROGRAMS: build it first (make release)" >&2
            exit 69
        }
    done
    for program in "${services[@]}"; do put 0755 "$PROGRAMS/$program" "$PREFIX/bin"; done
    # Its name is too general for everybody's PATH.
    put 0755 "$PROGRAMS/sandbox" "$PREFIX/lib/tweet-pipeline"
}

completions() {
    local program
    for program in "${services[@]}"; do
        # A file that is sourced has no interpreter.
        "$PROGRAMS/$program" --generate-completion-script bash | sed '1{/^#!/d}' |
            write "$PREFIX/share/bash-completion/completions/$program"
        "$PROGRAMS/$program" --generate-completion-script zsh | write "$ZSHDIR/_$program"
        "$PROGRAMS/$program" --generate-completion-script fish |
            write "$PREFIX/share/fish/vendor_completions.d/$program.fish"
    done
}

manual_pages() {
    local pages
    pages=$(mktemp -d)
    scripts/man.py "$pages" "${services[@]/#/$PROGRAMS/}"
    local page
    for page in "$pages"/*; do put 0644 "$page" "$PREFIX/share/man/man${page##*.}"; done
    rm -r "$pages"
}

# What a comment at the beginning says about a manual installation has happened; the programs are below PREFIX.
units() {
    local unit
    for unit in deploy/systemd/*; do
        sed -e '1,/^$/d' -e "s,/usr/local/bin/,$PREFIX/bin/," "$unit" | write "$UNITDIR/$(basename "$unit")"
    done
}

settings() {
    local file target
    for file in deploy/*.env; do
        target=$DESTDIR/etc/tweet-pipeline/$(basename "$file")
        [ -e "$target" ] || put 0640 "$file" /etc/tweet-pipeline
    done
}

example() { # FILE FOLDER
    if [ -x "$1" ]; then put 0755 "$1" "$2"; else put 0644 "$1" "$2"; fi
}

documents() {
    local folder=$PREFIX/share/doc/tweet-pipeline file
    # There, the README and docs/ are one folder.
    for file in README.md docs/*.md; do
        sed 's,](docs/,](,g; s,](\.\./README,](README,g' "$file" | write "$folder/$(basename "$file")"
    done
    for file in docs/pictures/*; do put 0644 "$file" "$folder/pictures"; done
    for file in LICENSE SECURITY.md; do put 0644 "$file" "$folder"; done
    for file in deploy/*/* kafka/*; do
        case $file in
            deploy/debian/* | deploy/systemd/*) ;;
            *) example "$file" "$folder/examples/$(basename "$(dirname "$file")")" ;;
        esac
    done
    put 0644 sql/indexes-for-analysts.sql "$folder/examples/sql"
}

programs
completions
manual_pages
units
settings
documents
