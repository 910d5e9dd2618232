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

COMMENT ON COLUMN stream_events.type IS
    'started, connected, disconnected, connect_failed, quiet, lively, rules_differ, rules_agree, rules_silent, rules_heard, repaired, repair_failed, rules, torn_tail, rejected, dropped or stopped from the producer; x_message for a line of X.';

-- == gaps, journals and topics ========================================================================================

-- == offsets ==========================================================================================================

-- == version ==========================================================================================================

INSERT INTO schema_version (version) VALUES (3);
