#!/usr/bin/env bash
# Runs `tweet-producer streams` on a host with a systemd of its own: process 1 of its own namespaces, over a view of this
# machine's files in which every change is in memory. Streams are added, changed, stopped, killed, removed and rolled back,
# move to supervisord and back, and the README's lines are run as they stand there.
#
#   scripts/systemd-host.sh --check       ends with 0 where such a host can be booted, else with 69 and the reason
#   scripts/systemd-host.sh PRODUCER      PRODUCER: the executable of tweet-producer
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
name=systemd-host
# shellcheck source=scripts/systemd-namespace.sh
. "$here/scripts/systemd-namespace.sh"

prepare() { # ROOT PRODUCER
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

if [ "${1:-}" = --first-process ]; then first_process "$@"; fi

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
    local two again
    two=$(process two)
    on_host kill -KILL "$two"
    local tries
    for tries in $(seq 150); do
        # 0 between the two processes, when the unit may still count as active.
        again=$(process two)
        [ "$again" != 0 ] && [ "$again" != "$two" ] && [ "$(property two ActiveState)" = active ] && break
        sleep 0.2
    done
    is_not "the process of two (after $tries looks)" "$again" "$two"
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

# -- another supervisor ---------------------------------------------------------------------------------------------------

under_supervisord() {
    on_host env SUPERVISOR=supervisord SUPERVISOR_SOCKET=/run/streams.sock SUPERVISOR_CONF_DIR=/etc/streams.d \
        tweet-producer streams "$@"
}
# How many processes of a stream there are.
processes() { on_host pgrep -c -f -- "run --config /etc/tweet-pipeline/streams/$1.yaml" || true; }

start_supervisord() {
    on_host install -d /etc/streams.d
    printf '%s\n' '[unix_http_server]' file=/run/streams.sock chmod=0700 '[supervisord]' nodaemon=true \
        logfile=/run/streams.log pidfile=/run/streams.pid \
        '[rpcinterface:supervisor]' \
        'supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface' \
        '[include]' 'files = /etc/streams.d/*.conf' | on_host tee /etc/streams.conf >/dev/null
    on_host systemd-run --quiet --unit=streams-supervisord /usr/bin/supervisord -c /etc/streams.conf
    local tries
    for tries in $(seq 150); do
        on_host test -S /run/streams.sock && return
        sleep 0.2
    done
    fail "supervisord does not start (after $tries tries)"
}

move_to_supervisord_and_back() {
    [ -x /usr/bin/supervisord ] || {
        say 'without supervisord: no stream moves'
        return
    }
    start_supervisord
    expect 2 '~ restart  two  moves from systemd' under_supervisord plan --exit-code
    is 'plan changes nothing' "$(property two ActiveState)" active
    expect 0 "stream 'two' is up" under_supervisord apply --yes
    is 'systemd has nothing' "$(property two ActiveState) $(property two UnitFileState)" 'inactive disabled'
    is 'processes of two' "$(processes two)" 1
    expect 0 'nothing to do' under_supervisord plan --exit-code
    expect 0 'moves from supervisord' streams apply --yes
    is 'two runs under systemd' "$(property two ActiveState) $(property two UnitFileState)" 'active enabled'
    is 'processes of two' "$(processes two)" 1
    is 'files for supervisord' "$(on_host ls /etc/streams.d)" ''
    say 'another SUPERVISOR: a stream moved to supervisord and back, always with one process'
}

# -- the README -----------------------------------------------------------------------------------------------------------

# Its lines between the sentence about three streams and the end of the block.
run_the_readme() {
    local fence lines
    fence=$(printf '\140\140\140')
    lines=$(awk -v fence="$fence" '
        /^runs all in containers\. Three streams on one host/ { begun = 1 }
        begun && $0 == fence { if (inside) exit; inside = 1; next }
        inside' "$here/README.md")
    [ "$(wc -l <<<"$lines")" = 5 ] || fail "the README has not five lines for three streams: $lines"
    # What an operator has by then, in the folder where he is.
    local name
    for name in a b c; do printf 'readme-%s\n' "$name" | on_host tee "/root/token-$name" >/dev/null; done
    expect 0 'STREAM' on_host env -C /root bash -euo pipefail -c "$lines"
    for name in a b c; do
        is "$name runs" "$(property "$name" ActiveState) $(property "$name" UnitFileState)" 'active enabled'
        is "the token of $name" "$(on_host stat -c '%U %G %a' "/etc/tweet-pipeline/tokens/token-$name")" \
            'root tweet-pipeline 640'
    done
    expect 0 '' streams validate --json
    say 'the five lines of the README run three streams'
}

[ $# = 1 ] || {
    say "usage: $0 --check | PRODUCER"
    exit 64
}
trap end EXIT
require
if [ "$1" = --check ]; then
    boot / /bin/true
    exit 0
fi
boot / "$(realpath "$1")"
add_and_change
stop_and_remove
roll_back
kill_and_look
move_to_supervisord_and_back
run_the_readme
say ok
