-- Version 2 to 3. `tweet-loader migrate` runs it in one transaction; it reads no table of tweets.

-- == rules ============================================================================================================

-- == gaps, journals and topics ========================================================================================

ALTER TABLE stream_gaps DROP CONSTRAINT stream_gaps_status_check,
    ADD CONSTRAINT stream_gaps_status_check
        CHECK (status IN ('open', 'repaired_exactly', 'repaired_approximately', 'accepted')),
    ADD COLUMN accepted_at timestamptz, ADD COLUMN accepted_reason text;
COMMENT ON COLUMN stream_gaps.status IS
    'open: it is not filled; repaired_exactly: X replayed all of it; repaired_approximately: it was searched again; accepted: an operator closed it.';
COMMENT ON COLUMN stream_gaps.accepted_at IS 'When an operator accepted it as lost.';
COMMENT ON COLUMN stream_gaps.accepted_reason IS 'Why, in the operator''s words.';
COMMENT ON COLUMN stream_events.type IS
    'started, connected, disconnected, connect_failed, quiet, lively, rules_differ, rules_agree, rules_silent, rules_heard, repaired, repair_failed, torn_tail, rejected, dropped, stopped, gap_closed or journal_forgotten from the producer; x_message for a line of X.';

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

-- == version ==========================================================================================================

INSERT INTO schema_version (version) VALUES (3);
