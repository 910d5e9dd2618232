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
COMMENT ON TABLE rules IS 'Every rule that was seen at X, with its text. A changed tag makes a new rule at X with a new id.';
COMMENT ON COLUMN rules.rule_id IS 'Rule at X, as in tweet_rules.';
COMMENT ON COLUMN rules.stream IS 'Stream whose producer saw it.';
COMMENT ON COLUMN rules.value IS 'Text of the rule, as X holds it.';
COMMENT ON COLUMN rules.tag IS 'Tag of the rule; null for a rule without a tag.';
COMMENT ON COLUMN rules.seen_from IS 'When a producer first saw the rule at X.';
COMMENT ON COLUMN rules.seen_last IS
    'When a producer last recorded it; rules are recorded at start and whenever one of them changes.';
COMMENT ON COLUMN rules.seen_until IS 'When a producer first saw that X no longer had it; null while X has it.';
COMMENT ON COLUMN rules.first_journal IS 'Journal that holds the event of seen_from.';
COMMENT ON COLUMN rules.first_seq IS 'Sequence number of the event of seen_from.';
COMMENT ON COLUMN rules.last_journal IS 'Journal that holds the event of seen_last.';
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
    'Events of type rules: each time a producer listed the rules at X. A long list has several parts with the same time.';
COMMENT ON COLUMN rule_lists.stream IS 'Stream.';
COMMENT ON COLUMN rule_lists.journal IS 'Journal that holds the event.';
COMMENT ON COLUMN rule_lists.seq IS 'Sequence number of the event in its journal.';
COMMENT ON COLUMN rule_lists.at IS 'When the rules were read from X; the same for all parts of a list.';
COMMENT ON COLUMN rule_lists.part IS 'Number of the part, from 1.';
COMMENT ON COLUMN rule_lists.parts IS 'Number of parts of the list.';
COMMENT ON COLUMN rule_lists.rules IS 'Number of rules in this part.';

CREATE OR REPLACE VIEW rule_matches AS
    SELECT m.rule_id, m.tag, m.stream, m.day, m.tweets,
        (SELECT r.value FROM rules r WHERE r.rule_id = m.rule_id ORDER BY r.stream = m.stream DESC LIMIT 1) AS value
    FROM (
        SELECT rule_id, max(tag) AS tag, stream, date_trunc('day', matched_at) AS day, count(*) AS tweets
        FROM tweet_rules GROUP BY rule_id, stream, date_trunc('day', matched_at)) m;
COMMENT ON VIEW rule_matches IS
    'Number of tweets that each rule matched on each day, with the text of the rule; value is null for rules that were never recorded.';

CREATE VIEW matched_rules AS
    SELECT t.tweet_id, t.rule_id, t.stream, t.tag,
        (SELECT r.value FROM rules r WHERE r.rule_id = t.rule_id ORDER BY r.stream = t.stream DESC LIMIT 1) AS value,
        t.matched_at
    FROM tweet_rules t;
COMMENT ON VIEW matched_rules IS
    'Which rule matched which tweet, with the text of the rule; value is null for rules that were never recorded.';

