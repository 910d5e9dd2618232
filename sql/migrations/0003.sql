-- Version 2 to 3. `tweet-loader migrate` runs it in one transaction; it reads no table of tweets.

-- == rules ============================================================================================================

-- == gaps, journals and topics ========================================================================================

-- == offsets ==========================================================================================================

-- == flags =============================================================================================================

COMMENT ON COLUMN tweets.text_altered IS
    'Whether the line did not fit: U+FFFD stands where NUL, a lone surrogate or invalid UTF-8 was, or created_at is null because it was no moment.';

-- == version ==========================================================================================================

INSERT INTO schema_version (version) VALUES (3);
