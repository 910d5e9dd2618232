#!/usr/bin/env bash
# Runs a Python program of this folder with the packages that it names, installed from PyPI into .build/python and nowhere else.
#
#   scripts/python.sh PROGRAM [ARGUMENT…]
#   scripts/python.sh --install [PROGRAM…]     only installs; all programs of this folder when none is named
#
# A program names its packages in a line `# packages: NAME>=VERSION …`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

packages() { sed -n 's/^# packages: //p' "scripts/$1.py"; }

# One environment for each program: the packages of one must not hold back those of another.
install() { # PROGRAM
    local folder=.build/python/$1 log=.build/python/$1.log wanted
    read -ra wanted <<<"$(packages "$1")"
    mkdir -p .build/python
    exec 9>"$folder.lock"
    flock 9
    if [ "$(cat "$folder/installed" 2>/dev/null)" != "${wanted[*]}" ]; then
        rm -rf "$folder"
        if ! { python3 -m venv "$folder" && "$folder/bin/pip" install --quiet "${wanted[@]}"; } >"$log" 2>&1 </dev/null; then
            tail -n 5 "$log" >&2
            echo "python.sh: could not install ${wanted[*]} from PyPI; the whole output is in $log" >&2
            exit 69
        fi
        echo "${wanted[*]}" >"$folder/installed"
    fi
    exec 9>&-
}

if [ "${1:-}" = --install ]; then
    shift
    if [ $# -eq 0 ]; then
        mapfile -t programs < <(grep -l '^# packages: ' scripts/*.py | sed 's|.*/||; s|\.py$||')
        set -- "${programs[@]}"
    fi
    for program; do install "$program"; done
    exit
fi
program=$1
shift
install "$program"
exec ".build/python/$program/bin/python" "scripts/$program.py" "$@"
