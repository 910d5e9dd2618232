# shellcheck shell=bash
# A host with a systemd of its own: process 1 of its own namespaces, over a view of a folder in which every change is in
# memory. To be sourced by a script that
#
#   - defines `prepare ROOT ARGUMENT…`, which adds to the host what it needs before it boots, and sets `name` for messages;
#   - calls `first_process "$@"` when it is started with --first-process;
#   - calls `require`, then `boot LOWER ARGUMENT…` (LOWER: the folder, / for this machine's files), and `on_host COMMAND…`;
#   - calls `end` when it exits.

: "${name:?}"
say() { printf '%s: %s\n' "$name" "$*" >&2; }
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

mount_root() { # FOLDER LOWER
    mount --make-rprivate /
    mount -t tmpfs -o mode=755 tmpfs "$1"
    mkdir "$1/upper" "$1/work" "$1/root"
    mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" "$1/root"
}

mount_system() { # ROOT
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

# Only journald and what the host is for starts.
reduce_units() { # ROOT
    local units=$1/usr/lib/systemd/system
    rm -rf "$1"/etc/systemd/system/*.wants "$1"/etc/systemd/system/*.requires "$units"/*.target.wants "$1/etc/fstab"
    mkdir -p "$units/sockets.target.wants" "$1/etc/systemd/system/multi-user.target.wants"
    ln -s ../systemd-journald.socket "$units/sockets.target.wants/"
}

first_process() { # --first-process FOLDER LOWER ARGUMENT…
    local folder=$2 root=$2/root lower=$3
    shift 3
    ip link set lo up
    mount_root "$folder" "$lower"
    mount_system "$root"
    reduce_units "$root"
    prepare "$root" "$@"
    # systemd binds its root elsewhere for each service, which needs a root that is one: chroot(8) alone makes none.
    mkdir "$root/.before"
    cd "$root" || exit
    pivot_root . .before
    exec chroot . /bin/sh -c 'umount --lazy /.before
        exec env -i container=unshare PATH=/usr/sbin:/usr/bin:/sbin:/bin \
            /lib/systemd/systemd --system --unit=multi-user.target --show-status=no'
}

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
    [ -z "$work" ] || rm -rf "$work" "$work.log"
}

require() {
    [ "$(id -u)" = 0 ] || impossible "not root"
    [ -x /lib/systemd/systemd ] || impossible "systemd is not installed"
    groups=$(findmnt --noheadings --first-only --output TARGET --types cgroup2) || impossible "no cgroup2 is mounted"
    unshare --mount --uts --ipc --net --pid --cgroup --fork true 2>/dev/null || impossible "namespaces are not allowed"
}

boot() { # LOWER ARGUMENT…
    work=$(mktemp -d "/tmp/$name.XXXXXX")
    group=$groups/$name.$$
    mkdir "$group" || impossible "no cgroup can be made in $groups"
    (
        echo "$BASHPID" >"$group/cgroup.procs"
        exec unshare --mount --uts --ipc --net --pid --cgroup --fork --kill-child \
            "$(realpath "$0")" --first-process "$work" "$@"
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
    nsenter --target "$first" --mount --uts --ipc --net --pid --cgroup --root \
        /usr/bin/env -i -C / PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}
