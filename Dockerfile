# Both services in one image:  docker build -t tweet-pipeline .
# With the sandbox as well:    docker build -t tweet-pipeline-sandbox --target sandbox .

FROM swift:6.2-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        g++ libcurl4-openssl-dev libpq-dev librdkafka-dev libsimdjson-dev libssl-dev pkg-config zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# A separate layer for the packages, which stays cached when the sources change.
COPY Package.swift ./
RUN swift package --scratch-path .build-release resolve
COPY Sources Sources
COPY sql sql
COPY scripts/release.sh scripts/
RUN scripts/release.sh && mkdir /out && cd .build-release/release && cp tweet-producer tweet-loader tweet-timelines sandbox /out/

FROM debian:bookworm-slim AS runtime
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        ca-certificates libcurl4 libpq5 librdkafka1 libsimdjson14 libssl3 tzdata zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin pipeline \
    && install -d -o pipeline -g pipeline -m 0750 /var/lib/tweet-pipeline /var/lib/tweet-pipeline/journal
ENV LOG_FORMAT=json \
    JOURNAL_DIR=/var/lib/tweet-pipeline/journal
USER pipeline
# The journal is the only state outside Kafka and PostgreSQL. Losing it loses the lines that Kafka had not acknowledged.
VOLUME /var/lib/tweet-pipeline/journal
WORKDIR /var/lib/tweet-pipeline

FROM runtime AS sandbox
COPY --from=build /out/sandbox /usr/local/bin/

FROM runtime AS services
COPY --from=build /out/tweet-producer /out/tweet-loader /out/tweet-timelines /usr/local/bin/
# One service runs in a container, and nothing answers where the other one would.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD ["sh", "-c", "tweet-producer health || tweet-loader health || tweet-timelines health"]
# The command selects the service: `docker run tweet-pipeline tweet-producer run`.
CMD ["tweet-loader", "--help"]
