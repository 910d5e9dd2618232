#!/usr/bin/env bash
# Installs the Debian package on a bare Debian 12 with a systemd of its own, and uses it as its first user: the commands of
# README.md, with the simulator of X, until tweets are in the table. Then it upgrades, removes and purges the package (F100).
#
#   scripts/package-host.sh --check              ends with 0 where such a host can be booted, else with 69 and the reason
#   scripts/package-host.sh --download PACKAGE   makes the bare system in .build/package-host (debootstrap), for later offline use
#   scripts/package-host.sh PACKAGE              does what is missing of that, and the test
#   scripts/package-host.sh --here PROGRAMS      the same over a view of this machine's files, with a small package whose programs
#                                                call these
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
name='package-host'
# shellcheck source=scripts/systemd-namespace.sh
. "$here/scripts/systemd-namespace.sh"
bare=$here/.build/package-host/root

prepare() { # ROOT [PACKAGE NEWER [PROGRAMS]]
    [ $# -gt 1 ] || return 0
    install -m 0644 "$2" "$1/root/tweet-pipeline.deb"
    install -m 0644 "$3" "$1/root/newer.deb"
    # Images of containers have one, which forbids that packages restart services.
    rm -rf "$1/etc/tweet-pipeline" "$1/var/lib/tweet-pipeline" "$1/usr/sbin/policy-rc.d"
    # Nobody is there to answer questions.
    printf 'APT::Get::Assume-Yes "true";\nAPT::Install-Recommends "false";\n' >"$1/etc/apt/apt.conf.d/90unattended"
    echo force-unsafe-io >"$1/etc/dpkg/dpkg.cfg.d/unattended"
    # The index of all manual pages of a machine takes seconds at each installation.
    rm -f "$1/var/lib/man-db/auto-update"
    echo "127.0.0.1 localhost $(uname -n)" >"$1/etc/hosts"
    [ -x "$1/usr/bin/sudo" ] || without_sudo "$1/usr/local/bin"
    if [ -n "${4:-}" ]; then
        mkdir -p "$1$called"
        mount --bind "$4" "$1$called"
    fi
}

# Where the host has the programs that the small package calls: the services do not see /home and /root.
called=/opt/tweet-pipeline-programs
small_programs() { # PROGRAMS FOLDER
    local program
    mkdir "$2"
    for program in tweet-producer tweet-loader tweet-timelines sandbox; do
        printf '#!/bin/sh\nif [ -d %s ]; then exec %s/%s "$@"; fi\nexec "%s/%s" "$@"\n' \
            "$called" "$called" "$program" "$1" "$program" >"$2/$program"
        chmod 0755 "$2/$program"
    done
}

# Who has no sudo is root and needs none.
without_sudo() { # FOLDER
    printf '#!/bin/sh\nexec "$@"\n' >"$1/sudo"
    printf '#!/bin/sh\nexec /root/edit "$@"\n' >"$1/sudoedit"
    chmod 0755 "$1/sudo" "$1/sudoedit"
}

if [ "${1:-}" = --first-process ]; then first_process "$@"; fi

# -- the bare system ------------------------------------------------------------------------------------------------------

# The archive that this machine installs from.
mirror() {
    # shellcheck disable=SC2016 # apt expands them
    apt-get indextargets --format '$(REPO_URI) $(LABEL) $(CODENAME)' 'Created-By: Packages' |
        sed -n 's/ Debian bookworm$//p' | head -n 1
}

make_bare() {
    local from
    from=$(mirror)
    [ -n "$from" ] || impossible "no archive of Debian 12 among the sources of apt"
    command -v debootstrap >/dev/null || impossible "debootstrap is not installed"
    rm -rf "$bare"
    mkdir -p "$bare"
    say "making a bare Debian 12 in $bare"
    debootstrap --include=sudo bookworm "$bare" "$from" >"$bare.log" 2>&1 || {
        tail -n 20 "$bare.log" >&2
        impossible "debootstrap failed: $bare.log"
    }
}

# The host has no network, so what the package depends on is downloaded before.
download() { # PACKAGE
    local needs
    needs=$(dpkg-deb --field "$1" Depends)
    [ "$(cat "$bare.complete" 2>/dev/null)" != "$needs" ] || return 0
    [ -e "$bare.complete" ] || make_bare
    cp /etc/resolv.conf "$bare/etc/resolv.conf"
    install -m 0644 "$1" "$bare/tmp/tweet-pipeline.deb"
    { chroot "$bare" apt-get -qq update &&
        chroot "$bare" apt-get -qq --download-only install /tmp/tweet-pipeline.deb postgresql; } >>"$bare.log" 2>&1 ||
        impossible "the dependencies cannot be downloaded: $bare.log"
    rm "$bare/tmp/tweet-pipeline.deb"
    echo "$needs" >"$bare.complete"
}

# The same package as a later version, with other defaults in two files.
newer() { # PACKAGE FOLDER
    dpkg-deb --raw-extract "$1" "$2/tree"
    sed -i 's/^Version: .*/&+later/' "$2/tree/DEBIAN/control"
    echo '# A later version says more.' | tee -a "$2/tree/etc/tweet-pipeline/loader.env" >>"$2/tree/etc/tweet-pipeline/timelines.env"
    dpkg-deb --root-owner-group -Znone --build "$2/tree" "$2/newer.deb" >/dev/null
}

# -- what is shown --------------------------------------------------------------------------------------------------------

is() { [ "$2" = "$3" ] || fail "$1: '$2', not '$3'"; }
is_not() { [ "$2" != "$3" ] || fail "$1: '$2'"; }
has() { [[ $2 == *"$3"* ]] || fail "$1: without '$3': $2"; }
property() { on_host systemctl show --property="$2" --value "$1"; }
on_shell() { on_host HOME=/root SUDO_EDITOR=/root/edit sh -c "$1"; }
await() { # WHAT COMMAND…
    local what=$1 tries
    shift
    for tries in $(seq 600); do
        if "$@"; then return; fi
        sleep 0.2
    done
    fail "$what (after $tries looks)"
}

# The commands of README.md: those of the block that begins with `sudo apt install`.
commands() { sed -n '/^sudo apt install/,/^```/p' "$here/README.md" | sed '/^```/d; s/ \{2,\}# .*//; s,\./tweet-pipeline_[^ ]*\.deb,/root/tweet-pipeline.deb,'; }

states() { on_host systemctl show --property=ActiveState,UnitFileState --value tweet-producer tweet-loader tweet-timelines tweet-console | xargs; }

sandbox() { # PART…: starts the simulators as units
    local part
    for part in "$@"; do
        on_host systemd-run --quiet --unit "sandbox-$part" /usr/lib/tweet-pipeline/sandbox "$part"
    done
    for part in "$@"; do await "sandbox $part" exported "$part"; done
}
exported() { on_host journalctl -o cat -u "sandbox-$1" | grep -q '^export'; }
setting() { on_host journalctl -o cat -u 'sandbox-*' | sed -n "s/^export $1='\(.*\)'/\1/p"; }

# What the operator writes into the two files.
editor() {
    on_host tee /root/edit >/dev/null <<END
#!/bin/sh
sed -i -e '/^KAFKA_PROPERTIES_FILE=/d; /^PG/d' \\
    -e 's,^KAFKA_BOOTSTRAP_SERVERS=.*,KAFKA_BOOTSTRAP_SERVERS=$(setting KAFKA_BOOTSTRAP_SERVERS),' \\
    -e 's,^DATABASE_URL=.*,DATABASE_URL=$(setting DATABASE_URL),' \\
    -e 's,^X_BEARER_TOKEN_FILE=.*,X_URL=$(setting X_URL)\\nX_BEARER_TOKEN=$(setting X_BEARER_TOKEN),' "\$@"
END
    on_host chmod 0755 /root/edit
}

query() { on_shell ". /etc/tweet-pipeline/loader.env; psql -AtXqc '$1' \"\$DATABASE_URL\""; }
has_tweets() { [ "$(query 'SELECT count(*) FROM tweets' 2>/dev/null || echo 0)" -gt "$1" ]; }

first_user() {
    local lines output
    mapfile -t lines < <(commands)
    is 'commands of the README' "${#lines[@]}" 5
    say "${lines[0]} $postgresql"
    output=$(on_shell "${lines[0]} $postgresql" 2>&1) || fail "$output"
    is 'nothing runs and nothing is enabled' "$(states)" 'inactive disabled inactive disabled inactive disabled inactive disabled'
    is 'files that differ from the package' "$(on_host dpkg --verify tweet-pipeline)" ''
    is 'modes of the settings' "$(on_shell 'stat -c %U:%G:%a /etc/tweet-pipeline/*.env' | sort -u)" root:tweet-pipeline:640
    is 'the folder of the journal' "$(on_host stat -c %U:%a /var/lib/tweet-pipeline)" tweet-pipeline:750
    local started=$SECONDS line
    sandbox x kafka postgres
    editor
    for line in "${lines[@]:1}"; do
        say "$line"
        on_shell "$line" </dev/null || fail "$line"
    done
    await 'tweets in the table' has_tweets 200
    say "from the installed package to tweets in the table: $((SECONDS - started)) s"
    has 'the services' "$(states)" 'active enabled active enabled'
    on_host tweet-producer health || fail 'the producer is not healthy'
    on_host tweet-loader health || fail 'the loader is not healthy'
    console
    say "from the installed package to tweets in the console: $((SECONDS - started)) s"
    [ $((SECONDS - started)) -lt 300 ] || fail 'this took more than 5 minutes'
}

# One more file to edit, and the tweets are in the browser.
console() {
    on_host /root/edit /etc/tweet-pipeline/console.env
    on_host systemctl enable --now tweet-console
    await 'a page with tweets of the simulator' page_shows /tweets coffee
}
page_shows() { # PATH TEXT
    # shellcheck disable=SC2016 # the shell of the host expands them
    on_host bash -c 'exec 3<>/dev/tcp/127.0.0.1/8080 &&
        printf "GET %s HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nConnection: close\r\n\r\n" "$0" >&3 && cat <&3' "$1" 2>/dev/null |
        grep -aq "$2"
}

journal() { on_shell 'cd /var/lib/tweet-pipeline && find . -name journal.json -exec sha256sum {} +'; }
settings() { on_shell 'cd /etc/tweet-pipeline && sha256sum producer.env loader.env'; }

upgrade() {
    local producer loader console before kept output
    producer=$(property tweet-producer MainPID) loader=$(property tweet-loader MainPID)
    console=$(property tweet-console MainPID)
    before=$(settings) kept=$(journal)
    output=$(on_host apt-get -o Dpkg::Options::=--force-confold install /root/newer.deb 2>&1) || fail "upgrade: $output"
    has 'the version' "$(on_host dpkg-query -W tweet-pipeline)" +later
    is 'the settings' "$(settings)" "$before"
    on_host test -e /etc/tweet-pipeline/loader.env.dpkg-dist || fail 'the new defaults are not beside the settings'
    has 'defaults that nobody changed' "$(on_host cat /etc/tweet-pipeline/timelines.env)" 'A later version'
    is 'modes of the settings' "$(on_shell 'stat -c %U:%G:%a /etc/tweet-pipeline/*.env' | sort -u)" root:tweet-pipeline:640
    is_not 'the loader was restarted' "$(property tweet-loader MainPID)" "$loader"
    is_not 'the console was restarted' "$(property tweet-console MainPID)" "$console"
    is 'the producer goes on' "$(property tweet-producer MainPID)" "$producer"
    has 'how to restart it' "$output" "systemctl try-restart 'tweet-producer*.service'"
    on_host systemctl try-restart 'tweet-producer*.service'
    is_not 'the producer was restarted' "$(property tweet-producer MainPID)" "$producer"
    is 'the journal' "$(journal)" "$kept"
    await 'more tweets' has_tweets "$(($(query 'SELECT count(*) FROM tweets') + 100))"
    say 'upgraded: settings kept, loader restarted, producer by the command that it prints'
}

remove() {
    local before kept
    before=$(settings) kept=$(journal)
    on_host apt-get remove tweet-pipeline >/dev/null 2>&1 || fail 'remove'
    is 'the services' "$(on_host pgrep -x -l 'tweet-.*' || true)" ''
    is 'the settings' "$(settings)" "$before"
    is 'the journal' "$(journal)" "$kept"
    on_host apt-get install /root/newer.deb >/dev/null 2>&1 || fail 'install again'
    is 'the settings' "$(settings)" "$before"
    on_host systemctl restart tweet-producer tweet-loader
    await 'more tweets' has_tweets "$(($(query 'SELECT count(*) FROM tweets') + 100))"
    say 'removed, and installed again: settings and journal kept'
}

purge() {
    local kept output
    on_shell 'echo secret >/etc/tweet-pipeline/x-token'
    on_host systemctl stop tweet-producer
    kept=$(journal)
    output=$(on_host apt-get purge tweet-pipeline 2>&1) || fail "purge: $output"
    has 'what is left' "$output" 'left in place: /var/lib/tweet-pipeline'
    has 'what is left' "$output" 'left in place: /etc/tweet-pipeline'
    is 'what is left in /etc/tweet-pipeline' "$(on_host ls /etc/tweet-pipeline)" x-token
    is 'the journal' "$(journal)" "$kept"
    is 'units' "$(on_shell 'find /etc/systemd /lib/systemd -name "tweet-*"')" ''
    is 'what dpkg knows of it' "$(on_host dpkg --list tweet-pipeline 2>/dev/null | grep '^[ir]' || true)" ''
    say 'purged: settings and units are gone; the journal and what the administrator added stay'
}

[ $# -ge 1 ] || {
    say "usage: $0 --check | --download PACKAGE | PACKAGE"
    exit 64
}

require
folder=$(mktemp -d)
trap 'end; rm -rf "$folder"' EXIT
lower=$bare
programs=
# On a bare system; this machine has it.
postgresql=postgresql
case $1 in
    --check)
        boot /
        exit 0
        ;;
    --download)
        download "$(realpath "$2")"
        exit 0
        ;;
    --here)
        programs=$(realpath "$2")
        small_programs "$programs" "$folder/programs"
        package=$("$here/scripts/deb.sh" "$folder/programs" "$folder" 2>/dev/null)
        lower=/
        postgresql=
        ;;
    *)
        package=$(realpath "$1")
        download "$package"
        ;;
esac
newer "$package" "$folder"
boot "$lower" "$package" "$folder/newer.deb" "$programs"
first_user
upgrade
remove
purge
say ok
