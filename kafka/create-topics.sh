#!/usr/bin/env bash
# Creates the topics of the pipeline, or checks them when they are there.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=tools.sh
. "$(dirname "${BASH_SOURCE[0]}")/tools.sh"

partitions=${KAFKA_PARTITIONS:-12}
replication=${KAFKA_REPLICATION:-}
# As for the producer, -1 leaves it to the broker.
[ "$replication" != -1 ] || replication=

usage() {
    cat <<END
usage: kafka/create-topics.sh [--properties FILE]

Creates the topics '$topic' and '$topic.events' with Kafka's own kafka-topics.sh, from KAFKA_HOME or PATH. A topic that is
there already is left as it is, and its partitions are shown. With kcat alone, which cannot create topics, a broker that
creates topics by itself is asked to, and the result is checked.

The producer creates its topics by itself when it starts and may; this script is for brokers where it may not, and for
those who want the topics first.

environment:
  KAFKA_BOOTSTRAP_SERVERS   host:port, several separated by commas (now: $servers)
  KAFKA_TOPIC               the topic for tweets (now: $topic)
  KAFKA_PARTITIONS          partitions for tweets (now: $partitions); events need one
  KAFKA_REPLICATION         copies of a topic that is created (now: ${replication:-the default of the broker})
  KAFKA_PROPERTIES_FILE     client properties for TLS and SASL, as --properties: Kafka's own tools want theirs
                            (sasl.jaas.config, ssl.truststore.*), kcat those of librdkafka (now: ${properties:-none})
  KAFKA_HOME                the folder that Kafka was unpacked in

exit status: 0 both topics are there, 64 usage, 65 the topic has another number of partitions, 69 no broker or no tool
END
}

while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage && exit 0 ;;
        --properties) properties=${2:-} && shift ;;
        *) usage >&2 && exit 64 ;;
    esac
    shift || fail 64 "--properties needs a file"
done

positive() { # NAME VALUE
    [[ $2 =~ ^[1-9][0-9]{0,4}$ ]] || fail 78 "$1: '$2' is not a whole number from 1 to 99999"
}
positive KAFKA_PARTITIONS "$partitions"
[ -z "$replication" ] || positive KAFKA_REPLICATION "$replication"
check_properties

# Both set `found` to the number of partitions of a topic, 0 when there is none of this name (yet).
count_with_kafka() { # TOPIC
    found=$("$tool" --bootstrap-server "$servers" ${properties:+--command-config "$properties"} \
        --describe --topic "$1" 2>/dev/null | sed -nE 's/.*PartitionCount:[[:space:]]*([0-9]+).*/\1/p' | head -n 1) ||
        found=
    found=${found:-0}
}
count_with_kcat() { # TOPIC
    local answer
    # Asking for a topic by name makes a broker with auto.create.topics.enable create it, with its own num.partitions.
    answer=$("$tool" -b "$servers" ${properties:+-F "$properties"} -m 10 -L -t "$1" 2>&1) ||
        fail 69 "no broker answers at $servers: $(tail -n 1 <<<"$answer")"
    # The name is compared as text, since a dot in it would match anything in a pattern.
    found=$(awk -v line="topic \"$1\" with" \
        'index($0, line) { sub(/.* with /, ""); n = $1 } END { print n + 0 }' <<<"$answer")
}

kind=kafka
tool=$(kafka_tool kafka-topics) || { kind=kcat && tool=$(kcat_tool); } || no_tool

ensure() { # TOPIC PARTITIONS: creates it when it is not there, and sets `found`
    local try
    if [ $kind = kafka ]; then
        "$tool" --bootstrap-server "$servers" ${properties:+--command-config "$properties"} --create --if-not-exists \
            --topic "$1" --partitions "$2" ${replication:+--replication-factor "$replication"} >/dev/null ||
            fail 69 "$tool could not create '$1' on $servers"
    fi
    # Brokers learn of a new topic only after some time.
    for try in 1 2 3 4; do
        if [ $kind = kafka ]; then count_with_kafka "$1"; else count_with_kcat "$1"; fi
        [ "$found" -eq 0 ] || return 0
        sleep "$try"
    done
    [ $kind = kcat ] || fail 69 "$tool created '$1' on $servers, but does not find it there"
    fail 69 "'$1' is not on $servers, this broker does not create topics by itself, and kcat cannot create any." \
        "Create it with Kafka's own tools (set KAFKA_HOME, run this again) or in the console of your Kafka service:" \
        "partitions: $2."
}

ensure "$topic" "$partitions"
tweets=$found
ensure "$topic.events" 1
printf '%s: partitions %s\n' "$topic" "$tweets" "$topic.events" "$found"
if [ "$tweets" -ne "$partitions" ]; then
    fail 65 "'$topic' has $tweets partitions, not $partitions. More can be added with kafka-topics.sh --alter" \
        "--partitions, but then new versions of a tweet may land in another partition than older ones." \
        "To accept it: KAFKA_PARTITIONS=$tweets"
fi
