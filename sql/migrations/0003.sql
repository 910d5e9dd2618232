-- Version 2 to 3. `tweet-loader migrate` runs it in one transaction; it reads no table of tweets.

-- == rules ============================================================================================================

-- == gaps, journals and topics ========================================================================================

-- == offsets ==========================================================================================================

CREATE TABLE loaders (
    owner      text PRIMARY KEY,
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at    timestamptz NOT NULL DEFAULT now(),
    ended_at   timestamptz
) WITH (fillfactor = 50);
COMMENT ON TABLE loaders IS 'Loaders that run, and those that ended within the last week.';
COMMENT ON COLUMN loaders.owner IS 'The loader: host, process id and a random part, as in loader_offsets.owner.';
COMMENT ON COLUMN loaders.started_at IS 'When it gave its first sign of life.';
COMMENT ON COLUMN loaders.seen_at IS 'When it gave its last one; a loader that runs gives one every 5 s.';
COMMENT ON COLUMN loaders.ended_at IS 'When it ended; null while it runs, and when it was killed.';

-- == version ==========================================================================================================

INSERT INTO schema_version (version) VALUES (3);
