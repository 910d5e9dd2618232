#!/bin/sh
# Starts the producer and a loader as containers, with the settings files of deploy/.
#
#   docker build -t tweet-pipeline --target services .
#   mkdir -p /etc/tweet-pipeline; cp deploy/producer.env deploy/loader.env /etc/tweet-pipeline/
#   cp kafka/producer.properties /etc/tweet-pipeline/kafka.properties
#   chown -R 10001 /etc/tweet-pipeline; chmod 600 /etc/tweet-pipeline/x-token /etc/tweet-pipeline/pgpass
#   docker run --rm --env-file /etc/tweet-pipeline/loader.env -v /etc/tweet-pipeline:/etc/tweet-pipeline:ro \
#     tweet-pipeline tweet-loader migrate
#   deploy/container/run.sh
#
# 10001 is the user of the image. docker restarts a container after every exit; `docker ps` shows one that restarts repeatedly, and
# `docker logs` why. The journal is in the volume tweet-journal: never remove it while lines in it are not acknowledged.
set -eu
image=${1:-tweet-pipeline}
# Longer than DRAIN (30 s), so that the services can drain.
seconds=45

docker run --detach --name tweet-producer --restart always --stop-timeout "$seconds" \
    --env-file /etc/tweet-pipeline/producer.env \
    --volume /etc/tweet-pipeline:/etc/tweet-pipeline:ro --volume tweet-journal:/var/lib/tweet-pipeline/journal \
    "$image" tweet-producer run

# A host name that survives a restart: Kafka gives a loader its partitions back at once.
docker run --detach --name tweet-loader --hostname tweet-loader --restart always --stop-timeout "$seconds" \
    --env-file /etc/tweet-pipeline/loader.env \
    --volume /etc/tweet-pipeline:/etc/tweet-pipeline:ro --volume /etc/ssl/rds.pem:/etc/ssl/rds.pem:ro \
    "$image" tweet-loader run
