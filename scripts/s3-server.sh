#!/usr/bin/env bash
# Runs the S3 server of the tests (scripts/s3-server.py); its Python packages are installed from PyPI on first use,
# into .build/s3-server and nowhere else.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly folder=.build/s3-server
readonly packages=('moto[s3,server]>=5,<6')

mkdir -p .build
exec 9>.build/s3-server.lock
flock 9
if [ ! -e "$folder/ready" ]; then
    rm -rf "$folder"
    if ! { python3 -m venv "$folder" && "$folder/bin/pip" install --quiet "${packages[@]}"; } \
        >.build/s3-server.log 2>&1 </dev/null; then
        tail -n 5 .build/s3-server.log >&2
        echo "s3-server: could not install ${packages[*]} from PyPI; the whole output is in .build/s3-server.log" >&2
        exit 69
    fi
    touch "$folder/ready"
fi
flock -u 9
[ "${1:-}" = --install ] || exec "$folder/bin/python" scripts/s3-server.py 9>&-
