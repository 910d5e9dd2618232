# shellcheck shell=bash
# What the scripts beside this file share. Sourced, never run.

# The settings are those of the services.
# shellcheck disable=SC2034
servers=${KAFKA_BOOTSTRAP_SERVERS:-localhost:9092} topic=${KAFKA_TOPIC:-tweets}
properties=${KAFKA_PROPERTIES_FILE:-}

program=$(basename "$0")

say() { printf '%s: %s\n' "$program" "$*" >&2; }
fail() { # STATUS MESSAGE…
    local status=$1
    shift
    say "$@"
    exit "$status"
}

# Prints where one of Kafka's own tools is, named with .sh (Apache) or without (Confluent, Debian-like packages).
kafka_tool() { # NAME
    local name
    for name in "$1.sh" "$1"; do
        if [ -n "${KAFKA_HOME:-}" ] && [ -x "$KAFKA_HOME/bin/$name" ]; then
            printf '%s\n' "$KAFKA_HOME/bin/$name"
            return 0
        fi
        if command -v "$name"; then return 0; fi
    done
    return 1
}

# Prints the name of kcat's program; older packages call it kafkacat.
kcat_tool() { command -v kcat || command -v kafkacat; }

no_tool() {
    fail 69 "neither Kafka's own tools nor kcat were found. Set KAFKA_HOME to the folder that Kafka was unpacked in," \
        "or: apt-get install kcat"
}

check_properties() {
    [ -z "$properties" ] || [ -r "$properties" ] || fail 78 "cannot read the properties file $properties"
}
