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

-- When a tweet was made, from its id alone; null for ids from before the snowflakes of November 2010.
CREATE FUNCTION tweet_time(id bigint) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT CASE WHEN id > 29700859247 THEN to_timestamp(((id >> 22) + 1288834974657) / 1000.0) END $$;
COMMENT ON FUNCTION tweet_time(bigint) IS
    'When a tweet was made, from its id alone; null for ids from before the snowflakes of November 2010.';

-- The lowest id of a moment. `WHERE id >= tweet_id_at(now() - interval '1 hour')` reads only the partitions it needs.
CREATE FUNCTION tweet_id_at(moment timestamptz) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT greatest(29700859248, (floor(extract(epoch FROM moment) * 1000)::bigint - 1288834974657) << 22) $$;
COMMENT ON FUNCTION tweet_id_at(timestamptz) IS
    'Lowest id that a tweet of that moment or later can have: compare id with it, and only the months needed are read.';

CREATE TABLE tweets (
    id                     bigint NOT NULL,
    created_at             timestamptz,
    author_id              bigint,
    author_username        text,
    text                   text NOT NULL,
    long_text              text,
    lang                   text,
    conversation_id        bigint,
    in_reply_to_user_id    bigint,
    replied_to_id          bigint,
    quoted_id              bigint,
    retweeted_id           bigint,
    edit_ids               bigint[],
    is_edit_eligible       boolean,
    editable_until         timestamptz,
    edits_remaining        integer,
    retweet_count          bigint,
    reply_count            bigint,
    like_count             bigint,
    quote_count            bigint,
    bookmark_count         bigint,
    impression_count       bigint,
    hashtags               text[],
    cashtags               text[],
    mentions               text[],
    mention_ids            bigint[],
    urls                   text[],
    expanded_urls          text[],
    media_keys             text[],
    poll_ids               bigint[],
    media_source_tweet_ids bigint[],
    place_id               text,
    longitude              double precision,
    latitude               double precision,
    possibly_sensitive     boolean,
    reply_settings         text,
    source                 text,
    community_id           bigint,
    card_uri               text,
    display_text_start     integer,
    display_text_end       integer,
    paid_partnership       boolean,
    scopes_followers       boolean,
    article_title          text,
    article_text           text,
    withheld_copyright     boolean,
    withheld_countries     text[],
    withheld_scope         text,
    rule_ids               bigint[],
    rule_tags              text[],
    stream                 text,
    journal                text,
    seq                    bigint,
    received_at            timestamptz,
    connection             bigint,
    kafka_topic            text NOT NULL,
    kafka_partition        integer NOT NULL,
    kafka_offset           bigint NOT NULL,
    inserted_at            timestamptz NOT NULL DEFAULT now(),
    text_altered           boolean NOT NULL,
    payload                jsonb,
    payload_raw            bytea,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
COMMENT ON TABLE tweets IS
    'Tweets, one row for each id, in one partition a month (the id carries the time). What X did not send is null.';
COMMENT ON COLUMN tweets.id IS 'Id of the tweet. A snowflake: tweet_time(id) is when it was made.';
COMMENT ON COLUMN tweets.created_at IS
    'When it was posted, to the second, as X says; null when the field was not asked for.';
COMMENT ON COLUMN tweets.author_id IS 'User who posted it.';
COMMENT ON COLUMN tweets.author_username IS 'Handle of the author, without @, when the line included the user.';
COMMENT ON COLUMN tweets.text IS
    'Text as X sends it: & < > are HTML-escaped, reposts and long posts are cut; full_text(tweets) is the whole.';
COMMENT ON COLUMN tweets.long_text IS 'Whole text of a post longer than 280 characters (note_tweet.text).';
COMMENT ON COLUMN tweets.lang IS
    'Language as X detects it (BCP 47; und: undetermined; qme, zxx and other q codes are X''s own).';
COMMENT ON COLUMN tweets.conversation_id IS 'Tweet that began the conversation.';
COMMENT ON COLUMN tweets.in_reply_to_user_id IS 'User that is replied to.';
COMMENT ON COLUMN tweets.replied_to_id IS 'Tweet that is replied to.';
COMMENT ON COLUMN tweets.quoted_id IS 'Tweet that is quoted.';
COMMENT ON COLUMN tweets.retweeted_id IS 'Tweet that is reposted.';
COMMENT ON COLUMN tweets.edit_ids IS
    'All versions of the tweet known at delivery, the oldest first; every version has its own row.';
COMMENT ON COLUMN tweets.is_edit_eligible IS 'Whether it could be edited when it was posted.';
COMMENT ON COLUMN tweets.editable_until IS 'When editing ends.';
COMMENT ON COLUMN tweets.edits_remaining IS 'How many edits are left.';
COMMENT ON COLUMN tweets.retweet_count IS 'Reposts at delivery, close to 0 on a stream.';
COMMENT ON COLUMN tweets.reply_count IS 'Replies at delivery.';
COMMENT ON COLUMN tweets.like_count IS 'Likes at delivery.';
COMMENT ON COLUMN tweets.quote_count IS 'Quotes at delivery.';
COMMENT ON COLUMN tweets.bookmark_count IS 'Bookmarks at delivery.';
COMMENT ON COLUMN tweets.impression_count IS 'Views at delivery.';
COMMENT ON COLUMN tweets.hashtags IS 'Hashtags without #, in X''s order; those that only a long text has come last.';
COMMENT ON COLUMN tweets.cashtags IS 'Cashtags without $, likewise.';
COMMENT ON COLUMN tweets.mentions IS 'Handles of mentioned users without @, likewise.';
COMMENT ON COLUMN tweets.mention_ids IS
    'Ids of mentioned users, element by element beside mentions; null where X sent none.';
COMMENT ON COLUMN tweets.urls IS 'Links as they stand in the text (t.co), likewise.';
COMMENT ON COLUMN tweets.expanded_urls IS 'Where the links lead, element by element beside urls.';
COMMENT ON COLUMN tweets.media_keys IS 'Attached media.';
COMMENT ON COLUMN tweets.poll_ids IS 'Attached polls.';
COMMENT ON COLUMN tweets.media_source_tweet_ids IS 'Tweets that attached media were first posted with.';
COMMENT ON COLUMN tweets.place_id IS 'Place that the author tagged.';
COMMENT ON COLUMN tweets.longitude IS 'Exact position, degrees east (WGS 84).';
COMMENT ON COLUMN tweets.latitude IS 'Exact position, degrees north.';
COMMENT ON COLUMN tweets.possibly_sensitive IS 'Whether a link in it may be sensitive.';
COMMENT ON COLUMN tweets.reply_settings IS
    'Who may reply: everyone, mentionedUsers, following, subscribers, verified, other.';
COMMENT ON COLUMN tweets.source IS 'App that it was posted with; X no longer fills it.';
COMMENT ON COLUMN tweets.community_id IS 'Community that it was posted in.';
COMMENT ON COLUMN tweets.card_uri IS 'Card shown with it.';
COMMENT ON COLUMN tweets.display_text_start IS
    'First code point of text to show: leading mentions of a reply are before it.';
COMMENT ON COLUMN tweets.display_text_end IS 'End, exclusive, of the code points to show.';
COMMENT ON COLUMN tweets.paid_partnership IS 'Whether it is marked as a paid partnership.';
COMMENT ON COLUMN tweets.scopes_followers IS 'Whether only followers see it.';
COMMENT ON COLUMN tweets.article_title IS 'Title of an article.';
COMMENT ON COLUMN tweets.article_text IS 'Plain text of an article.';
COMMENT ON COLUMN tweets.withheld_copyright IS 'Whether it is withheld for a copyright claim.';
COMMENT ON COLUMN tweets.withheld_countries IS
    'Countries that it is withheld in (ISO 3166-1; XX: all; XY: by copyright claim).';
COMMENT ON COLUMN tweets.withheld_scope IS 'Whether the tweet or the user is withheld: tweet, user.';
COMMENT ON COLUMN tweets.rule_ids IS 'Rules of the stream that matched; united over redeliveries.';
COMMENT ON COLUMN tweets.rule_tags IS
    'Tags of the rules, element by element beside rule_ids; null where a rule has none.';
COMMENT ON COLUMN tweets.stream IS
    'Stream that received it first; null with the next four when the message was not written by tweet-producer.';
COMMENT ON COLUMN tweets.journal IS 'Journal that holds the line.';
COMMENT ON COLUMN tweets.seq IS 'Sequence number of the line in its journal.';
COMMENT ON COLUMN tweets.received_at IS 'When the line was read from the socket.';
COMMENT ON COLUMN tweets.connection IS
    'Connection it came on: milliseconds since 1970 when it was made; null when it came on none.';
COMMENT ON COLUMN tweets.kafka_topic IS 'Kafka topic of the message.';
COMMENT ON COLUMN tweets.kafka_partition IS 'Kafka partition of the message.';
COMMENT ON COLUMN tweets.kafka_offset IS 'Kafka offset of the message.';
COMMENT ON COLUMN tweets.inserted_at IS 'When the transaction that inserted the row began.';
COMMENT ON COLUMN tweets.text_altered IS
    'Whether the line was repaired to fit: U+FFFD stands where NUL, a lone surrogate or invalid UTF-8 was.';
COMMENT ON COLUMN tweets.payload IS 'The whole line, with includes and matching rules; null with --payload drop.';
COMMENT ON COLUMN tweets.payload_raw IS 'The line byte for byte where it was altered; payload has the repaired one.';

CREATE FUNCTION full_text(tweet tweets) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT coalesce(tweet.long_text, tweet.text) $$;
COMMENT ON FUNCTION full_text(tweets) IS
    'Whole text of a tweet, also of a long one: SELECT full_text(t) FROM tweets AS t, or t.full_text for short.';

-- lz4 compresses a payload three times as fast as the default; a server built without it keeps the default.
-- Partitions inherit the setting when they are created.
DO $$
BEGIN
    ALTER TABLE tweets
        ALTER COLUMN long_text SET COMPRESSION lz4,
        ALTER COLUMN article_text SET COMPRESSION lz4,
        ALTER COLUMN payload SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    RAISE NOTICE 'this server has no lz4: payloads are compressed with pglz, which is slower';
END
$$;

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
    received_at timestamptz,
    rejected_at timestamptz NOT NULL DEFAULT now(),
    kafka_topic     text NOT NULL,
    kafka_partition integer NOT NULL,
    kafka_offset    bigint NOT NULL,
    UNIQUE (kafka_topic, kafka_partition, kafka_offset)
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
COMMENT ON COLUMN rejects.kafka_topic IS 'Kafka topic of the message.';
COMMENT ON COLUMN rejects.kafka_partition IS 'Kafka partition of the message.';
COMMENT ON COLUMN rejects.kafka_offset IS 'Kafka offset of the message.';
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
    kafka_topic     text NOT NULL,
    kafka_partition integer NOT NULL,
    kafka_offset    bigint NOT NULL,
    UNIQUE (kafka_topic, kafka_partition, kafka_offset)
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
COMMENT ON COLUMN stream_events.kafka_topic IS 'Kafka topic of the message.';
COMMENT ON COLUMN stream_events.kafka_partition IS 'Kafka partition of the message.';
COMMENT ON COLUMN stream_events.kafka_offset IS 'Kafka offset of the message.';

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