CREATE FUNCTION plain_text(escaped text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT replace(replace(replace(escaped, '&lt;', '<'), '&gt;', '>'), '&amp;', '&') $$;
COMMENT ON FUNCTION plain_text(text) IS 'Text without the HTML entities for & < > that X writes into every text.';

-- == timelines of accounts =============================================================================================

CREATE TABLE x_accounts (
    user_id      bigint PRIMARY KEY,
    username     text,
    name         text,
    added_at     timestamptz NOT NULL DEFAULT now(),
    state        text NOT NULL DEFAULT 'active'
        CHECK (state IN ('active', 'paused', 'limited', 'failing', 'login_needed', 'revoked', 'suspended')),
    state_since  timestamptz NOT NULL DEFAULT now(),
    state_until  timestamptz,
    state_detail text,
    owner        text,
    leased_until timestamptz,
    fence        bigint NOT NULL DEFAULT 0,
    reserved     integer NOT NULL DEFAULT 0,
    day          date,
    day_posts    bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
COMMENT ON TABLE x_accounts IS
    'Accounts at X whose timelines tweet-timelines reads. Deleting a row ends that and deletes token, timelines and entries.';
COMMENT ON COLUMN x_accounts.user_id IS 'Id of the account at X.';
COMMENT ON COLUMN x_accounts.username IS 'Handle without @; null when it is not known.';
COMMENT ON COLUMN x_accounts.name IS 'Name shown on X; null when it is not known.';
COMMENT ON COLUMN x_accounts.added_at IS 'When the account was added.';
COMMENT ON COLUMN x_accounts.state IS
    'active: is read; paused: by an operator or the application; limited: X accepts no call before state_until; failing: calls fail and are retried; login_needed: the user must log in again; revoked: the user has revoked the app''s access; suspended: X has suspended or deleted the account.';
COMMENT ON COLUMN x_accounts.state_since IS 'Since when it has that state.';
COMMENT ON COLUMN x_accounts.state_until IS 'End of limited and failing; null otherwise.';
COMMENT ON COLUMN x_accounts.state_detail IS 'Reason for the state; never a token.';
COMMENT ON COLUMN x_accounts.owner IS 'Poller that reads it now: host, process id and a random part.';
COMMENT ON COLUMN x_accounts.leased_until IS 'Until then no other poller reads it; null while none does.';
COMMENT ON COLUMN x_accounts.fence IS 'Number of leases; a poller with an older number cannot store anything.';
COMMENT ON COLUMN x_accounts.reserved IS 'Posts that the call in flight may return at most; counts while the lease lasts.';
COMMENT ON COLUMN x_accounts.day IS 'Day (UTC) of day_posts.';
COMMENT ON COLUMN x_accounts.day_posts IS 'Posts read for this account on that day, as X charges them.';

CREATE TABLE removed_accounts (
    user_id    bigint PRIMARY KEY,
    removed_at timestamptz NOT NULL
);
COMMENT ON TABLE removed_accounts IS
    'Accounts whose row in x_accounts was deleted. Lines that were read for one of them before are not stored when they come later.';
COMMENT ON COLUMN removed_accounts.user_id IS 'Id of the account at X.';
COMMENT ON COLUMN removed_accounts.removed_at IS 'When the row was deleted, the last time.';

CREATE FUNCTION record_removed_account() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO removed_accounts (user_id, removed_at) VALUES (OLD.user_id, clock_timestamp())
    ON CONFLICT (user_id) DO UPDATE SET removed_at = excluded.removed_at;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION record_removed_account() IS 'Keeps lines of a deleted account that are still on their way from being stored.';
CREATE TRIGGER record_removed_account AFTER DELETE ON x_accounts
    FOR EACH ROW EXECUTE FUNCTION record_removed_account();

CREATE TABLE x_token_keys (
    key_id      smallint PRIMARY KEY,
    check_value bytea NOT NULL UNIQUE,
    added_at    timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE x_token_keys IS 'Keys that tokens are encrypted with. The keys themselves are in files, never here.';
COMMENT ON COLUMN x_token_keys.key_id IS 'Number of the key, as in x_tokens.';
COMMENT ON COLUMN x_token_keys.check_value IS 'HMAC-SHA-256 of the word check with the key: identifies a key file.';
COMMENT ON COLUMN x_token_keys.added_at IS 'When the key was first used.';

CREATE TABLE x_tokens (
    user_id       bigint PRIMARY KEY REFERENCES x_accounts ON DELETE CASCADE,
    kind          text NOT NULL DEFAULT 'oauth2' CHECK (kind IN ('oauth2', 'oauth1')),
    client_id     text NOT NULL DEFAULT '',
    scopes        text[],
    access_token  text,
    refresh_token text,
    access        bytea,
    refresh       bytea,
    key_id        smallint REFERENCES x_token_keys,
    expires_at    timestamptz,
    version       bigint NOT NULL DEFAULT 1,
    refreshed_at  timestamptz,
    dead_since    timestamptz,
    CHECK ((access_token IS NULL) <> (access IS NULL)),
    CHECK ((access IS NULL) = (key_id IS NULL)),
    CHECK (refresh IS NULL OR access IS NOT NULL),
    CHECK (refresh_token IS NULL OR access_token IS NOT NULL)
) WITH (fillfactor = 50);
COMMENT ON TABLE x_tokens IS
    'Tokens of accounts. An application inserts one in clear or encrypted, as docs/timelines.md describes; one in clear is encrypted by the first poller that sees it.';
COMMENT ON COLUMN x_tokens.user_id IS 'Account; its row in x_accounts is added when it is missing.';
COMMENT ON COLUMN x_tokens.kind IS 'oauth2, or oauth1 (refresh has the token secret then).';
COMMENT ON COLUMN x_tokens.client_id IS 'App that the token belongs to; authenticated with the ciphertext.';
COMMENT ON COLUMN x_tokens.scopes IS 'Scopes that the user has granted; null when they are not known.';
COMMENT ON COLUMN x_tokens.access_token IS 'Access token in clear, until it is encrypted.';
COMMENT ON COLUMN x_tokens.refresh_token IS 'Refresh token, or secret of an oauth1 token, in clear, until it is encrypted.';
COMMENT ON COLUMN x_tokens.access IS
    'Access token by AES-256-GCM: version 1, key_id (2 bytes), nonce (12), ciphertext, tag (16); user_id|access|client_id is authenticated.';
COMMENT ON COLUMN x_tokens.refresh IS 'Refresh token in the same form; user_id|refresh|client_id is authenticated.';
COMMENT ON COLUMN x_tokens.key_id IS 'Key of access and refresh; null for a token in clear.';
COMMENT ON COLUMN x_tokens.expires_at IS 'When the access token expires; null when that is not known or never.';
COMMENT ON COLUMN x_tokens.version IS 'Counts every change; a refresh never overwrites a newer token.';
COMMENT ON COLUMN x_tokens.refreshed_at IS 'When X last granted a new pair.';
COMMENT ON COLUMN x_tokens.dead_since IS 'When X first rejected this refresh token; null while it is good.';

CREATE TABLE timelines (
    user_id        bigint NOT NULL REFERENCES x_accounts ON DELETE CASCADE,
    kind           text NOT NULL CHECK (kind IN ('home', 'posts', 'mentions')),
    complete_to    bigint,
    recent_ids     bigint[] NOT NULL DEFAULT '{}',
    walk_newest    bigint,
    walk_next      bigint,
    walk_floor     bigint,
    walk_posts     integer NOT NULL DEFAULT 0,
    walk_idle      integer NOT NULL DEFAULT 0,
    due_at         timestamptz NOT NULL DEFAULT now(),
    interval_ms    bigint,
    last_polled_at timestamptz,
    last_new_at    timestamptz,
    failures       integer NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, kind)
) WITH (fillfactor = 50);
CREATE INDEX timelines_due ON timelines (due_at);
COMMENT ON TABLE timelines IS 'Timelines that are read, how far each is complete, and when it is due.';
COMMENT ON COLUMN timelines.user_id IS 'Account.';
COMMENT ON COLUMN timelines.kind IS 'home: of the accounts that it follows; posts: its own posts; mentions: posts that mention it.';
COMMENT ON COLUMN timelines.complete_to IS 'Every post up to this id is stored, apart from timeline_gaps; null before the first poll.';
COMMENT ON COLUMN timelines.recent_ids IS 'The newest stored posts: a poll that returns one of them has missed nothing.';
COMMENT ON COLUMN timelines.walk_newest IS 'Newest post of the walk in progress; null without one.';
COMMENT ON COLUMN timelines.walk_next IS 'The walk continues below this id.';
COMMENT ON COLUMN timelines.walk_floor IS 'The walk ends at this id; null for the first walk.';
COMMENT ON COLUMN timelines.walk_posts IS 'Posts that the walk has returned.';
COMMENT ON COLUMN timelines.walk_idle IS 'Pages in a row without a new post.';
COMMENT ON COLUMN timelines.due_at IS 'When the next call is due.';
COMMENT ON COLUMN timelines.interval_ms IS 'Milliseconds between polls; adapts to the rate of posts.';
COMMENT ON COLUMN timelines.last_polled_at IS 'When X last answered.';
COMMENT ON COLUMN timelines.last_new_at IS 'When X last returned a new post.';
COMMENT ON COLUMN timelines.failures IS 'Failed calls in a row.';

CREATE TABLE timeline_entries (
    user_id  bigint NOT NULL REFERENCES x_accounts ON DELETE CASCADE,
    kind     text NOT NULL,
    tweet_id bigint NOT NULL,
    seen_at  timestamptz NOT NULL,
    PRIMARY KEY (user_id, kind, tweet_id)
);
CREATE INDEX timeline_entries_tweet ON timeline_entries (tweet_id);
COMMENT ON TABLE timeline_entries IS 'Which tweet is in which timeline; one tweet may be in many.';
COMMENT ON COLUMN timeline_entries.user_id IS 'Account.';
COMMENT ON COLUMN timeline_entries.kind IS 'Timeline, as in timelines.';
COMMENT ON COLUMN timeline_entries.tweet_id IS 'Tweet; for a repost the id of the repost.';
COMMENT ON COLUMN timeline_entries.seen_at IS 'When X returned it.';

CREATE TABLE timeline_gaps (
    user_id  bigint NOT NULL REFERENCES x_accounts ON DELETE CASCADE,
    kind     text NOT NULL,
    from_id  bigint NOT NULL,
    to_id    bigint NOT NULL,
    cause    text NOT NULL CHECK (cause IN ('depth', 'no_progress')),
    found_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, kind, from_id, to_id)
);
COMMENT ON TABLE timeline_gaps IS 'Parts of timelines that X no longer returned. Posts between both ids may be missing.';
COMMENT ON COLUMN timeline_gaps.user_id IS 'Account.';
COMMENT ON COLUMN timeline_gaps.kind IS 'Timeline, as in timelines.';
COMMENT ON COLUMN timeline_gaps.from_id IS 'Everything up to this id is stored: one minute before the newest post that was stored before the gap.';
COMMENT ON COLUMN timeline_gaps.to_id IS 'Everything from this id on is stored.';
COMMENT ON COLUMN timeline_gaps.cause IS
    'depth: the timeline is longer than X returns; no_progress: X repeated pages without a new post.';
COMMENT ON COLUMN timeline_gaps.found_at IS 'When the gap was found.';

CREATE TABLE timeline_reads (
    day      date NOT NULL,
    tweet_id bigint NOT NULL,
    PRIMARY KEY (day, tweet_id)
);
COMMENT ON TABLE timeline_reads IS
    'Posts that X has charged: each once a day (UTC), whichever account it was read for. Days before yesterday are deleted.';
COMMENT ON COLUMN timeline_reads.day IS 'Day (UTC).';
COMMENT ON COLUMN timeline_reads.tweet_id IS 'Post.';

CREATE TABLE timeline_days (
    day   date PRIMARY KEY,
    posts bigint NOT NULL DEFAULT 0,
    calls bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
COMMENT ON TABLE timeline_days IS 'What reading timelines has cost on each day.';
COMMENT ON COLUMN timeline_days.day IS 'Day (UTC).';
COMMENT ON COLUMN timeline_days.posts IS 'Posts that X has charged.';
COMMENT ON COLUMN timeline_days.calls IS 'Calls that X has answered.';

CREATE TABLE timeline_pauses (
    cause  text PRIMARY KEY CHECK (cause IN ('usage_cap', 'no_credits', 'app', 'rate_limit', 'budget')),
    until  timestamptz NOT NULL,
    since  timestamptz NOT NULL DEFAULT now(),
    detail text
);
COMMENT ON TABLE timeline_pauses IS 'Why no timeline of any account is read now; a row counts until its end.';
COMMENT ON COLUMN timeline_pauses.cause IS
    'usage_cap: the plan''s cap is reached; no_credits: X wants to be paid; app: X denies the app; rate_limit: of the app; budget: MAX_POSTS_PER_DAY or MAX_POSTS_PER_MONTH.';
COMMENT ON COLUMN timeline_pauses.until IS 'When the next call is made.';
COMMENT ON COLUMN timeline_pauses.since IS 'When it began.';
COMMENT ON COLUMN timeline_pauses.detail IS 'What X has answered.';

CREATE FUNCTION prepare_x_token() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO x_accounts (user_id) VALUES (NEW.user_id) ON CONFLICT DO NOTHING;
    INSERT INTO timelines (user_id, kind) VALUES (NEW.user_id, 'home') ON CONFLICT DO NOTHING;
    UPDATE x_accounts SET state = 'active', state_since = now(), state_until = NULL, state_detail = NULL
        WHERE user_id = NEW.user_id AND state NOT IN ('active', 'paused');
    UPDATE timelines SET due_at = least(due_at, now()) WHERE user_id = NEW.user_id;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION prepare_x_token() IS 'Adds account and home timeline of a new token, and makes them due.';
CREATE TRIGGER prepare_x_token BEFORE INSERT ON x_tokens FOR EACH ROW EXECUTE FUNCTION prepare_x_token();

CREATE FUNCTION renew_x_token() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    NEW.version := OLD.version + 1;
    NEW.dead_since := NULL;
    UPDATE x_accounts SET state = 'active', state_since = now(), state_until = NULL, state_detail = NULL
        WHERE user_id = NEW.user_id AND state NOT IN ('active', 'paused');
    UPDATE timelines SET due_at = least(due_at, now()) WHERE user_id = NEW.user_id;
    PERFORM pg_notify('x_tokens', NEW.user_id::text);
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION renew_x_token() IS
    'Makes an account active again whose token an application has replaced, and wakes the pollers (channel x_tokens).';
CREATE TRIGGER renew_x_token BEFORE UPDATE ON x_tokens FOR EACH ROW
    WHEN (NEW.version = OLD.version AND (NEW.access IS DISTINCT FROM OLD.access OR NEW.access_token IS NOT NULL))
    EXECUTE FUNCTION renew_x_token();

CREATE FUNCTION announce_x_token() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        UPDATE x_accounts SET state = 'login_needed', state_since = now(), state_until = NULL,
            state_detail = 'the token was deleted' WHERE user_id = OLD.user_id AND state <> 'login_needed';
        PERFORM pg_notify('x_tokens', OLD.user_id::text);
    ELSE
        PERFORM pg_notify('x_tokens', NEW.user_id::text);
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION announce_x_token() IS 'Wakes the pollers (channel x_tokens) for a new or deleted token.';
CREATE TRIGGER announce_x_token AFTER INSERT OR DELETE ON x_tokens FOR EACH ROW EXECUTE FUNCTION announce_x_token();

CREATE FUNCTION announce_timeline() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM pg_notify('x_tokens', NEW.user_id::text);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION announce_timeline() IS 'Wakes the pollers (channel x_tokens) for a new timeline.';
CREATE TRIGGER announce_timeline AFTER INSERT ON timelines FOR EACH ROW EXECUTE FUNCTION announce_timeline();

CREATE FUNCTION resume_x_account() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE timelines SET due_at = least(due_at, now()) WHERE user_id = NEW.user_id;
    PERFORM pg_notify('x_tokens', NEW.user_id::text);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION resume_x_account() IS
    'Makes the timelines of an account due that is read again, and wakes the pollers (channel x_tokens).';
CREATE TRIGGER resume_x_account AFTER UPDATE OF state ON x_accounts FOR EACH ROW
    WHEN (NEW.state = 'active' AND OLD.state IN ('paused', 'login_needed', 'revoked', 'suspended'))
    EXECUTE FUNCTION resume_x_account();

CREATE FUNCTION add_x_token(
    account bigint, access text, refresh text DEFAULT NULL, expires timestamptz DEFAULT NULL, client text DEFAULT '',
    granted text[] DEFAULT NULL, token_kind text DEFAULT 'oauth2'
) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    INSERT INTO x_tokens AS t (user_id, kind, client_id, scopes, access_token, refresh_token, expires_at)
    VALUES (account, token_kind, client, granted, access, refresh, expires)
    ON CONFLICT (user_id) DO UPDATE SET kind = excluded.kind, client_id = excluded.client_id, scopes = excluded.scopes,
        access_token = excluded.access_token, refresh_token = excluded.refresh_token, access = NULL, refresh = NULL,
        key_id = NULL, expires_at = excluded.expires_at, refreshed_at = NULL
$$;
COMMENT ON FUNCTION add_x_token(bigint, text, text, timestamptz, text, text[], text) IS
    'Adds or replaces the token of an account, in clear; the first poller that sees it encrypts it.';
REVOKE EXECUTE ON FUNCTION add_x_token(bigint, text, text, timestamptz, text, text[], text) FROM PUBLIC;

CREATE FUNCTION add_encrypted_x_token(
    account bigint, access bytea, refresh bytea, key smallint, expires timestamptz DEFAULT NULL, client text DEFAULT '',
    granted text[] DEFAULT NULL, token_kind text DEFAULT 'oauth2'
) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    INSERT INTO x_tokens AS t (user_id, kind, client_id, scopes, access, refresh, key_id, expires_at)
    VALUES (account, token_kind, client, granted, access, refresh, key, expires)
    ON CONFLICT (user_id) DO UPDATE SET kind = excluded.kind, client_id = excluded.client_id, scopes = excluded.scopes,
        access_token = NULL, refresh_token = NULL, access = excluded.access, refresh = excluded.refresh,
        key_id = excluded.key_id, expires_at = excluded.expires_at, refreshed_at = NULL
$$;
COMMENT ON FUNCTION add_encrypted_x_token(bigint, bytea, bytea, smallint, timestamptz, text, text[], text) IS
    'Adds or replaces the token of an account, encrypted in the form of x_tokens.access.';
REVOKE EXECUTE ON FUNCTION add_encrypted_x_token(bigint, bytea, bytea, smallint, timestamptz, text, text[], text) FROM PUBLIC;

CREATE FUNCTION remove_x_account(account bigint) RETURNS bigint LANGUAGE plpgsql
SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    alone bigint[];
    removed bigint;
BEGIN
    -- Waits for a loader that stores lines of the account.
    PERFORM FROM x_accounts WHERE user_id = account FOR UPDATE;
    alone := ARRAY(
        SELECT e.tweet_id FROM timeline_entries e WHERE e.user_id = account
            AND NOT EXISTS (SELECT FROM timeline_entries o WHERE o.tweet_id = e.tweet_id AND o.user_id <> account)
            AND NOT EXISTS (SELECT FROM tweet_rules r WHERE r.tweet_id = e.tweet_id)
        ORDER BY 1);
    -- What stays no longer names the account.
    UPDATE tweets t SET payload = jsonb_set(t.payload::jsonb, '{timeline}', '{}'), payload_raw = NULL
        FROM timeline_entries e
        WHERE e.user_id = account AND t.id = e.tweet_id AND e.tweet_id <> ALL (alone)
            AND t.payload::jsonb -> 'timeline' ->> 'user_id' = account::text;
    WITH gone AS MATERIALIZED (
        SELECT t.id, t.media_keys, t.poll_ids, ARRAY[t.retweeted_id, t.quoted_id, t.replied_to_id] AS others
        FROM tweets t WHERE t.id = ANY (alone)
    ), errors AS (
        DELETE FROM tweet_errors WHERE tweet_id = ANY (alone)
    ), chains AS (
        DELETE FROM tweet_versions WHERE tweet_id = ANY (alone)
    ), pictures AS (
        DELETE FROM media WHERE media_key = ANY (ARRAY(SELECT unnest(media_keys) FROM gone)) AND tweet_id = ANY (alone)
    ), votes AS (
        DELETE FROM polls WHERE id = ANY (ARRAY(SELECT unnest(poll_ids) FROM gone)) AND tweet_id = ANY (alone)
    ), included AS (
        DELETE FROM tweets t USING users u
        WHERE t.id = ANY (ARRAY(SELECT unnest(others) FROM gone)) AND NOT t.matched AND t.included_by = ANY (alone)
            AND u.id = t.author_id AND u.protected
    ), deleted AS (
        DELETE FROM tweets WHERE id = ANY (ARRAY(SELECT id FROM gone)) RETURNING 1
    )
    SELECT count(*) INTO removed FROM deleted;
    DELETE FROM x_accounts WHERE user_id = account;
    RETURN removed;
END
$$;
COMMENT ON FUNCTION remove_x_account(bigint) IS
    'Deletes an account with its token, timelines and entries, and the tweets that only its timelines had; returns their number. Lines of the account that come later are not stored.';
REVOKE EXECUTE ON FUNCTION remove_x_account(bigint) FROM PUBLIC;

CREATE FUNCTION trim_timelines(keep integer DEFAULT 800) RETURNS bigint LANGUAGE sql AS $$
    WITH removed AS (
        DELETE FROM timeline_entries e USING (
            SELECT a.user_id, k.kind, (
                SELECT n.tweet_id FROM timeline_entries n WHERE n.user_id = a.user_id AND n.kind = k.kind
                ORDER BY n.tweet_id DESC OFFSET keep LIMIT 1) AS tweet_id
            FROM x_accounts a CROSS JOIN (VALUES ('home'), ('posts'), ('mentions')) AS k (kind)) AS last
        WHERE e.user_id = last.user_id AND e.kind = last.kind AND e.tweet_id <= last.tweet_id
        RETURNING 1)
    SELECT count(*) FROM removed
$$;
COMMENT ON FUNCTION trim_timelines(integer) IS
    'Deletes the entries of each timeline but the newest; returns their number. The tweets stay.';

CREATE FUNCTION home_timeline(account bigint) RETURNS TABLE (
    id bigint, created_at timestamptz, username text, name text, text text, lang text, kind text, refers_to bigint,
    protected boolean, seen_at timestamptz, link text
) LANGUAGE sql STABLE AS $$
    SELECT t.id, coalesce(t.created_at, tweet_time(t.id)), coalesce(u.username, t.author_username), u.name,
        plain_text(coalesce(o.long_text, o.text, t.long_text, t.text)), t.lang,
        CASE WHEN t.retweeted_id IS NOT NULL THEN 'repost' WHEN t.quoted_id IS NOT NULL THEN 'quote'
            WHEN t.replied_to_id IS NOT NULL THEN 'reply' ELSE 'tweet' END,
        coalesce(t.retweeted_id, t.quoted_id, t.replied_to_id), coalesce(u.protected, false), e.seen_at,
        'https://x.com/i/status/' || t.id
    FROM timeline_entries e
    JOIN tweets t ON t.id = e.tweet_id
    LEFT JOIN users u ON u.id = t.author_id
    LEFT JOIN tweets o ON o.id = t.retweeted_id
    WHERE e.user_id = account AND e.kind = 'home'
    ORDER BY e.tweet_id DESC
$$;
COMMENT ON FUNCTION home_timeline(bigint) IS
    'Home timeline of an account, the newest post first, with whole texts without HTML entities. X''s rules allow to show it to that user only.';

CREATE TABLE muted_terms (
    term text PRIMARY KEY
);
COMMENT ON TABLE muted_terms IS 'Terms that timeline_terms and timeline_hashtags leave out; an application fills it.';
COMMENT ON COLUMN muted_terms.term IS 'Term in lower case; a hashtag with #.';

CREATE FUNCTION timeline_hashtags(account bigint, since timestamptz) RETURNS TABLE (term text, uses bigint, posts bigint)
LANGUAGE sql STABLE AS $$
    SELECT '#' || lower(h.hashtag), count(*), count(DISTINCT t.id)
    FROM timeline_entries e JOIN tweets t ON t.id = e.tweet_id CROSS JOIN LATERAL unnest(t.hashtags) AS h (hashtag)
    WHERE e.user_id = account AND e.kind = 'home' AND e.tweet_id >= tweet_id_at(since)
        AND NOT EXISTS (SELECT FROM muted_terms m WHERE m.term = '#' || lower(h.hashtag))
    GROUP BY 1 ORDER BY 3 DESC, 1
$$;
COMMENT ON FUNCTION timeline_hashtags(bigint, timestamptz) IS
    'Hashtags of a home timeline since a time, with #: how often each was used, and in how many posts.';

CREATE FUNCTION timeline_terms(account bigint, since timestamptz) RETURNS TABLE (term text, uses bigint, posts bigint)
LANGUAGE sql STABLE AS $$
    SELECT w.word, count(*), count(DISTINCT t.id)
    FROM timeline_entries e
    JOIN tweets t ON t.id = e.tweet_id
    LEFT JOIN tweets o ON o.id = t.retweeted_id
    CROSS JOIN LATERAL (
        SELECT lower(regexp_replace(
            coalesce(o.long_text, o.text, t.long_text, t.text),
            '^RT @\w+: |https?://\S+|[#@$]\w+|&(?:amp|lt|gt|quot|#39);', ' ', 'g')) AS text) AS plain
    CROSS JOIN LATERAL regexp_split_to_table(plain.text, '[^[:alnum:]'']+') AS w (word)
    WHERE e.user_id = account AND e.kind = 'home' AND e.tweet_id >= tweet_id_at(since) AND length(w.word) > 1
        AND NOT EXISTS (SELECT FROM muted_terms m WHERE m.term = w.word)
    GROUP BY 1 ORDER BY 3 DESC, 1
$$;
COMMENT ON FUNCTION timeline_terms(bigint, timestamptz) IS
    'Words of a home timeline since a time: how often each was used, and in how many posts. Links, hashtags, mentions, RT and HTML entities are left out.';

-- == gaps, journals and topics ========================================================================================

ALTER TABLE stream_events ADD COLUMN gap_seq bigint, ADD COLUMN lines bigint, ADD COLUMN problem text;
-- Only valid numbers: any program may have written to the topic.
UPDATE stream_events SET
    gap_seq = CASE WHEN payload #>> '{pipeline_event,seq}' ~ '^[0-9]{1,18}$'
        THEN (payload #>> '{pipeline_event,seq}')::bigint END,
    lines = CASE WHEN payload #>> '{pipeline_event,lines}' ~ '^[0-9]{1,18}$'
        THEN (payload #>> '{pipeline_event,lines}')::bigint END
WHERE type IN ('repaired', 'repair_failed');
COMMENT ON COLUMN stream_events.gap_seq IS 'For repaired and repair_failed: opened_seq of the gap in stream_gaps.';
COMMENT ON COLUMN stream_events.lines IS 'Number of lines, posts or rules that the event is about.';
COMMENT ON COLUMN stream_events.problem IS
    'Members of the event that were invalid and left out, or why it could not be applied; null without a problem.';

ALTER TABLE stream_gaps DROP CONSTRAINT stream_gaps_status_check,
    ADD CONSTRAINT stream_gaps_status_check
        CHECK (status IN ('open', 'repaired_exactly', 'repaired_approximately', 'covered', 'accepted')),
    ADD COLUMN accepted_at timestamptz, ADD COLUMN accepted_reason text;
COMMENT ON COLUMN stream_gaps.status IS
    'open: not filled; repaired_exactly: X replayed all of it; repaired_approximately: filled by a search; covered: another journal of the stream has all of that time; accepted: closed by an operator.';
COMMENT ON COLUMN stream_gaps.accepted_at IS 'When an operator accepted it as lost.';
COMMENT ON COLUMN stream_gaps.accepted_reason IS 'Reason given by the operator.';
COMMENT ON COLUMN stream_events.type IS
    'started, connected, disconnected, connect_failed, quiet, lively, rules, rules_differ, rules_agree, rules_silent, rules_heard, repaired, repair_failed, gap_closed, journal_forgotten, handed_over, passive, tally, applied, torn_tail, rejected, dropped or stopped, written by the producer; x_message for a message of X.';

CREATE VIEW stream_changes AS
    SELECT e.stream, e.journal, e.at, e.cause AS action,
        e.payload #>> '{pipeline_event,settings_before}' AS settings_before,
        e.payload #>> '{pipeline_event,settings_after}' AS settings_after, e.detail AS settings
    FROM stream_events e WHERE e.type = 'applied';
COMMENT ON VIEW stream_changes IS
    'What tweet-producer streams apply did: the stream was started, changed, stopped or removed; hashes of its settings before and after, and the names of those that changed.';
COMMENT ON COLUMN stream_changes.stream IS 'Stream.';
COMMENT ON COLUMN stream_changes.journal IS 'Journal that holds the event.';
COMMENT ON COLUMN stream_changes.at IS 'When the process of the stream recorded it.';
COMMENT ON COLUMN stream_changes.action IS 'started, changed, stopped or removed.';
COMMENT ON COLUMN stream_changes.settings_before IS 'Hash of the settings before; null for a stream that was started.';
COMMENT ON COLUMN stream_changes.settings_after IS 'Hash of the settings after; null for one that was stopped or removed.';
COMMENT ON COLUMN stream_changes.settings IS 'Names of the settings that changed; null when none did.';

CREATE TABLE stream_state (
    stream              text NOT NULL,
    journal             text NOT NULL,
    seq                 bigint NOT NULL,
    alive_at            timestamptz NOT NULL,
    settled_at          timestamptz NOT NULL,
    due_after           interval,
    connected           boolean,
    passive             boolean,
    connection          bigint,
    last_received_at    timestamptz,
    last_post_at        timestamptz,
    unacknowledged_from timestamptz,
    posts_today         bigint,
    posts_of_cycle      bigint,
    limit_per_day       bigint,
    limit_per_cycle     bigint,
    journal_bytes       bigint,
    available_bytes     bigint,
    rules               bigint,
    PRIMARY KEY (stream, journal)
);
COMMENT ON TABLE stream_state IS
    'The newest heartbeat of each producer: what it knew of itself then. Its age, while lines are loaded, is the age of what PostgreSQL knows.';
COMMENT ON COLUMN stream_state.stream IS 'Stream.';
COMMENT ON COLUMN stream_state.journal IS 'Journal of the producer; several producers may share a stream.';
COMMENT ON COLUMN stream_state.seq IS 'Sequence number of the heartbeat in its journal.';
COMMENT ON COLUMN stream_state.alive_at IS 'When the producer wrote the heartbeat.';
COMMENT ON COLUMN stream_state.settled_at IS 'When a loader settled it: the delay from the producer to PostgreSQL is the difference.';
COMMENT ON COLUMN stream_state.due_after IS 'HEARTBEAT of the producer; null when unknown.';
COMMENT ON COLUMN stream_state.connected IS 'Whether the stream was connected.';
COMMENT ON COLUMN stream_state.passive IS 'Whether another producer read the stream, and this one was ready to take over.';
COMMENT ON COLUMN stream_state.connection IS
    'Connection, named by its start in milliseconds since 1970; null without a connection.';
COMMENT ON COLUMN stream_state.last_received_at IS 'When X last sent anything, keep-alives included; null when it had not.';
COMMENT ON COLUMN stream_state.last_post_at IS 'When the last post was received; null when none was.';
COMMENT ON COLUMN stream_state.unacknowledged_from IS
    'When the oldest line was received that Kafka had not acknowledged; null when there was none.';
COMMENT ON COLUMN stream_state.posts_today IS 'Posts of the day (UTC), by the producer''s own count.';
COMMENT ON COLUMN stream_state.posts_of_cycle IS 'Posts of the billing cycle, by the producer''s own count.';
COMMENT ON COLUMN stream_state.limit_per_day IS 'MAX_POSTS_PER_DAY; null for no limit.';
COMMENT ON COLUMN stream_state.limit_per_cycle IS 'MAX_POSTS_PER_MONTH; null for no limit.';
COMMENT ON COLUMN stream_state.journal_bytes IS 'Size of the stream''s folder; null when unknown.';
COMMENT ON COLUMN stream_state.available_bytes IS 'Bytes that the journal''s disk had left; null when unknown.';
COMMENT ON COLUMN stream_state.rules IS 'Rules at X that belonged to the producer; null when unknown.';

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
COMMENT ON COLUMN dismissed.reason IS 'Reason given by the operator.';
COMMENT ON COLUMN dismissed.dismissed_at IS 'When it was dismissed; a topic to which a loader commits later counts again.';

-- == offsets ==========================================================================================================

ALTER TABLE loader_offsets
    ADD COLUMN cluster_id text, ADD COLUMN mark_offset bigint, ADD COLUMN mark_time bigint, ADD COLUMN mark_digest bigint;
COMMENT ON COLUMN loader_offsets.cluster_id IS 'Kafka cluster that the offsets belong to; null when unknown.';
COMMENT ON COLUMN loader_offsets.mark_offset IS
    'Offset of the last settled message. Each claim reads it again: a different message there means that the topic was replaced.';
COMMENT ON COLUMN loader_offsets.mark_time IS
    'Kafka''s timestamp of that message, milliseconds since 1970; null when it has none.';
COMMENT ON COLUMN loader_offsets.mark_digest IS 'Hash of that message: its length, its first and its last bytes.';

ALTER TABLE kafka_holes
    ADD COLUMN cause text NOT NULL DEFAULT 'deleted' CHECK (cause IN ('deleted', 'replaced', 'compacted')),
    ADD COLUMN messages bigint;
COMMENT ON TABLE kafka_holes IS
    'Messages that Kafka no longer had when the loader requested them: deleted by retention or compaction, or the topic was created again.';
COMMENT ON COLUMN kafka_holes.cause IS
    'deleted: Kafka does not have the offset; replaced: the topic''s messages are not those that were loaded; compacted: offsets between first_offset and end_offset are missing in a compacted topic.';
COMMENT ON COLUMN kafka_holes.messages IS
    'Number of missing offsets, where known. In a compacted topic, transaction markers count as well.';

CREATE TABLE loaders (
    owner      text PRIMARY KEY,
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at    timestamptz NOT NULL DEFAULT now(),
    ended_at   timestamptz,
    problem    text
) WITH (fillfactor = 50);
COMMENT ON TABLE loaders IS 'Loaders that run, and those that ended within the last week.';
COMMENT ON COLUMN loaders.owner IS 'The loader: host, process id and a random part, as in loader_offsets.owner.';
COMMENT ON COLUMN loaders.started_at IS 'When it sent its first heartbeat.';
COMMENT ON COLUMN loaders.seen_at IS 'When it sent its last heartbeat; a running loader sends one every 5 s.';
COMMENT ON COLUMN loaders.ended_at IS 'When it ended; null while it runs and after it was killed.';
COMMENT ON COLUMN loaders.problem IS 'Why Kafka''s group does not accept it, and what to do; null when it does.';

-- == flags =============================================================================================================

COMMENT ON COLUMN tweets.text_altered IS
    'Whether the line was altered to fit: U+FFFD replaces NUL, lone surrogates and invalid UTF-8; created_at is null when it is not a valid time.';

-- == version ==========================================================================================================

INSERT INTO schema_version (version) VALUES (3);

-- Comments of earlier versions in plainer words.
COMMENT ON COLUMN schema_version.version IS 'Version of the schema; a loader rejects one that it does not know.';
COMMENT ON FUNCTION tweet_time(bigint) IS
    'When a tweet was posted, computed from its id; null for ids from before November 2010, which are no snowflakes.';
COMMENT ON FUNCTION tweet_id_at(timestamptz) IS
    'Lowest id that a tweet posted at that time or later can have. Compare id with it, so that only the months needed are read.';
COMMENT ON COLUMN tweets.id IS 'Id of the tweet, a snowflake: tweet_time(id) is when it was posted.';
COMMENT ON COLUMN tweets.created_at IS
    'When it was posted, to the second, according to X; null when the field was not requested.';
COMMENT ON COLUMN tweets.text IS
    'Text as X sends it: & < > are HTML-escaped, reposts and long posts are truncated; full_text(tweets) is the whole text.';
COMMENT ON COLUMN tweets.conversation_id IS 'First tweet of the conversation.';
COMMENT ON COLUMN tweets.in_reply_to_user_id IS 'User that it replies to.';
COMMENT ON COLUMN tweets.replied_to_id IS 'Tweet that it replies to.';
COMMENT ON COLUMN tweets.quoted_id IS 'Tweet that it quotes.';
COMMENT ON COLUMN tweets.retweeted_id IS 'Tweet that it reposts.';
COMMENT ON COLUMN tweets.edits_remaining IS 'Number of edits left.';
COMMENT ON COLUMN tweets.hashtags IS 'Hashtags without #, in X''s order; those found only in the long text come last.';
COMMENT ON COLUMN tweets.cashtags IS 'Cashtags without $, in the same order as hashtags.';
COMMENT ON COLUMN tweets.mentions IS 'Handles of mentioned users without @, in the same order as hashtags.';
COMMENT ON COLUMN tweets.mention_ids IS
    'Ids of mentioned users; element n belongs to element n of mentions. Null where X sent no id.';
COMMENT ON COLUMN tweets.urls IS 'Links as written in the text (t.co), in the same order as hashtags.';
COMMENT ON COLUMN tweets.expanded_urls IS 'Targets of the links; element n belongs to element n of urls.';
COMMENT ON COLUMN tweets.media_source_tweet_ids IS 'Tweets with which attached media were first posted.';
COMMENT ON COLUMN tweets.source IS 'App with which it was posted; X no longer fills it.';
COMMENT ON COLUMN tweets.community_id IS 'Community in which it was posted.';
COMMENT ON COLUMN tweets.display_text_start IS 'First code point of text to show; leading mentions of a reply precede it.';
COMMENT ON COLUMN tweets.withheld_countries IS 'Countries in which it is withheld (ISO 3166-1; XX: all; XY: by copyright claim).';
COMMENT ON COLUMN tweets.withheld_copyright IS 'Whether it is withheld because of a copyright claim.';
COMMENT ON COLUMN tweets.stream IS
    'Stream that received it first; null, as are journal, seq, received_at and connection, when tweet-producer did not write the message.';
COMMENT ON COLUMN tweets.connection IS
    'Connection that delivered it, named by its start in milliseconds since 1970; null when no connection did.';
COMMENT ON COLUMN tweets.payload_raw IS 'The original bytes of a line that was altered; payload has the altered line.';
COMMENT ON TABLE loader_offsets IS
    'How far each Kafka partition is settled, and which loader owns it. Committed together with the rows; Kafka''s own offsets are informative only.';
COMMENT ON COLUMN loader_offsets.next_offset IS
    'Offset of the first message that is not settled; null before the first batch, which begins with the oldest message in Kafka.';
COMMENT ON COLUMN loader_offsets.fence IS
    'Number of claims of this partition; a loader with an older fence has lost the partition and cannot commit.';
COMMENT ON COLUMN loader_offsets.owner IS 'Loader that last claimed the partition: host, process id and a random part.';
COMMENT ON COLUMN loader_offsets.claimed_at IS 'When it was last claimed.';
COMMENT ON COLUMN loader_offsets.committed_at IS 'When a batch of this partition was last committed.';
COMMENT ON TABLE rejects IS 'Messages that did not become rows, with their bytes and the reason. Nothing is dropped.';
COMMENT ON COLUMN rejects.reason IS
    'Stable code: the decoder''s (not_json, not_a_tweet, ...), or database when PostgreSQL rejected the row.';
COMMENT ON COLUMN rejects.sqlstate IS 'SQLSTATE with which PostgreSQL rejected the row.';
COMMENT ON COLUMN rejects.detail IS 'The exact error; may quote values when it comes from PostgreSQL.';
COMMENT ON COLUMN rejects.stream IS 'Stream that received the line; null when tweet-producer did not write the message.';
COMMENT ON TABLE stream_ledger IS
    'Which lines of a stream are settled as rows, events or rejects. A complete journal is one range that begins with 1.';
COMMENT ON COLUMN stream_ledger.settled IS 'Sequence numbers that are settled, without those still in stream_ledger_pending.';
COMMENT ON COLUMN stream_ledger.folded_at IS 'When numbers were last added.';
COMMENT ON TABLE stream_ledger_pending IS
    'Numbers settled by single batches and not yet merged into stream_ledger, so that loaders never wait for one row.';
COMMENT ON TABLE stream_events IS
    'Events of the streams: those of the producer (connected, disconnected, ...) and messages of X that are not tweets.';
COMMENT ON COLUMN stream_events.at IS 'When it happened; for a message of X, when it was received.';
COMMENT ON COLUMN stream_events.stream IS 'Stream; null when tweet-producer did not write the message.';
COMMENT ON COLUMN stream_events.connection IS
    'Connection, named by its start in milliseconds since 1970; null without a connection.';
COMMENT ON COLUMN stream_events.cause IS 'Reason, as a stable code.';
COMMENT ON COLUMN stream_events.detail IS 'Reason, in words.';
COMMENT ON TABLE stream_gaps IS
    'Periods in which a stream was not connected. What X may have sent in such a period is missing unless it was repaired.';
COMMENT ON COLUMN stream_gaps.newest_id IS 'Highest tweet id received before the gap, where a repair begins.';

-- == for analysts =====================================================================================================

COMMENT ON COLUMN tweets.created_at IS
    'When it was posted, to the second, according to X; null when the field was not requested. A condition on it reads every month: compare id with tweet_id_at(...), or use tweets_between(...).';

CREATE OR REPLACE FUNCTION full_text(tweet tweets) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT plain_text(coalesce(tweet.long_text, tweet.text)) $$;
COMMENT ON FUNCTION full_text(tweets) IS
    'Whole text of a tweet, also of a long one, without HTML entities: SELECT full_text(t) FROM tweets AS t, or t.full_text for short.';

CREATE FUNCTION utc_day(tweet_id bigint, otherwise timestamptz) RETURNS date
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT (coalesce(tweet_time(tweet_id), otherwise) AT TIME ZONE 'UTC')::date $$;
COMMENT ON FUNCTION utc_day(bigint, timestamptz) IS
    'Day in UTC on which a tweet was posted; that of the second argument for ids that are no snowflakes.';

CREATE INDEX users_protected ON users (id) WHERE protected;
CREATE VIEW public_tweets AS
    SELECT id, created_at, author_id, author_username, text, long_text, lang, conversation_id, in_reply_to_user_id,
        replied_to_id, quoted_id, retweeted_id, edit_ids, is_edit_eligible, editable_until, edits_remaining,
        retweet_count, reply_count, like_count, quote_count, bookmark_count, impression_count, hashtags, cashtags,
        mentions, mention_ids, urls, expanded_urls, media_keys, poll_ids, media_source_tweet_ids, place_id, longitude,
        latitude, possibly_sensitive, reply_settings, source, community_id, card_uri, display_text_start,
        display_text_end, paid_partnership, scopes_followers, article_title, article_text, withheld_copyright,
        withheld_countries, withheld_scope, stream, journal, seq, received_at, connection, kafka_topic, kafka_partition,
        kafka_offset, inserted_at, text_altered, matched, included_by, context_domain_ids, context_entity_ids
    FROM tweets t WHERE NOT EXISTS (SELECT FROM users u WHERE u.id = t.author_id AND u.protected);
COMMENT ON VIEW public_tweets IS
    'Tweets without payload, and without those of protected authors as X last sent them. The other views have these tweets only.';

CREATE OR REPLACE VIEW readable_tweets AS
    SELECT t.id, coalesce(t.created_at, tweet_time(t.id)) AS created_at,
        coalesce(u.username, t.author_username) AS username, u.name,
        plain_text(coalesce((SELECT coalesce(o.long_text, o.text) FROM tweets o WHERE o.id = t.retweeted_id LIMIT 1),
            t.long_text, t.text)) AS text, t.lang,
        CASE WHEN t.retweeted_id IS NOT NULL THEN 'repost' WHEN t.quoted_id IS NOT NULL THEN 'quote'
            WHEN t.replied_to_id IS NOT NULL THEN 'reply' ELSE 'tweet' END AS kind,
        coalesce(t.retweeted_id, t.quoted_id, t.replied_to_id) AS refers_to,
        -- The planner expects rows of a tweet in every month. Limits correct its estimate, a tenth for one that is not constant;
        -- otherwise PostgreSQL compiles the query (JIT) for seconds, even for 50 rows.
        ARRAY(SELECT coalesce(r.tag, r.rule_id::text) FROM (
            SELECT * FROM (SELECT tag, rule_id FROM tweet_rules WHERE tweet_id = t.id LIMIT greatest(t.id, 1000000)) AS r
            LIMIT greatest(t.id, 1000000)) AS r ORDER BY 1) AS rules,
        'https://x.com/i/status/' || t.id AS link
    FROM tweets t
    LEFT JOIN users u ON u.id = t.author_id
    -- Aggregates and scalar subqueries are never made joins: they look up each tweet by its key, in one month of the archive.
    WHERE t.matched AND u.protected IS NOT TRUE AND NOT (SELECT count(*) > 0 FROM tweet_versions v
        JOIN tweet_versions n ON n.chain_id = v.chain_id AND n.version > v.version
        WHERE v.tweet_id = t.id AND (SELECT s.id FROM tweets s WHERE s.id = n.tweet_id LIMIT 1) IS NOT NULL);
COMMENT ON VIEW readable_tweets IS
    'Matched tweets for reading, edited ones in their newest version: author, whole text without HTML entities (for a repost the original''s), kind, rules, link. Posts of protected authors are left out. Add WHERE id >= tweet_id_at(...), or use readable_between(...).';

CREATE OR REPLACE VIEW tweet_hashtags AS
    SELECT t.id AS tweet_id, h.hashtag, t.matched
    FROM public_tweets t CROSS JOIN LATERAL unnest(t.hashtags) AS h (hashtag);
COMMENT ON VIEW tweet_hashtags IS 'Hashtags, one row for each use, without #.';

CREATE OR REPLACE VIEW tweet_mentions AS
    SELECT t.id AS tweet_id, m.username, m.user_id, t.matched
    FROM public_tweets t CROSS JOIN LATERAL unnest(t.mentions, t.mention_ids) AS m (username, user_id);

CREATE OR REPLACE VIEW tweet_urls AS
    SELECT t.id AS tweet_id, u.url, u.expanded_url, t.matched
    FROM public_tweets t CROSS JOIN LATERAL unnest(t.urls, t.expanded_urls) AS u (url, expanded_url);

CREATE OR REPLACE VIEW tweet_context AS
    SELECT t.id AS tweet_id, c.domain_id, d.name AS domain, c.entity_id, e.name AS entity, t.matched
    FROM public_tweets t
    CROSS JOIN LATERAL unnest(t.context_domain_ids, t.context_entity_ids) AS c (domain_id, entity_id)
    LEFT JOIN context_domains d ON d.id = c.domain_id
    LEFT JOIN context_entities e ON e.id = c.entity_id;

DROP VIEW tweet_media, rule_matches;
CREATE VIEW tweet_media AS
    SELECT t.id AS tweet_id, m.media_key, m.type, m.url, m.preview_image_url, m.width, m.height, m.duration_ms, m.alt_text,
        m.view_count, m.variant_urls, m.variant_content_types, m.variant_bit_rates, m.tweet_id AS first_tweet_id,
        m.text_altered, m.seen_in, m.seen_at, t.matched
    FROM public_tweets t CROSS JOIN LATERAL unnest(t.media_keys) AS k (media_key) JOIN media m USING (media_key);
COMMENT ON VIEW tweet_media IS 'Pictures and videos, one row for each attachment to a tweet.';

CREATE VIEW rule_matches AS
    SELECT m.rule_id, m.tag, m.stream, m.day, m.tweets,
        (SELECT r.value FROM rules r WHERE r.rule_id = m.rule_id ORDER BY r.stream = m.stream DESC LIMIT 1) AS value
    FROM (
        SELECT rule_id, max(tag) AS tag, stream, utc_day(tweet_id, matched_at) AS day, count(*) AS tweets
        FROM tweet_rules GROUP BY rule_id, stream, utc_day(tweet_id, matched_at)) m;
COMMENT ON VIEW rule_matches IS
    'Number of tweets that each rule matched, by the day in UTC on which they were posted, with the text of the rule.';

CREATE VIEW matched_tweets AS
    SELECT * FROM public_tweets WHERE matched;
COMMENT ON VIEW matched_tweets IS
    'Tweets of public_tweets that came on a line of their own: without those that are stored only because another one refers to them.';

CREATE FUNCTION tweets_between(from_time timestamptz, to_time timestamptz) RETURNS SETOF tweets
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
        SELECT * FROM tweets t WHERE t.id >= tweet_id_at(from_time) AND t.id < tweet_id_at(to_time)
            AND NOT EXISTS (SELECT FROM users u WHERE u.id = t.author_id AND u.protected)
    $$;
COMMENT ON FUNCTION tweets_between(timestamptz, timestamptz) IS
    'Tweets posted from one time until before another, without those of protected authors; reads only the months between them.';

CREATE FUNCTION readable_between(from_time timestamptz, to_time timestamptz) RETURNS SETOF readable_tweets
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT * FROM readable_tweets WHERE id >= tweet_id_at(from_time) AND id < tweet_id_at(to_time) $$;
COMMENT ON FUNCTION readable_between(timestamptz, timestamptz) IS
    'Readable tweets posted from one time until before another; reads only the months between them.';

-- Comments on the columns of views: those of the tables' columns that they show, and then what differs.
DO $$
DECLARE
    shown record;
BEGIN
    FOR shown IN
        SELECT v.name AS view, a.attname AS attribute, col_description(c.attrelid, c.attnum) AS comment
        FROM (VALUES ('public_tweets', 'tweets'), ('matched_tweets', 'tweets'), ('readable_tweets', 'tweets'),
            ('tweet_media', 'media'), ('matched_rules', 'tweet_rules'), ('user_states', 'users')) AS v (name, source)
        JOIN pg_attribute a ON a.attrelid = v.name::regclass AND a.attnum > 0
        JOIN pg_attribute c ON c.attrelid = v.source::regclass AND c.attname = a.attname AND c.attnum > 0
    LOOP
        EXECUTE format('COMMENT ON COLUMN %I.%I IS %L', shown.view, shown.attribute, shown.comment);
    END LOOP;
END
$$;
COMMENT ON COLUMN superseded_tweets.tweet_id IS 'Version that was replaced.';
COMMENT ON COLUMN superseded_tweets.newest_id IS 'Newest stored version.';
COMMENT ON COLUMN readable_tweets.created_at IS 'When it was posted: to the second by X, else computed from the id.';
COMMENT ON COLUMN readable_tweets.username IS 'Handle of the author as last seen, without @.';
COMMENT ON COLUMN readable_tweets.name IS 'Display name of the author as last seen.';
COMMENT ON COLUMN readable_tweets.text IS 'Whole text without HTML entities; for a repost the text of the original.';
COMMENT ON COLUMN readable_tweets.kind IS 'tweet, reply, quote or repost.';
COMMENT ON COLUMN readable_tweets.refers_to IS
    'Tweet that it reposts, quotes or replies to. With nulls among such ids pandas reads floats: pass dtype=str.';
COMMENT ON COLUMN readable_tweets.rules IS 'Tags of the rules that matched it; the id of a rule without a tag.';
COMMENT ON COLUMN readable_tweets.link IS 'Address of the tweet at X.';
COMMENT ON COLUMN edit_chains.chain_id IS 'Id of the first version.';
COMMENT ON COLUMN edit_chains.versions IS 'All versions, the oldest first.';
COMMENT ON COLUMN edit_chains.newest_id IS 'Newest version, delivered or not.';
COMMENT ON COLUMN edit_chains.newest_stored_id IS 'Newest version that was delivered; null when none was.';
COMMENT ON COLUMN tweet_hashtags.tweet_id IS 'Tweet.';
COMMENT ON COLUMN tweet_hashtags.hashtag IS 'Hashtag as written, without #.';
COMMENT ON COLUMN tweet_hashtags.matched IS 'Whether a rule matched the tweet; see tweets.matched.';
COMMENT ON COLUMN tweet_mentions.tweet_id IS 'Tweet.';
COMMENT ON COLUMN tweet_mentions.username IS 'Handle as written, without @.';
COMMENT ON COLUMN tweet_mentions.user_id IS 'User that is mentioned; null where X sent no id.';
COMMENT ON COLUMN tweet_mentions.matched IS 'Whether a rule matched the tweet; see tweets.matched.';
COMMENT ON COLUMN tweet_urls.tweet_id IS 'Tweet.';
COMMENT ON COLUMN tweet_urls.url IS 'Link as written in the text (t.co).';
COMMENT ON COLUMN tweet_urls.expanded_url IS 'Target of the link.';
COMMENT ON COLUMN tweet_urls.matched IS 'Whether a rule matched the tweet; see tweets.matched.';
COMMENT ON COLUMN tweet_context.tweet_id IS 'Tweet.';
COMMENT ON COLUMN tweet_context.domain_id IS 'Domain of the annotation.';
COMMENT ON COLUMN tweet_context.domain IS 'Name of the domain.';
COMMENT ON COLUMN tweet_context.entity_id IS 'Entity of the annotation.';
COMMENT ON COLUMN tweet_context.entity IS 'Name of the entity.';
COMMENT ON COLUMN tweet_context.matched IS 'Whether a rule matched the tweet; see tweets.matched.';
COMMENT ON COLUMN tweet_media.tweet_id IS 'Tweet that it is attached to.';
COMMENT ON COLUMN tweet_media.first_tweet_id IS 'Oldest known tweet with this attachment.';
COMMENT ON COLUMN tweet_media.matched IS 'Whether a rule matched the tweet; see tweets.matched.';
COMMENT ON COLUMN rule_matches.rule_id IS 'Rule at X.';
COMMENT ON COLUMN rule_matches.tag IS 'Tag of the rule.';
COMMENT ON COLUMN rule_matches.stream IS 'Stream that delivered the tweets.';
COMMENT ON COLUMN rule_matches.day IS 'Day in UTC on which the tweets were posted.';
COMMENT ON COLUMN rule_matches.tweets IS 'Number of tweets.';
COMMENT ON COLUMN rule_matches.value IS 'Text of the rule; null for a rule that was never recorded.';
COMMENT ON COLUMN matched_rules.value IS 'Text of the rule; null for a rule that was never recorded.';
COMMENT ON COLUMN user_states.is_current IS 'Whether it is the state in users; false for one of user_history.';
COMMENT ON COLUMN withheld_notices.what IS 'tweet or user.';
COMMENT ON COLUMN withheld_notices.id IS 'Id of the tweet or the user.';
COMMENT ON COLUMN withheld_notices.countries IS 'Countries in which it is withheld (ISO 3166-1; XX: all; XY: by copyright claim).';
COMMENT ON COLUMN withheld_notices.copyright IS 'Whether it is withheld because of a copyright claim; null for a user.';
COMMENT ON COLUMN withheld_notices.scope IS 'Whether the tweet or the user is withheld: tweet, user.';
COMMENT ON COLUMN withheld_notices.seen_at IS 'When the notice was received.';

-- The partitions lie in a schema of their own, so that lists of tables stay short. A role that may not create schemas in this
-- database keeps them beside the tables.
DO $$
BEGIN
    IF has_database_privilege(current_database(), 'CREATE') THEN
        EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I', current_schema() || '_partitions');
        EXECUTE format('COMMENT ON SCHEMA %I IS %L', current_schema() || '_partitions',
            'The monthly partitions of tweets and tweet_rules.');
    END IF;
END
$$;
CREATE FUNCTION partition_schema() RETURNS text
    LANGUAGE sql STABLE
    AS $$
        SELECT quote_ident(coalesce((SELECT p.nspname FROM pg_namespace p WHERE p.nspname = s.nspname || '_partitions'),
            s.nspname))
        FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace WHERE c.oid = 'tweets'::regclass
    $$;
COMMENT ON FUNCTION partition_schema() IS 'Schema of the monthly partitions of tweets and tweet_rules, as SQL writes it.';

-- Partitions of earlier versions lie beside the tables.
DO $$
DECLARE
    month regclass;
BEGIN
    FOR month IN
        SELECT i.inhrelid::regclass FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent IN ('tweets'::regclass, 'tweet_rules'::regclass)
            AND c.relnamespace <> partition_schema()::regnamespace
    LOOP
        EXECUTE format('ALTER TABLE %s SET SCHEMA %s', month, partition_schema());
    END LOOP;
END
$$;

-- == posts by hour ====================================================================================================

CREATE FUNCTION utc_hour(tweet_id bigint) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
        SELECT CASE WHEN tweet_id > 29700859247
            THEN to_timestamp(((tweet_id >> 22) + 1288834974657) / 3600000 * 3600) ELSE timestamptz '2010-11-04 00:00:00Z' END
    $$;
COMMENT ON FUNCTION utc_hour(bigint) IS
    'Beginning of the hour in UTC in which a tweet was posted, computed from its id. All ids that are no snowflakes share one hour, the last before the snowflakes.';

CREATE TABLE hour_counts (
    hour    timestamptz NOT NULL,
    stream  text NOT NULL,
    rule_id bigint NOT NULL,
    posts   bigint NOT NULL,
    tag     text,
    PRIMARY KEY (hour, stream, rule_id)
) WITH (fillfactor = 70);
CREATE INDEX hour_counts_rule ON hour_counts (rule_id, hour);
COMMENT ON TABLE hour_counts IS
    'Number of posts in tweet_rules by hour, stream and rule. The loader counts in the transaction that stores the rows; after rows of tweet_rules were changed by hand, call recount_hours(...). The views are rule_hours and stream_hours.';
COMMENT ON COLUMN hour_counts.hour IS 'Beginning of the hour (UTC) in which the posts were posted: utc_hour(tweet_id).';
COMMENT ON COLUMN hour_counts.stream IS 'Stream that delivered the posts; empty when tweet-producer did not write the message.';
COMMENT ON COLUMN hour_counts.rule_id IS 'Rule at X; 0: all posts of the stream, whichever rules matched, each counted once.';
COMMENT ON COLUMN hour_counts.posts IS 'Number of posts; 0 after all of them were deleted.';
COMMENT ON COLUMN hour_counts.tag IS 'Tag of the rule; null for a rule without a tag, and for rule 0.';

CREATE VIEW rule_hours AS
    SELECT rule_id, tag, stream, hour, posts FROM hour_counts WHERE rule_id <> 0 AND posts > 0;
COMMENT ON VIEW rule_hours IS
    'Posts that each rule matched, by stream and by the hour in UTC in which they were posted. Hours without a post have no row.';
COMMENT ON COLUMN rule_hours.rule_id IS 'Rule at X.';
COMMENT ON COLUMN rule_hours.tag IS 'Tag of the rule; null for a rule without a tag.';
COMMENT ON COLUMN rule_hours.stream IS 'Stream that delivered the posts.';
COMMENT ON COLUMN rule_hours.hour IS 'Beginning of the hour, UTC.';
COMMENT ON COLUMN rule_hours.posts IS 'Number of posts; a post that several rules match counts for each of them.';

CREATE VIEW stream_hours AS
    SELECT stream, hour, posts FROM hour_counts WHERE rule_id = 0 AND posts > 0;
COMMENT ON VIEW stream_hours IS
    'Posts of each stream, by the hour in UTC in which they were posted; without those of timelines. Hours without a post have no row.';
COMMENT ON COLUMN stream_hours.stream IS 'Stream that delivered the posts.';
COMMENT ON COLUMN stream_hours.hour IS 'Beginning of the hour, UTC.';
COMMENT ON COLUMN stream_hours.posts IS 'Number of posts; a post that several streams deliver counts for each of them.';

CREATE FUNCTION recount_hours(from_time timestamptz, to_time timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    low     bigint := -9223372036854775808;
    high    bigint := 9223372036854775807;
    counted bigint;
BEGIN
    from_time := date_trunc('hour', greatest(from_time, utc_hour(0)), 'UTC');
    to_time := date_trunc('hour', least(to_time, utc_hour(high) + interval '1 hour') + interval '59 min 59.999999 s', 'UTC');
    IF from_time > utc_hour(0) THEN low := tweet_id_at(from_time); END IF;
    IF to_time <= utc_hour(high) THEN high := tweet_id_at(to_time) - 1; END IF;
    -- Loaders wait before they count, so that their rows are counted either here or by them.
    LOCK TABLE hour_counts IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM hour_counts h WHERE h.hour >= from_time AND h.hour < to_time;
    INSERT INTO hour_counts (hour, stream, rule_id, posts, tag)
    SELECT utc_hour(r.tweet_id), r.stream, r.rule_id, count(*), max(r.tag) FROM tweet_rules r
    WHERE r.tweet_id BETWEEN low AND high AND from_time < to_time AND r.rule_id <> 0 GROUP BY 1, 2, 3
    UNION ALL
    SELECT utc_hour(p.tweet_id), p.stream, 0, count(*), NULL
    FROM (SELECT DISTINCT r.tweet_id, r.stream FROM tweet_rules r
        WHERE r.tweet_id BETWEEN low AND high AND from_time < to_time) p
    GROUP BY 1, 2;
    GET DIAGNOSTICS counted = ROW_COUNT;
    RETURN counted;
END
$$;
COMMENT ON FUNCTION recount_hours(timestamptz, timestamptz) IS
    'Counts the whole hours of a period in hour_counts anew, from tweet_rules; returns the number of rows. Loaders wait meanwhile: call it for a day or a month at a time, at READ COMMITTED.';

-- What is stored already, a month at a time.
DO $$
DECLARE
    month timestamptz;
BEGIN
    FOR month IN
        SELECT generate_series(date_trunc('month', utc_hour(min(tweet_id)), 'UTC'), utc_hour(max(tweet_id)), interval '1 month')
        FROM tweet_rules
    LOOP
        PERFORM recount_hours(month, month + interval '1 month');
    END LOOP;
END
$$;
