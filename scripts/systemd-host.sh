#!/usr/bin/env bash
# Runs `tweet-producer streams` on a host with a systemd of its own: process 1 of its own namespaces, over a view of this
# machine's files in which every change is in memory. Streams are added, changed, stopped, killed, removed and rolled back.
#
#   scripts/systemd-host.sh --check       ends with 0 where such a host can be booted, else with 69 and the reason
#   scripts/systemd-host.sh PRODUCER      PRODUCER: the executable of tweet-producer
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
say() { printf 'systemd-host: %s\n' "$*" >&2; }
fail() {
    on_host journalctl --no-pager --lines=40 >&2 || true
    say "failed: $*"
    exit 1
}
impossible() {
    say "not possible here: $*"
    exit 69
}

# -- the host, as the first process of its namespaces ---------------------------------------------------------------------

mount_root() {
    mount --make-rprivate /
    mount -t tmpfs -o mode=755 tmpfs "$1"
    mkdir "$1/upper" "$1/work" "$1/root"
    mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
}

mount_system() {
    mount -t proc proc "$1/proc"
    mount -t sysfs sysfs "$1/sys"
    mount -t cgroup2 cgroup2 "$1/sys/fs/cgroup"
    mount -t tmpfs -o mode=755 tmpfs "$1/dev"
    local node
    for node in null zero full random urandom tty; do
        touch "$1/dev/$node"
        mount --bind "/dev/$node" "$1/dev/$node"
    done
    mkdir "$1/dev/shm" "$1/dev/pts"
    mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$1/dev/pts"
    ln -s pts/ptmx "$1/dev/ptmx"
    mount -t tmpfs -o mode=1777 tmpfs "$1/dev/shm"
    mount -t tmpfs -o mode=755 tmpfs "$1/run"
    mkdir -m 1777 "$1/run/lock"
    mount -t tmpfs -o mode=1777 tmpfs "$1/tmp"
}

