#!/usr/bin/env bash
# Shows the messages of the pipeline's topics, one a line, as X sent them.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=tools.sh
. "$(dirname "${BASH_SOURCE[0]}")/tools.sh"

usage() {
    cat <<END
usage: kafka/console-consumer.sh [--from-beginning] [--events] [--headers] [-n N] [--properties FILE] [-- OPTION…]

Shows the topic '$topic', one tweet a line, with Kafka's own kafka-console-consumer.sh from KAFKA_HOME or PATH, else with
kcat. It runs until it is interrupted, and joins no consumer group of the pipeline.

  --from-beginning    all that the topic holds, then what comes; without it only what comes
  --events            the topic '$topic.events': control messages of X, connections, gaps
  --headers           headers and key before each message, separated by tabs
  -n N                stop after N messages
  --properties FILE   client properties for TLS and SASL: Kafka's own tools want theirs (sasl.jaas.config,
                      ssl.truststore.*), kcat those of librdkafka
  -- OPTION…          options for the tool that is used, as they are

environment: KAFKA_BOOTSTRAP_SERVERS (now: $servers), KAFKA_TOPIC (now: $topic), KAFKA_PROPERTIES_FILE (now: ${properties:-none}),
             KAFKA_HOME

examples:
  kafka/console-consumer.sh --from-beginning -n 10 | jq -r .data.text
  kafka/console-consumer.sh --events --headers
END
}

from_beginning='' headers='' count=''
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage && exit 0 ;;
        --from-beginning) from_beginning=yes ;;
        --events) topic=$topic.events ;;
        --headers) headers=yes ;;
        -n) count=${2:-} && shift ;;
        --properties) properties=${2:-} && shift ;;
        --) shift && break ;;
        *) usage >&2 && exit 64 ;;
    esac
    shift || fail 64 "an option lacks its value"
done
[ -z "$count" ] || [[ $count =~ ^[1-9][0-9]*$ ]] || fail 64 "-n: '$count' is not a whole number from 1 up"
check_properties

if tool=$(kafka_tool kafka-console-consumer); then
    exec "$tool" --bootstrap-server "$servers" --topic "$topic" ${from_beginning:+--from-beginning} \
        ${count:+--max-messages "$count"} ${properties:+--consumer.config "$properties"} \
        ${headers:+--property print.headers=true --property print.key=true} "$@"
elif tool=$(kcat_tool); then
    format='%s\n'
    [ -z "$headers" ] || format='%h\t%k\t%s\n'
    start=end
    [ -z "$from_beginning" ] || start=beginning
    exec "$tool" -q -u -C -b "$servers" -t "$topic" -o "$start" \
        ${count:+-c "$count"} ${properties:+-F "$properties"} -f "$format" "$@"
else
    no_tool
fi
