-- Version 2 to 3. `tweet-loader migrate` runs it in one transaction; it reads no table of tweets.

-- == rules ============================================================================================================

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

-- == version ==========================================================================================================

INSERT INTO schema_version (version) VALUES (3);
