-- The whole current schema, version 1. `tweet-loader migrate` applies it; `psql -f` does as well.
--
-- Names are unqualified: the tables land in the first schema of the search path. The owner of the database can apply it;
-- nothing needs a superuser or an extension. PostgreSQL 14 to 18.

-- == version ==========================================================================================================

CREATE TABLE schema_version (
    version    integer PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE schema_version IS 'One row for each schema version that was applied; the highest is the current one.';
COMMENT ON COLUMN schema_version.version IS 'Version of the schema; a loader refuses one outside the range it knows.';
COMMENT ON COLUMN schema_version.applied_at IS 'When this version was applied.';
INSERT INTO schema_version (version) VALUES (1);

-- == tweets ===========================================================================================================

-- == operations =======================================================================================================

CREATE TABLE loader_offsets (
    topic        text NOT NULL,
    partition    integer NOT NULL,
    next_offset  bigint,
    fence        bigint NOT NULL,
    owner        text NOT NULL,
    claimed_at   timestamptz NOT NULL DEFAULT now(),
    committed_at timestamptz,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);
COMMENT ON TABLE loader_offsets IS
    'How far each Kafka partition is settled, and who may go on: the truth about progress, committed together with the rows.';
COMMENT ON COLUMN loader_offsets.topic IS 'Kafka topic.';
COMMENT ON COLUMN loader_offsets.partition IS 'Kafka partition.';
COMMENT ON COLUMN loader_offsets.next_offset IS
    'Offset of the first message that is not settled; null until the first batch: the earliest that Kafka has.';
COMMENT ON COLUMN loader_offsets.fence IS
    'Counts the claims of this partition; a loader whose fence is older has lost it and cannot commit.';
COMMENT ON COLUMN loader_offsets.owner IS 'The loader that claimed the partition last: host, process id and a random part.';
COMMENT ON COLUMN loader_offsets.claimed_at IS 'When it was claimed last.';
COMMENT ON COLUMN loader_offsets.committed_at IS 'When a batch of this partition was committed last.';

CREATE TABLE rejects (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reason      text NOT NULL,
    sqlstate    text,
    detail      text,
    value       bytea,
    key         bytea,
    stream      text,
    journal     text,
    seq         bigint,
    topic       text NOT NULL,
    partition   integer NOT NULL,
    "offset"    bigint NOT NULL,
    received_at timestamptz,
    rejected_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (topic, partition, "offset")
);
CREATE UNIQUE INDEX rejects_line ON rejects (stream, journal, seq) WHERE seq IS NOT NULL;
CREATE INDEX rejects_reason ON rejects (reason, rejected_at);
COMMENT ON TABLE rejects IS 'Messages that did not become rows, with their bytes and the reason: nothing is dropped.';
COMMENT ON COLUMN rejects.id IS 'Number of the reject.';
COMMENT ON COLUMN rejects.reason IS
    'Stable code: what the decoder said (not_json, not_a_tweet, ...), or database when PostgreSQL refused the row.';
COMMENT ON COLUMN rejects.sqlstate IS 'SQLSTATE with which PostgreSQL refused the row.';
COMMENT ON COLUMN rejects.detail IS 'What exactly is wrong; may quote values when it comes from PostgreSQL.';
COMMENT ON COLUMN rejects.value IS 'The message, byte for byte; null for a message without a value.';
COMMENT ON COLUMN rejects.key IS 'The key of the message; null when it has none.';
COMMENT ON COLUMN rejects.stream IS 'Stream that received the line; null when the message has no headers of ours.';
COMMENT ON COLUMN rejects.journal IS 'Journal that holds the line.';
COMMENT ON COLUMN rejects.seq IS 'Sequence number of the line in its journal.';
COMMENT ON COLUMN rejects.topic IS 'Kafka topic of the message.';
COMMENT ON COLUMN rejects.partition IS 'Kafka partition of the message.';
COMMENT ON COLUMN rejects."offset" IS 'Kafka offset of the message.';
COMMENT ON COLUMN rejects.received_at IS 'When the line was received from X.';
COMMENT ON COLUMN rejects.rejected_at IS 'When the loader settled it as a reject.';

CREATE TABLE stream_ledger (
    stream    text NOT NULL,
    journal   text NOT NULL,
    settled   int8multirange NOT NULL,
    folded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (stream, journal)
);
COMMENT ON TABLE stream_ledger IS
    'Which lines of a stream are settled as rows, events or rejects. Complete means one range that begins with 1.';
COMMENT ON COLUMN stream_ledger.stream IS 'Stream.';
COMMENT ON COLUMN stream_ledger.journal IS 'Journal; its sequence numbers begin with 1 and have no holes.';
COMMENT ON COLUMN stream_ledger.settled IS 'Sequence numbers that are settled; add what stream_ledger_pending still holds.';
COMMENT ON COLUMN stream_ledger.folded_at IS 'When numbers were added last.';

CREATE TABLE stream_ledger_pending (
    stream     text NOT NULL,
    journal    text NOT NULL,
    settled    int8multirange NOT NULL,
    settled_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE stream_ledger_pending IS
    'What single batches settled and nobody has folded into stream_ledger yet, so that loaders never queue on one row.';
COMMENT ON COLUMN stream_ledger_pending.stream IS 'Stream.';
COMMENT ON COLUMN stream_ledger_pending.journal IS 'Journal.';
COMMENT ON COLUMN stream_ledger_pending.settled IS 'Sequence numbers that one batch settled.';
COMMENT ON COLUMN stream_ledger_pending.settled_at IS 'When the batch was committed.';

CREATE TABLE stream_events (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    type       text NOT NULL,
    at         timestamptz,
    stream     text,
    journal    text,
    seq        bigint,
    connection bigint,
    cause      text,
    detail     text,
    payload    jsonb,
    topic      text NOT NULL,
    partition  integer NOT NULL,
    "offset"   bigint NOT NULL,
    UNIQUE (topic, partition, "offset")
);
CREATE UNIQUE INDEX stream_events_line ON stream_events (stream, journal, seq) WHERE seq IS NOT NULL;
CREATE INDEX stream_events_at ON stream_events (at);
COMMENT ON TABLE stream_events IS
    'What happened to the streams: events of the producer (connected, disconnected, ...) and messages of X that are no tweets.';
COMMENT ON COLUMN stream_events.id IS 'Number of the event.';
COMMENT ON COLUMN stream_events.type IS
    'started, connected, disconnected, connect_failed, control, torn_tail, rejected or stopped from the producer; x_message for a line of X.';
COMMENT ON COLUMN stream_events.at IS 'When it happened; for a line of X when it was received.';
COMMENT ON COLUMN stream_events.stream IS 'Stream; null when the message has no headers of ours.';
COMMENT ON COLUMN stream_events.journal IS 'Journal that holds the line.';
COMMENT ON COLUMN stream_events.seq IS 'Sequence number of the line in its journal.';
COMMENT ON COLUMN stream_events.connection IS 'Connection: milliseconds since 1970 when it was made; null when there was none.';
COMMENT ON COLUMN stream_events.cause IS 'Why, as a stable code.';
COMMENT ON COLUMN stream_events.detail IS 'Why, in words.';
COMMENT ON COLUMN stream_events.payload IS 'The whole line.';
COMMENT ON COLUMN stream_events.topic IS 'Kafka topic of the message.';
COMMENT ON COLUMN stream_events.partition IS 'Kafka partition of the message.';
COMMENT ON COLUMN stream_events."offset" IS 'Kafka offset of the message.';

CREATE TABLE stream_gaps (
    stream     text NOT NULL,
    journal    text NOT NULL,
    opened_seq bigint NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at   timestamptz,
    ended_seq  bigint,
    cause      text,
    connection bigint,
    newest_id  bigint,
    status     text NOT NULL DEFAULT 'open'
        CHECK (status IN ('open', 'repaired_exactly', 'repaired_approximately')),
    PRIMARY KEY (stream, journal, opened_seq)
);
COMMENT ON TABLE stream_gaps IS
    'Times in which a stream received nothing because it was not connected: what X may have sent meanwhile is not here.';
COMMENT ON COLUMN stream_gaps.stream IS 'Stream.';
COMMENT ON COLUMN stream_gaps.journal IS 'Journal.';
COMMENT ON COLUMN stream_gaps.opened_seq IS 'Sequence number of the event that opened the gap.';
COMMENT ON COLUMN stream_gaps.started_at IS 'When the last byte before the gap was received.';
COMMENT ON COLUMN stream_gaps.ended_at IS 'When the stream was connected again; null while it is not.';
COMMENT ON COLUMN stream_gaps.ended_seq IS 'Sequence number of the event that ended it.';
COMMENT ON COLUMN stream_gaps.cause IS 'Why the connection ended.';
COMMENT ON COLUMN stream_gaps.connection IS 'Connection that ended.';
COMMENT ON COLUMN stream_gaps.newest_id IS 'Highest tweet id received before the gap: where a repair begins.';
COMMENT ON COLUMN stream_gaps.status IS
    'open: nothing was done about it; repaired_exactly: X replayed all of it; repaired_approximately: it was searched again.';
