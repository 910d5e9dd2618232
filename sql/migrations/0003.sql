-- Version 2 to 3. `tweet-loader migrate` runs it in one transaction; it reads no table of tweets.

-- == rules ============================================================================================================

CREATE TABLE rules (
    rule_id       bigint NOT NULL,
    stream        text NOT NULL,
    value         text NOT NULL,
    tag           text,
    seen_from     timestamptz NOT NULL,
    seen_last     timestamptz NOT NULL,
    seen_until    timestamptz,
    first_journal text NOT NULL,
    first_seq     bigint NOT NULL,
    last_journal  text NOT NULL,
    last_seq      bigint NOT NULL,
    PRIMARY KEY (rule_id, stream)
);
COMMENT ON TABLE rules IS
    'Every rule that was seen at X, with its text: what was asked. A changed tag makes a new rule at X, with an id of its own.';
COMMENT ON COLUMN rules.rule_id IS 'Rule at X, as in tweet_rules.';
COMMENT ON COLUMN rules.stream IS 'Stream whose producer saw it.';
COMMENT ON COLUMN rules.value IS 'The rule itself, as X holds it.';
COMMENT ON COLUMN rules.tag IS 'Its tag; null for a rule without one.';
COMMENT ON COLUMN rules.seen_from IS 'When a producer saw it first; it was at X by then.';
COMMENT ON COLUMN rules.seen_last IS 'When a producer recorded it last; rules are recorded at start and when one of them changes.';
COMMENT ON COLUMN rules.seen_until IS 'When a producer saw first that X no longer had it; null while X has it.';
COMMENT ON COLUMN rules.first_journal IS 'Journal of the event of seen_from.';
COMMENT ON COLUMN rules.first_seq IS 'Sequence number of the event of seen_from.';
COMMENT ON COLUMN rules.last_journal IS 'Journal of the event of seen_last.';
COMMENT ON COLUMN rules.last_seq IS 'Sequence number of the event of seen_last.';

CREATE TABLE rule_lists (
    stream  text NOT NULL,
    journal text NOT NULL,
    seq     bigint NOT NULL,
    at      timestamptz NOT NULL,
    part    integer NOT NULL,
    parts   integer NOT NULL,
    rules   integer NOT NULL,
    PRIMARY KEY (stream, journal, seq)
);
COMMENT ON TABLE rule_lists IS
    'Every event of the type rules: when a producer listed the rules at X. A long list comes in several parts with one time.';
COMMENT ON COLUMN rule_lists.stream IS 'Stream.';
COMMENT ON COLUMN rule_lists.journal IS 'Journal that holds the event.';
COMMENT ON COLUMN rule_lists.seq IS 'Sequence number of the event in its journal.';
COMMENT ON COLUMN rule_lists.at IS 'When the rules were read from X; the same for all parts of a list.';
COMMENT ON COLUMN rule_lists.part IS 'Number of the part, from 1.';
COMMENT ON COLUMN rule_lists.parts IS 'How many parts the list has.';
COMMENT ON COLUMN rule_lists.rules IS 'How many rules this part has.';

CREATE OR REPLACE VIEW rule_matches AS
    SELECT m.rule_id, m.tag, m.stream, m.day, m.tweets,
        (SELECT r.value FROM rules r WHERE r.rule_id = m.rule_id ORDER BY r.stream = m.stream DESC LIMIT 1) AS value
    FROM (
        SELECT rule_id, max(tag) AS tag, stream, date_trunc('day', matched_at) AS day, count(*) AS tweets
        FROM tweet_rules GROUP BY rule_id, stream, date_trunc('day', matched_at)) m;
COMMENT ON VIEW rule_matches IS
    'How many tweets each rule matched on each day, and the rule itself; value is null for rules that were never recorded.';

CREATE VIEW matched_rules AS
    SELECT t.tweet_id, t.rule_id, t.stream, t.tag,
        (SELECT r.value FROM rules r WHERE r.rule_id = t.rule_id ORDER BY r.stream = t.stream DESC LIMIT 1) AS value,
        t.matched_at
    FROM tweet_rules t;
COMMENT ON VIEW matched_rules IS
    'Which rule matched which tweet, with the text of the rule; value is null for rules that were never recorded.';

-- == gaps, journals and topics ========================================================================================