# Only journald and what belongs to the streams starts.
reduce_units() {
    local units=$1/usr/lib/systemd/system
    rm -rf "$1"/etc/systemd/system/*.wants "$1"/etc/systemd/system/*.requires "$units"/*.target.wants "$1/etc/fstab"
    mkdir -p "$units/sockets.target.wants" "$1/etc/systemd/system/multi-user.target.wants"
    ln -s ../systemd-journald.socket "$units/sockets.target.wants/"
}

install_streams() {
    install -m 0755 "$2" "$1/usr/local/bin/tweet-producer"
    install -m 0644 "$here/deploy/systemd/tweet-producer@.service" "$here/deploy/systemd/tweet-streams.target" \
        "$1/etc/systemd/system/"
    ln -s ../tweet-streams.target "$1/etc/systemd/system/multi-user.target.wants/"
    chroot "$1" id tweet-pipeline >/dev/null 2>&1 ||
        chroot "$1" useradd --system --no-create-home --shell /usr/sbin/nologin tweet-pipeline
    rm -rf "$1/etc/tweet-pipeline" "$1/var/lib/tweet-pipeline"
    install -d "$1/etc/tweet-pipeline/tokens"
    local token
    for token in a b c; do
        printf 'token-%s\n' "$token" >"$1/etc/tweet-pipeline/tokens/$token"
        chroot "$1" chgrp tweet-pipeline "/etc/tweet-pipeline/tokens/$token"
        chmod 0640 "$1/etc/tweet-pipeline/tokens/$token"
    done
}

if [ "${1:-}" = --first-process ]; then
    ip link set lo up
    mount_root "$2"
    mount_system "$2/root"
    reduce_units "$2/root"
    install_streams "$2/root" "$3"
    # systemd binds its root elsewhere for each service, which needs a root that is one: chroot(8) alone makes none.
    mkdir "$2/root/.before"
    cd "$2/root"
    pivot_root . .before
    exec chroot . /bin/sh -c 'umount --lazy /.before
        exec env -i container=unshare PATH=/usr/sbin:/usr/bin:/sbin:/bin \
            /lib/systemd/systemd --system --unit=multi-user.target --show-status=no'
fi

# -- boot -----------------------------------------------------------------------------------------------------------------

work=
group=
outside=
first=

end() {
    # Process 1 takes all others with it.
    [ -z "$first" ] || kill -KILL "$first" 2>/dev/null || true
    [ -z "$outside" ] || wait "$outside" 2>/dev/null || true
    if [ -n "$group" ]; then
        find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null || true
    fi
    [ -z "$work" ] || rm -rf "$work"
}

require() {
    [ "$(id -u)" = 0 ] || impossible "not root"
    [ -x /lib/systemd/systemd ] || impossible "systemd is not installed"
    groups=$(findmnt --noheadings --first-only --output TARGET --types cgroup2) || impossible "no cgroup2 is mounted"
    unshare --mount --uts --ipc --net --pid --cgroup --fork true 2>/dev/null || impossible "namespaces are not allowed"
}

boot() {
    work=$(mktemp -d /tmp/systemd-host.XXXXXX)
    group=$groups/systemd-host.$$
    mkdir "$group" || impossible "no cgroup can be made in $groups"
    (
        echo "$BASHPID" >"$group/cgroup.procs"
        exec unshare --mount --uts --ipc --net --pid --cgroup --fork --kill-child \
            "$here/scripts/systemd-host.sh" --first-process "$work" "$1"
    ) >"$work.log" 2>&1 &
    outside=$!
    local tries
    for tries in $(seq 300); do
        first=$(pgrep -P "$outside" | head -n 1) || true
        if [ -n "$first" ] && [ "$(cat "/proc/$first/comm" 2>/dev/null)" = systemd ] &&
            state=$(on_host systemctl is-system-running 2>/dev/null || true) && [[ $state =~ running|degraded ]]; then
            say "systemd is up ($state), $(on_host systemctl --version | head -n 1)"
            return
        fi
        kill -0 "$outside" 2>/dev/null || break
        sleep 0.2
    done
    cat "$work.log" >&2
    impossible "systemd does not boot (after $tries tries)"
}

on_host() {
    nsenter --target "$first" --mount --uts --ipc --net --pid --cgroup --root --wd=/ \
        /usr/bin/env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

# -- what is shown --------------------------------------------------------------------------------------------------------

streams() { on_host tweet-producer streams "$@"; }
unit() { printf 'tweet-producer@%s.service' "$1"; }
property() { on_host systemctl show --property="$2" --value "$(unit "$1")"; }
process() { property "$1" MainPID; }

# expect STATUS TEXT COMMAND…: the command ends with this status and writes this text.
expect() {
    local wanted=$1 text=$2 status=0 output
    shift 2
    output=$("$@" 2>&1) || status=$?
    [ "$status" = "$wanted" ] || fail "status $status, not $wanted: $*: $output"
    [[ $output == *"$text"* ]] || fail "without '$text': $*: $output"
}
is() { [ "$2" = "$3" ] || fail "$1: '$2', not '$3'"; }
is_not() { [ "$2" != "$3" ] || fail "$1: '$2'"; }

edit() { on_host sed -i "$1" /etc/tweet-pipeline/streams.yaml; }

add_and_change() {
    local common=(--set kafka_bootstrap_servers=127.0.0.1:1 --set x_url=http://127.0.0.1:1 --set drain=1s)
    expect 0 "stream 'one' is up" streams add one --token-file tokens/a "${common[@]}"
    expect 0 "stream 'two' is up" streams add two --token-file tokens/b "${common[@]}"
    is 'one runs' "$(property one ActiveState) $(property one UnitFileState)" 'active enabled'
    is 'its user' "$(on_host ps -o user:20= -p "$(process one)" | tr -d ' ')" tweet-pipeline
    expect 0 'nothing to do' streams plan --exit-code
    local one two
    one=$(process one) two=$(process two)
    edit '/name: two/,$ s/drain: 1s/drain: 2s/'
    edit "/name: two/,\$ s/drain: '1s'/drain: 2s/"
    expect 0 '~ restart  two  drain: 1s → 2s' streams apply --yes
    is 'one goes on' "$(process one)" "$one"
    is_not 'two was restarted' "$(process two)" "$two"
    say 'added two streams and changed one: exactly that one was restarted'
}

stop_and_remove() {
    expect 0 'its journal stays in /var/lib/tweet-pipeline/journal/one' streams deactivate one
    is 'one is off' "$(property one ActiveState) $(property one UnitFileState)" 'inactive disabled'
    on_host test -e /var/lib/tweet-pipeline/journal/one/journal.json || fail 'the journal of one was deleted'
    on_host grep -q '"cause":"stopped".*"type":"applied"' -r /var/lib/tweet-pipeline/journal/one ||
        fail 'the journal does not have what was done'
    expect 0 "stream 'one' is up" streams activate one
    expect 0 "stream 'one' is stopped" streams remove one
    is 'one is gone' "$(property one ActiveState) $(property one UnitFileState)" 'inactive disabled'
    say 'deactivated, activated and removed a stream; its journal stays'
}

# root can read the token, the streams' user cannot: only the process finds that.
roll_back() {
    local before
    before=$(on_host cat /etc/tweet-pipeline/streams/two.yaml)
    on_host chmod 0600 /etc/tweet-pipeline/tokens/c
    on_host chgrp root /etc/tweet-pipeline/tokens/c
    edit '/name: two/,$ s,tokens/b,tokens/c,'
    expect 78 "stream 'two' did not start, its earlier settings are restored: exit-code, exit status 78" \
        streams apply --yes
    is 'the settings of two' "$(on_host cat /etc/tweet-pipeline/streams/two.yaml)" "$before"
    is 'two runs' "$(property two ActiveState)" active
    edit '/name: two/,$ s,tokens/c,tokens/b,'
    expect 0 'nothing to do' streams apply --yes
    expect 78 "stream 'three' did not start: exit-code, exit status 78" \
        streams add three --token-file tokens/c --set kafka_bootstrap_servers=127.0.0.1:1
    is 'three is gone' "$(property three UnitFileState)" disabled
    expect 0 'nothing to do' streams remove three
    say 'wrong settings end as failed (78), and the earlier settings run again'
}

kill_and_look() {
    local two
    two=$(process two)
    on_host kill -KILL "$two"
    local tries
    for tries in $(seq 150); do
        [ "$(property two ActiveState)" = active ] && [ "$(process two)" != "$two" ] && break
        sleep 0.2
    done
    is_not "the process of two (after $tries looks)" "$(process two)" "$two"
    expect 0 'nothing to do' streams plan --exit-code
    expect 1 'active (running)' streams status --check
    # It does not wait for the streams, which stop with it.
    on_host systemctl stop tweet-streams.target
    for tries in $(seq 150); do
        [ "$(property two ActiveState)" != deactivating ] && break
        sleep 0.2
    done
    is 'two stops with the target' "$(property two ActiveState)" inactive
    expect 2 'does not run: inactive (dead)' streams plan --exit-code
    expect 0 "stream 'two' is up" streams apply --yes
    say 'a killed stream is restarted by systemd, and a stopped one by streams apply'
}

[ $# = 1 ] || {
    say "usage: $0 --check | PRODUCER"
    exit 64
}
trap end EXIT
require
if [ "$1" = --check ]; then
    boot /bin/true
    exit 0
fi
boot "$(realpath "$1")"
add_and_change
stop_and_remove
roll_back
kill_and_look
say ok
