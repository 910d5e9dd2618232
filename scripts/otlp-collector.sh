#!/usr/bin/env bash
# Runs the OTLP collector of the tests (scripts/otlp-collector.py); its Python packages are installed from PyPI on first use,
# into .build/otlp-collector and nowhere else.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly folder=.build/otlp-collector
readonly packages=('opentelemetry-proto>=1.20,<2')

mkdir -p .build
exec 9>.build/otlp-collector.lock
flock 9
if [ ! -e "$folder/ready" ]; then
    rm -rf "$folder"
    if ! { python3 -m venv "$folder" && "$folder/bin/pip" install --quiet "${packages[@]}"; } \
        >.build/otlp-collector.log 2>&1 </dev/null; then
        tail -n 5 .build/otlp-collector.log >&2
        echo "otlp-collector: could not install ${packages[*]} from PyPI; the whole output is in .build/otlp-collector.log" >&2
        exit 69
    fi
    touch "$folder/ready"
fi
flock -u 9
[ "${1:-}" = --install ] || exec "$folder/bin/python" scripts/otlp-collector.py "$@" 9>&-