ALTER TABLE stream_events ADD COLUMN gap_seq bigint, ADD COLUMN lines bigint, ADD COLUMN problem text;
-- Only what is surely a number: anybody may have written to the topic.
UPDATE stream_events SET
    gap_seq = CASE WHEN payload #>> '{pipeline_event,seq}' ~ '^[0-9]{1,18}$'
        THEN (payload #>> '{pipeline_event,seq}')::bigint END,
    lines = CASE WHEN payload #>> '{pipeline_event,lines}' ~ '^[0-9]{1,18}$'
        THEN (payload #>> '{pipeline_event,lines}')::bigint END
WHERE type IN ('repaired', 'repair_failed');
COMMENT ON COLUMN stream_events.gap_seq IS
    'Of repaired and repair_failed: the opened_seq of the gap in stream_gaps.';
COMMENT ON COLUMN stream_events.lines IS 'How many lines or posts the event speaks of.';
COMMENT ON COLUMN stream_events.problem IS
    'Which members of the event cannot be true and were left out, or why it could not be applied; null when all is right.';

ALTER TABLE stream_gaps DROP CONSTRAINT stream_gaps_status_check,
    ADD CONSTRAINT stream_gaps_status_check
        CHECK (status IN ('open', 'repaired_exactly', 'repaired_approximately', 'accepted')),
    ADD COLUMN accepted_at timestamptz, ADD COLUMN accepted_reason text;
COMMENT ON COLUMN stream_gaps.status IS
    'open: it is not filled; repaired_exactly: X replayed all of it; repaired_approximately: it was searched again; accepted: an operator closed it.';
COMMENT ON COLUMN stream_gaps.accepted_at IS 'When an operator accepted it as lost.';
COMMENT ON COLUMN stream_gaps.accepted_reason IS 'Why, in the operator''s words.';
COMMENT ON COLUMN stream_events.type IS
    'started, connected, disconnected, connect_failed, quiet, lively, rules, rules_differ, rules_agree, rules_silent, rules_heard, repaired, repair_failed, gap_closed, journal_forgotten, torn_tail, rejected, dropped or stopped from the producer; x_message for a line of X.';

CREATE TABLE dismissed (
    kind         text NOT NULL CHECK (kind IN ('topic', 'journal')),
    name         text NOT NULL,
    reason       text NOT NULL,
    dismissed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, name)
);
COMMENT ON TABLE dismissed IS
    'Topics and journals that an operator dismissed: verify and status no longer count them. Their rows stay.';
COMMENT ON COLUMN dismissed.kind IS 'topic or journal.';
COMMENT ON COLUMN dismissed.name IS 'Name of the topic, or id of the journal.';
COMMENT ON COLUMN dismissed.reason IS 'Why, in the operator''s words.';
COMMENT ON COLUMN dismissed.dismissed_at IS 'When; a topic that is committed to later counts again.';

-- == offsets ==========================================================================================================

ALTER TABLE loader_offsets
    ADD COLUMN cluster_id text, ADD COLUMN mark_offset bigint, ADD COLUMN mark_time bigint, ADD COLUMN mark_digest bigint;
COMMENT ON COLUMN loader_offsets.cluster_id IS 'Kafka cluster that the offsets belong to; null when it is not known.';
COMMENT ON COLUMN loader_offsets.mark_offset IS
    'Offset of the last message that was settled. It is read again at each claim: another message there means another log.';
COMMENT ON COLUMN loader_offsets.mark_time IS 'Kafka''s time of that message, milliseconds since 1970; null when it has none.';
COMMENT ON COLUMN loader_offsets.mark_digest IS 'Hash of the length and of both ends of that message.';

ALTER TABLE kafka_holes
    ADD COLUMN cause text NOT NULL DEFAULT 'deleted' CHECK (cause IN ('deleted', 'replaced', 'compacted')),
    ADD COLUMN messages bigint;
COMMENT ON TABLE kafka_holes IS
    'Messages that Kafka no longer had when the loader came for them: retention or compaction was faster, or the topic was created again.';
COMMENT ON COLUMN kafka_holes.cause IS
    'deleted: Kafka does not have the offset; replaced: another log stands behind the topic''s name; compacted: offsets between first_offset and end_offset are missing in a compacted topic.';
COMMENT ON COLUMN kafka_holes.messages IS
    'How many offsets are missing, where that is known. In a compacted topic, markers of transactions count as well.';

CREATE TABLE loaders (
    owner      text PRIMARY KEY,
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at    timestamptz NOT NULL DEFAULT now(),
    ended_at   timestamptz,
    problem    text
) WITH (fillfactor = 50);
COMMENT ON TABLE loaders IS 'Loaders that run, and those that ended within the last week.';
COMMENT ON COLUMN loaders.owner IS 'The loader: host, process id and a random part, as in loader_offsets.owner.';
COMMENT ON COLUMN loaders.started_at IS 'When it gave its first sign of life.';
COMMENT ON COLUMN loaders.seen_at IS 'When it gave its last one; a loader that runs gives one every 5 s.';
COMMENT ON COLUMN loaders.ended_at IS 'When it ended; null while it runs, and when it was killed.';
COMMENT ON COLUMN loaders.problem IS 'Why Kafka''s group does not accept it, and what to do; null when it does.';

-- == flags =============================================================================================================

COMMENT ON COLUMN tweets.text_altered IS
    'Whether the line did not fit: U+FFFD stands where NUL, a lone surrogate or invalid UTF-8 was, or created_at is null because it was no moment.';

-- == version ==========================================================================================================

INSERT INTO schema_version (version) VALUES (3);
