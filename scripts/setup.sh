#!/usr/bin/env bash
# Checks that this machine has what building, testing and the demo need.
#
#   scripts/setup.sh [PACKAGE…]     PACKAGE: further Debian packages whose command has the package's name (shellcheck)
#
# On Debian it installs the missing packages. On other systems it lists them and fails. The Swift toolchain is never installed, only checked.
set -euo pipefail

swift_needed=6.2
swift_page=https://www.swift.org/install/linux/

say() { printf 'setup: %s\n' "$*" >&2; }
fail() {
    say "$@"
    exit 69
}

have_command() { command -v "$1" >/dev/null 2>&1; }
have_library() { have_command pkg-config && pkg-config --exists "$1" 2>/dev/null; }
have_postgres() {
    local program
    for program in /usr/lib/postgresql/*/bin/initdb; do
        [ -x "$program" ] && return 0
    done
    have_command initdb && have_command postgres
}

# Whether the content of a Debian package is installed, from whatever source.
is_there() {
    case $1 in
        ca-certificates) [ -e /etc/ssl/certs/ca-certificates.crt ] || [ -e /etc/pki/tls/certs/ca-bundle.crt ] ;;
        libcurl4-openssl-dev) have_library libcurl ;;
        libpq-dev) have_library libpq ;;
        librdkafka-dev) have_library rdkafka ;;
        libsimdjson-dev) have_library simdjson ;;
        libssl-dev) have_library libcrypto ;;
        zlib1g-dev) have_library zlib ;;
        postgresql) have_postgres ;;
        debootstrap | logrotate) [ -x "/usr/sbin/$1" ] ;;
        dpkg-dev) have_command dpkg-shlibdeps ;;
        procps) have_command pkill ;;
        supervisor) have_command supervisord ;;
        pgbouncer) [ -x /usr/sbin/pgbouncer ] ;;
        systemd) have_command systemd-analyze ;;
        python3-venv) have_command python3 && python3 -c 'import venv, ensurepip' >/dev/null 2>&1 ;;
        *) have_command "$1" ;;
    esac
}

packages=(
    git ca-certificates          # SwiftPM fetches the Swift packages with it
    g++                          # the C++ library and its headers, for CSimdJSON
    pkg-config                   # SwiftPM finds the libraries below with it
    libcurl4-openssl-dev         # X and Kafka, PostgreSQL, JSON, gzip
    librdkafka-dev
    libpq-dev
    libsimdjson-dev
    libssl-dev                   # SHA-256
    zlib1g-dev
    postgresql                   # the demo and the tests start throw-away clusters of their own
    kcat                         # looks into the topic
    curl openssl                 # the tests talk to the simulator, and make throw-away certificates
    strace                       # makes the disk slow, for a test
    logrotate procps             # deploy/logrotate is tested with them
    mandoc                       # reads the manual pages that are made from the help
    supervisor                   # deploy/supervisor and `streams` are tested with it
    systemd                      # it reads the units of deploy/systemd
    pgbouncer                    # a pooler in the wrong mode, for a test
    python3                      # a web server that is not X, for a test
    python3-venv                 # the tests start Python programs with packages from PyPI (scripts/python.sh)
    "$@"
)
# Packages that an unpacked toolchain needs on a minimal Debian.
toolchain_packages=(libncurses6 libsqlite3-0 libxml2 libcurl4 tzdata)

swift_starts() { swift --version >/dev/null 2>&1; }

check_swift() {
    local version
    version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9][0-9.]*\).*/\1/p' | head -n 1) || true
    [ -n "$version" ] || fail "'swift --version' does not work here; run it to see why." \
        "What the toolchain itself needs: $swift_page"
    if [ "$(printf '%s\n' "$swift_needed" "$version" | sort -V | head -n 1)" != "$swift_needed" ]; then
        fail "Swift $version is too old, $swift_needed or newer is needed: see $swift_page"
    fi
}

missing_packages() {
    local package
    for package in "${packages[@]}"; do
        is_there "$package" || printf '%s\n' "$package"
    done
}

is_debian() {
    # shellcheck source=/dev/null
    [ -r /etc/os-release ] && . /etc/os-release && [ "${ID:-}" = debian ] && have_command apt-get
}

install_packages() {
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        have_command sudo || fail "not root, and sudo is not installed. Run as root: apt-get install $*"
        as_root=(sudo)
        say "installing with sudo: $*"
    else
        say "installing: $*"
    fi
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    if ! { "${as_root[@]}" apt-get update -qq &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends "$@"; } >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        fail "apt-get could not install: $*"
    fi
}

have_command swift || fail "no 'swift' in PATH. This project needs Swift $swift_needed or newer: see $swift_page"
! swift_starts || check_swift
mapfile -t missing < <(missing_packages)
if ! swift_starts && is_debian; then missing+=("${toolchain_packages[@]}"); fi
if [ "${#missing[@]}" -gt 0 ]; then
    is_debian || fail "missing here: ${missing[*]} (names as in Debian 12). Install what corresponds to them" \
        "with this system's package manager, then run this again."
    install_packages "${missing[@]}"
    mapfile -t missing < <(missing_packages)
    [ "${#missing[@]}" -eq 0 ] || fail "still missing after the installation: ${missing[*]}"
fi
check_swift
