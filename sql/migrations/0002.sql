-- Version 1 to 2: users, media, places, polls, rules, edits, errors and context beside the tweets.
-- `tweet-loader migrate` runs it in one transaction. It reads all tweets once, for their rules.

ALTER TABLE tweets
    ADD COLUMN matched boolean NOT NULL DEFAULT true,
    ADD COLUMN included_by bigint,
    ADD COLUMN context_domain_ids bigint[],
    ADD COLUMN context_entity_ids bigint[];
ALTER TABLE tweets ALTER COLUMN matched DROP DEFAULT;
COMMENT ON TABLE tweets IS
    'Tweets, one row for each id, in monthly partitions (the id encodes the time). Fields that X did not send are null. Rows with matched = false are tweets that a matched tweet refers to.';
COMMENT ON COLUMN tweets.payload IS
    'The whole line, with includes and matching rules; null with --payload drop and for an included tweet.';
COMMENT ON COLUMN tweets.matched IS
    'Whether a rule matched it, so that it came on a line of its own; otherwise it is only part of the line of included_by.';
COMMENT ON COLUMN tweets.included_by IS
    'Tweet whose line included this one, and whose payload contains all of it; null for a matched tweet.';
COMMENT ON COLUMN tweets.context_domain_ids IS 'Domains of the context annotations, in X''s order.';
COMMENT ON COLUMN tweets.context_entity_ids IS
    'Entities of the context annotations; element n belongs to element n of context_domain_ids.';

-- == what tweets refer to =============================================================================================

CREATE TABLE tweet_rules (
    tweet_id   bigint NOT NULL,
    rule_id    bigint NOT NULL,
    stream     text NOT NULL,
    tag        text,
    matched_at timestamptz,
    PRIMARY KEY (tweet_id, rule_id, stream)
) PARTITION BY RANGE (tweet_id);
COMMENT ON TABLE tweet_rules IS 'Which rule matched which tweet, on which stream, and when; in monthly partitions, as tweets.';
COMMENT ON COLUMN tweet_rules.tweet_id IS 'Tweet.';
COMMENT ON COLUMN tweet_rules.rule_id IS 'Rule at X.';
COMMENT ON COLUMN tweet_rules.stream IS 'Stream that delivered it; empty when tweet-producer did not write the message.';
COMMENT ON COLUMN tweet_rules.tag IS 'Tag of the rule at that time; null for a rule without a tag.';
COMMENT ON COLUMN tweet_rules.matched_at IS 'When the line was read from the socket; null when that was not recorded.';

CREATE TABLE tweet_versions (
    tweet_id bigint PRIMARY KEY,
    chain_id bigint NOT NULL,
    version  integer NOT NULL
);
CREATE INDEX tweet_versions_chain ON tweet_versions (chain_id);
COMMENT ON TABLE tweet_versions IS
    'Versions of edited tweets, including versions that were never delivered; tweets without edits have no row.';
COMMENT ON COLUMN tweet_versions.tweet_id IS 'Id of the version.';
COMMENT ON COLUMN tweet_versions.chain_id IS 'Id of the first version: the same for all versions of a tweet.';
COMMENT ON COLUMN tweet_versions.version IS 'Number of the version, from 1.';

CREATE TABLE tweet_errors (
    tweet_id      bigint NOT NULL,
    position      integer NOT NULL,
    title         text,
    type          text,
    detail        text,
    parameter     text,
    resource_type text,
    resource_id   text,
    value         text,
    section       text,
    PRIMARY KEY (tweet_id, position)
);
COMMENT ON TABLE tweet_errors IS
    'Partial errors: what X could not include with a tweet, such as a referenced tweet that was deleted.';
COMMENT ON COLUMN tweet_errors.tweet_id IS 'Tweet whose line had the error.';
COMMENT ON COLUMN tweet_errors.position IS 'Position in the line''s list of errors, from 1.';
COMMENT ON COLUMN tweet_errors.title IS 'Title by X: Not Found Error, Authorization Error, Forbidden, ...';
COMMENT ON COLUMN tweet_errors.type IS 'Kind: the last path segment of the problem''s URI, such as resource-not-found.';
COMMENT ON COLUMN tweet_errors.detail IS 'Explanation by X.';
COMMENT ON COLUMN tweet_errors.parameter IS 'Expansion or field that requested it, such as referenced_tweets.id.';
COMMENT ON COLUMN tweet_errors.resource_type IS 'Type of the requested object: tweet, user, media, ...';
COMMENT ON COLUMN tweet_errors.resource_id IS 'Requested object: an id or a handle.';
COMMENT ON COLUMN tweet_errors.value IS 'Value of the request, usually the same as resource_id.';
COMMENT ON COLUMN tweet_errors.section IS 'Part of the response that lacks it: data, includes.';

CREATE TABLE users (
    id                       bigint PRIMARY KEY,
    username                 text,
    name                     text,
    created_at               timestamptz,
    description              text,
    location                 text,
    url                      text,
    expanded_url             text,
    profile_image_url        text,
    profile_banner_url       text,
    protected                boolean,
    verified                 boolean,
    verified_type            text,
    verified_followers_count bigint,
    is_identity_verified     boolean,
    parody                   boolean,
    subscription_type        text,
    pinned_tweet_id          bigint,
    most_recent_tweet_id     bigint,
    followers_count          bigint,
    following_count          bigint,
    tweet_count              bigint,
    listed_count             bigint,
    like_count               bigint,
    media_count              bigint,
    affiliation_description  text,
    affiliation_url          text,
    affiliation_badge_url    text,
    affiliation_user_ids     bigint[],
    withheld_countries       text[],
    withheld_scope           text,
    fingerprint              bigint NOT NULL,
    text_altered             boolean NOT NULL,
    seen_in                  bigint NOT NULL,
    seen_at                  timestamptz NOT NULL
) WITH (fillfactor = 80);
COMMENT ON TABLE users IS
    'Users as X last included them: authors, mentioned users, users replied to. user_history has earlier states.';
COMMENT ON COLUMN users.id IS 'Id of the user; unchanged when the handle changes.';
COMMENT ON COLUMN users.username IS 'Handle, without @.';
COMMENT ON COLUMN users.name IS 'Display name.';
COMMENT ON COLUMN users.created_at IS 'When the account was created.';
COMMENT ON COLUMN users.description IS 'Description of the profile; & < > are HTML-escaped.';
COMMENT ON COLUMN users.location IS 'Location as entered by the user, free text.';
COMMENT ON COLUMN users.url IS 'Link of the profile as X shortens it (t.co).';
COMMENT ON COLUMN users.expanded_url IS 'Target of the link of the profile.';
COMMENT ON COLUMN users.profile_image_url IS 'Picture of the profile.';
COMMENT ON COLUMN users.profile_banner_url IS 'Picture above the profile.';
COMMENT ON COLUMN users.protected IS 'Whether only approved followers see the tweets.';
COMMENT ON COLUMN users.verified IS 'Whether the account is verified.';
COMMENT ON COLUMN users.verified_type IS 'Type of verification: blue, business, government, none.';
COMMENT ON COLUMN users.verified_followers_count IS 'Number of verified followers.';
COMMENT ON COLUMN users.is_identity_verified IS 'Whether X has verified an identity document.';
COMMENT ON COLUMN users.parody IS 'Whether the account is marked as a parody.';
COMMENT ON COLUMN users.subscription_type IS 'Subscription at X: Basic, Premium, PremiumPlus, None.';
COMMENT ON COLUMN users.pinned_tweet_id IS 'Tweet that is pinned to the profile.';
COMMENT ON COLUMN users.most_recent_tweet_id IS 'Newest tweet of the user.';
COMMENT ON COLUMN users.followers_count IS 'Followers.';
COMMENT ON COLUMN users.following_count IS 'Users that this one follows.';
COMMENT ON COLUMN users.tweet_count IS 'Tweets, reposts included.';
COMMENT ON COLUMN users.listed_count IS 'Lists that the user is on.';
COMMENT ON COLUMN users.like_count IS 'Likes that the user has given.';
COMMENT ON COLUMN users.media_count IS 'Pictures and videos of the user.';
COMMENT ON COLUMN users.affiliation_description IS 'Organization that the user is affiliated with.';
COMMENT ON COLUMN users.affiliation_url IS 'Link to the organization.';
COMMENT ON COLUMN users.affiliation_badge_url IS 'Badge of the organization.';
COMMENT ON COLUMN users.affiliation_user_ids IS 'Accounts of the organization.';
COMMENT ON COLUMN users.withheld_countries IS 'Countries in which the account is withheld (ISO 3166-1).';
COMMENT ON COLUMN users.withheld_scope IS 'What is withheld: user.';
COMMENT ON COLUMN users.fingerprint IS 'Hash of the columns above, with which the loader skips unchanged states. Internal.';
COMMENT ON COLUMN users.text_altered IS 'Whether the line was altered to fit; see tweets.text_altered.';
COMMENT ON COLUMN users.seen_in IS 'Tweet whose line had this state; its payload has the whole user.';
COMMENT ON COLUMN users.seen_at IS
    'When this state was received; for a message that tweet-producer did not write, when the tweet was posted.';

CREATE TABLE user_history (
    LIKE users INCLUDING COMMENTS,
    PRIMARY KEY (id, seen_at, fingerprint)
);
COMMENT ON TABLE user_history IS
    'Earlier states of users: a row for each state that a newer one replaced. The view user_states adds the current ones.';

CREATE FUNCTION keep_user_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO user_history SELECT * FROM replaced ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION keep_user_history() IS 'Copies the states that an UPDATE of users replaces to user_history.';
CREATE TRIGGER keep_user_history AFTER UPDATE ON users
    REFERENCING OLD TABLE AS replaced FOR EACH STATEMENT EXECUTE FUNCTION keep_user_history();
COMMENT ON TRIGGER keep_user_history ON users IS 'Copies the states that an UPDATE replaces to user_history.';

CREATE TABLE media (
    media_key             text PRIMARY KEY,
    type                  text,
    url                   text,
    preview_image_url     text,
    width                 integer,
    height                integer,
    duration_ms           bigint,
    alt_text              text,
    view_count            bigint,
    variant_urls          text[],
    variant_content_types text[],
    variant_bit_rates     bigint[],
    tweet_id              bigint,
    fingerprint           bigint NOT NULL,
    text_altered          boolean NOT NULL,
    seen_in               bigint NOT NULL,
    seen_at               timestamptz NOT NULL
);
COMMENT ON TABLE media IS 'Pictures, videos and animations attached to tweets (tweets.media_keys), as X last included them.';
COMMENT ON COLUMN media.media_key IS 'Key of the medium.';
COMMENT ON COLUMN media.type IS 'Kind: photo, video, animated_gif.';
COMMENT ON COLUMN media.url IS 'URL of a photo.';
COMMENT ON COLUMN media.preview_image_url IS 'URL of the preview image of a video or animation.';
COMMENT ON COLUMN media.width IS 'Width in pixels.';
COMMENT ON COLUMN media.height IS 'Height in pixels.';
COMMENT ON COLUMN media.duration_ms IS 'Length of a video in milliseconds.';
COMMENT ON COLUMN media.alt_text IS 'Description of the picture for people who cannot see it.';
COMMENT ON COLUMN media.view_count IS 'Views of a video.';
COMMENT ON COLUMN media.variant_urls IS 'URLs of the versions of a video.';
COMMENT ON COLUMN media.variant_content_types IS 'Media types of the versions; element n belongs to element n of variant_urls.';
COMMENT ON COLUMN media.variant_bit_rates IS
    'Bit rates of the versions in bits per second; element n belongs to element n of variant_urls. Null for playlists.';
COMMENT ON COLUMN media.tweet_id IS 'Oldest known tweet with this attachment; deleting that tweet deletes this row.';
COMMENT ON COLUMN media.fingerprint IS 'Hash of the columns above, as in users.';
COMMENT ON COLUMN media.text_altered IS 'Whether the line was repaired to fit; see tweets.text_altered.';
COMMENT ON COLUMN media.seen_in IS 'Tweet whose line had this state; its payload has the whole object.';
COMMENT ON COLUMN media.seen_at IS 'When this state was received, as in users.';

CREATE TABLE polls (
    id               bigint PRIMARY KEY,
    option_labels    text[],
    option_votes     bigint[],
    duration_minutes integer,
    ends_at          timestamptz,
    voting_status    text,
    tweet_id         bigint,
    fingerprint      bigint NOT NULL,
    text_altered     boolean NOT NULL,
    seen_in          bigint NOT NULL,
    seen_at          timestamptz NOT NULL
);
COMMENT ON TABLE polls IS 'Polls attached to tweets (tweets.poll_ids), as X last included them.';
COMMENT ON COLUMN polls.id IS 'Id of the poll.';
COMMENT ON COLUMN polls.option_labels IS 'Options, in X''s order.';
COMMENT ON COLUMN polls.option_votes IS 'Votes; element n belongs to element n of option_labels.';
COMMENT ON COLUMN polls.duration_minutes IS 'Duration in minutes.';
COMMENT ON COLUMN polls.ends_at IS 'When it ends.';
COMMENT ON COLUMN polls.voting_status IS 'State: open, closed.';
COMMENT ON COLUMN polls.tweet_id IS 'Oldest known tweet with this attachment; deleting that tweet deletes this row.';
COMMENT ON COLUMN polls.fingerprint IS 'Hash of the columns above, as in users.';
COMMENT ON COLUMN polls.text_altered IS 'Whether the line was repaired to fit; see tweets.text_altered.';
COMMENT ON COLUMN polls.seen_in IS 'Tweet whose line had this state; its payload has the whole object.';
COMMENT ON COLUMN polls.seen_at IS 'When this state was received, as in users.';

CREATE TABLE places (
    id               text PRIMARY KEY,
    full_name        text,
    name             text,
    country          text,
    country_code     text,
    place_type       text,
    contained_within text[],
    west             double precision,
    south            double precision,
    east             double precision,
    north            double precision,
    fingerprint      bigint NOT NULL,
    text_altered     boolean NOT NULL,
    seen_in          bigint NOT NULL,
    seen_at          timestamptz NOT NULL
);
COMMENT ON TABLE places IS 'Places with which tweets are tagged (tweets.place_id), as X last included them.';
COMMENT ON COLUMN places.id IS 'Id of the place.';
COMMENT ON COLUMN places.full_name IS 'Name with the region it lies in, such as Manhattan, NY.';
COMMENT ON COLUMN places.name IS 'Short name.';
COMMENT ON COLUMN places.country IS 'Name of the country.';
COMMENT ON COLUMN places.country_code IS 'Code of the country (ISO 3166-1).';
COMMENT ON COLUMN places.place_type IS 'Kind: poi, neighborhood, city, admin, country, unknown.';
COMMENT ON COLUMN places.contained_within IS 'Places that contain it.';
COMMENT ON COLUMN places.west IS 'Bounding box (RFC 7946, section 5): western edge, degrees.';
COMMENT ON COLUMN places.south IS 'Southern edge.';
COMMENT ON COLUMN places.east IS 'Eastern edge.';
COMMENT ON COLUMN places.north IS 'Northern edge.';
COMMENT ON COLUMN places.fingerprint IS 'Hash of the columns above, as in users.';
COMMENT ON COLUMN places.text_altered IS 'Whether the line was repaired to fit; see tweets.text_altered.';
COMMENT ON COLUMN places.seen_in IS 'Tweet whose line had this state; its payload has the whole object.';
COMMENT ON COLUMN places.seen_at IS 'When this state was received, as in users.';

CREATE TABLE context_domains (
    id           bigint PRIMARY KEY,
    name         text,
    description  text,
    fingerprint  bigint NOT NULL,
    text_altered boolean NOT NULL,
    seen_in      bigint NOT NULL,
    seen_at      timestamptz NOT NULL
);
COMMENT ON TABLE context_domains IS 'Subjects of X''s context annotations, such as Person, Brand, Video Game.';
COMMENT ON COLUMN context_domains.id IS 'Id of the domain, in tweets.context_domain_ids.';
COMMENT ON COLUMN context_domains.name IS 'Name.';
COMMENT ON COLUMN context_domains.description IS 'Description.';
COMMENT ON COLUMN context_domains.fingerprint IS 'Hash of the columns above, as in users.';
COMMENT ON COLUMN context_domains.text_altered IS 'Whether the line was repaired to fit; see tweets.text_altered.';
COMMENT ON COLUMN context_domains.seen_in IS 'Tweet whose line had this state.';
COMMENT ON COLUMN context_domains.seen_at IS 'When this state was received, as in users.';

CREATE TABLE context_entities (
    id           bigint PRIMARY KEY,
    name         text,
    description  text,
    fingerprint  bigint NOT NULL,
    text_altered boolean NOT NULL,
    seen_in      bigint NOT NULL,
    seen_at      timestamptz NOT NULL
);
COMMENT ON TABLE context_entities IS 'Entities of X''s context annotations: persons, brands, games and others.';
COMMENT ON COLUMN context_entities.id IS 'Id of the entity, in tweets.context_entity_ids.';
COMMENT ON COLUMN context_entities.name IS 'Name.';
COMMENT ON COLUMN context_entities.description IS 'Description.';
COMMENT ON COLUMN context_entities.fingerprint IS 'Hash of the columns above, as in users.';
COMMENT ON COLUMN context_entities.text_altered IS 'Whether the line was repaired to fit; see tweets.text_altered.';
COMMENT ON COLUMN context_entities.seen_in IS 'Tweet whose line had this state.';
COMMENT ON COLUMN context_entities.seen_at IS 'When this state was received, as in users.';

CREATE TABLE unknown_keys (
    path          text PRIMARY KEY,
    count         bigint NOT NULL,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at  timestamptz NOT NULL DEFAULT now(),
    seen_in       bigint NOT NULL
);
COMMENT ON TABLE unknown_keys IS
    'Keys that X sends and this version does not know, with counts. The payload contains them; a newer version may have columns for them.';
COMMENT ON COLUMN unknown_keys.path IS
    'Path of the key in the line, such as data.entities.urls.new_key; "(more)" counts keys beyond 1,000 paths.';
COMMENT ON COLUMN unknown_keys.count IS 'Number of occurrences.';
COMMENT ON COLUMN unknown_keys.first_seen_at IS 'When it was first stored.';
COMMENT ON COLUMN unknown_keys.last_seen_at IS 'When it was last stored.';
COMMENT ON COLUMN unknown_keys.seen_in IS 'Last tweet whose line had it.';

CREATE TABLE tweet_deletions (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tweet_id        bigint NOT NULL,
    tweets          integer NOT NULL,
    deleted_at      timestamptz NOT NULL DEFAULT now(),
    kafka_topic     text NOT NULL,
    kafka_partition integer NOT NULL,
    kafka_offset    bigint NOT NULL,
    UNIQUE (kafka_topic, kafka_partition, kafka_offset)
);
COMMENT ON TABLE tweet_deletions IS
    'Tombstones that were applied: a message without a value deletes the tweet that its key names, with all its versions.';
COMMENT ON COLUMN tweet_deletions.id IS 'Number of the deletion.';
COMMENT ON COLUMN tweet_deletions.tweet_id IS 'Tweet that the tombstone named.';
COMMENT ON COLUMN tweet_deletions.tweets IS 'Number of rows of tweets that were deleted; 0 when no version was stored.';
COMMENT ON COLUMN tweet_deletions.deleted_at IS 'When it was applied.';
COMMENT ON COLUMN tweet_deletions.kafka_topic IS 'Kafka topic of the tombstone.';
COMMENT ON COLUMN tweet_deletions.kafka_partition IS 'Kafka partition of the tombstone.';
COMMENT ON COLUMN tweet_deletions.kafka_offset IS 'Kafka offset of the tombstone.';

-- == views ============================================================================================================

CREATE FUNCTION current_version(tweet_id bigint) RETURNS bigint
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    AS $$
        SELECT coalesce((
            SELECT newest.tweet_id FROM tweet_versions AS known
            JOIN tweet_versions AS newest USING (chain_id)
            JOIN tweets AS t ON t.id = newest.tweet_id
            WHERE known.tweet_id = $1 ORDER BY newest.version DESC LIMIT 1), $1)
    $$;
COMMENT ON FUNCTION current_version(bigint) IS
    'The newest stored version of a tweet, given any of its versions: SELECT * FROM tweets WHERE id = current_version(...).';

CREATE VIEW superseded_tweets AS
    SELECT v.tweet_id, max(n.tweet_id) AS newest_id
    FROM tweet_versions v
    JOIN tweet_versions n ON n.chain_id = v.chain_id AND n.version > v.version
    JOIN tweets t ON t.id = n.tweet_id
    GROUP BY v.tweet_id;
COMMENT ON VIEW superseded_tweets IS
    'Versions of tweets that a newer stored version has replaced, each with the newest stored version.';

CREATE VIEW readable_tweets AS
    SELECT t.id, coalesce(t.created_at, tweet_time(t.id)) AS created_at,
        coalesce(u.username, t.author_username) AS username, u.name,
        coalesce(o.long_text, o.text, t.long_text, t.text) AS text, t.lang,
        CASE WHEN t.retweeted_id IS NOT NULL THEN 'repost' WHEN t.quoted_id IS NOT NULL THEN 'quote'
            WHEN t.replied_to_id IS NOT NULL THEN 'reply' ELSE 'tweet' END AS kind,
        coalesce(t.retweeted_id, t.quoted_id, t.replied_to_id) AS refers_to,
        ARRAY(SELECT coalesce(r.tag, r.rule_id::text) FROM tweet_rules r WHERE r.tweet_id = t.id ORDER BY 1) AS rules,
        'https://x.com/i/status/' || t.id AS link
    FROM tweets t
    LEFT JOIN users u ON u.id = t.author_id
    LEFT JOIN tweets o ON o.id = t.retweeted_id
    WHERE t.matched AND NOT EXISTS (SELECT FROM superseded_tweets s WHERE s.tweet_id = t.id);
COMMENT ON VIEW readable_tweets IS
    'Matched tweets for reading, edited ones in their newest version: author, whole text (for a repost the original''s), kind, rules, link. Add WHERE id >= tweet_id_at(...).';

CREATE VIEW edit_chains AS
    SELECT v.chain_id, array_agg(v.tweet_id ORDER BY v.version) AS versions,
        (array_agg(v.tweet_id ORDER BY v.version DESC))[1] AS newest_id,
        (array_agg(v.tweet_id ORDER BY v.version DESC) FILTER (WHERE t.id IS NOT NULL))[1] AS newest_stored_id
    FROM tweet_versions v LEFT JOIN tweets t ON t.id = v.tweet_id
    GROUP BY v.chain_id;
COMMENT ON VIEW edit_chains IS 'Edited tweets: all versions in order, the newest, and the newest that was delivered.';

CREATE VIEW tweet_hashtags AS
    SELECT t.id AS tweet_id, h.hashtag, t.matched FROM tweets t CROSS JOIN LATERAL unnest(t.hashtags) AS h (hashtag);
COMMENT ON VIEW tweet_hashtags IS 'Hashtags, one row for each use, without #.';

CREATE VIEW tweet_mentions AS
    SELECT t.id AS tweet_id, m.username, m.user_id, t.matched
    FROM tweets t CROSS JOIN LATERAL unnest(t.mentions, t.mention_ids) AS m (username, user_id);
COMMENT ON VIEW tweet_mentions IS 'Mentions, one row for each: the handle as written, and the user id where X sent it.';

CREATE VIEW tweet_urls AS
    SELECT t.id AS tweet_id, u.url, u.expanded_url, t.matched
    FROM tweets t CROSS JOIN LATERAL unnest(t.urls, t.expanded_urls) AS u (url, expanded_url);
COMMENT ON VIEW tweet_urls IS 'Links, one row for each: the link as written in the text, and its target.';

CREATE VIEW tweet_context AS
    SELECT t.id AS tweet_id, c.domain_id, d.name AS domain, c.entity_id, e.name AS entity, t.matched
    FROM tweets t
    CROSS JOIN LATERAL unnest(t.context_domain_ids, t.context_entity_ids) AS c (domain_id, entity_id)
    LEFT JOIN context_domains d ON d.id = c.domain_id
    LEFT JOIN context_entities e ON e.id = c.entity_id;
COMMENT ON VIEW tweet_context IS 'Context annotations, one row for each: the subjects of a tweet according to X.';

CREATE VIEW tweet_media AS
    SELECT t.id AS attached_to, m.*
    FROM tweets t CROSS JOIN LATERAL unnest(t.media_keys) AS k (media_key) JOIN media m USING (media_key);
COMMENT ON VIEW tweet_media IS 'Pictures and videos, one row for each attachment (attached_to).';

CREATE VIEW rule_matches AS
    SELECT rule_id, max(tag) AS tag, stream, date_trunc('day', matched_at) AS day, count(*) AS tweets
    FROM tweet_rules GROUP BY rule_id, stream, date_trunc('day', matched_at);
COMMENT ON VIEW rule_matches IS 'How many tweets each rule matched on each day.';

CREATE VIEW user_states AS
    SELECT *, true AS is_current FROM users UNION ALL SELECT *, false FROM user_history;
COMMENT ON VIEW user_states IS 'Every state of every user that was seen, the current one included; order by seen_at.';

CREATE VIEW withheld_notices AS
    SELECT 'tweet' AS what, id, withheld_countries AS countries, withheld_copyright AS copyright, withheld_scope AS scope,
        coalesce(received_at, inserted_at) AS seen_at
    FROM tweets WHERE withheld_countries IS NOT NULL OR withheld_copyright
    UNION ALL
    SELECT 'user', id, withheld_countries, NULL, withheld_scope, seen_at FROM users WHERE withheld_countries IS NOT NULL;
COMMENT ON VIEW withheld_notices IS 'Tweets and users that are withheld in some country and must not be shown there.';

-- == operations =======================================================================================================

ALTER TABLE loader_offsets ADD COLUMN rate double precision NOT NULL DEFAULT 0;
COMMENT ON COLUMN loader_offsets.rate IS
    'Messages per second up to committed_at: an exponential moving average in which messages of 10 s ago count for a third.';

CREATE TABLE kafka_holes (
    topic        text NOT NULL,
    partition    integer NOT NULL,
    first_offset bigint NOT NULL,
    end_offset   bigint,
    found_at     timestamptz NOT NULL DEFAULT now(),
    passed_at    timestamptz,
    status       text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'repaired')),
    PRIMARY KEY (topic, partition, first_offset)
);
COMMENT ON TABLE kafka_holes IS
    'Messages that Kafka no longer had when the loader came for them: retention was faster, or the topic was made anew.';
COMMENT ON COLUMN kafka_holes.topic IS 'Kafka topic.';
COMMENT ON COLUMN kafka_holes.partition IS 'Kafka partition.';
COMMENT ON COLUMN kafka_holes.first_offset IS 'Offset of the first missing message.';
COMMENT ON COLUMN kafka_holes.end_offset IS
    'Offset after the last missing message, which is the oldest that Kafka still had; null when the topic was replaced by one with lower offsets.';
COMMENT ON COLUMN kafka_holes.found_at IS 'When the loader found it.';
COMMENT ON COLUMN kafka_holes.passed_at IS
    'When the loader continued after it (ON_HOLE=continue); null while the partition is stopped.';
COMMENT ON COLUMN kafka_holes.status IS
    'open, or repaired: set by an operator after publishing the lines again from the journal or the archive.';

COMMENT ON COLUMN stream_events.type IS
    'started, connected, disconnected, connect_failed, quiet, lively, rules_differ, rules_agree, rules_silent, rules_heard, repaired, repair_failed, torn_tail, rejected, dropped or stopped from the producer; x_message for a line of X.';

ALTER TABLE stream_gaps
    ADD COLUMN repaired_by text,
    ADD COLUMN repaired_at timestamptz,
    ADD COLUMN repaired_posts bigint,
    ADD COLUMN repair_connection bigint,
    ADD COLUMN repair_detail text;
COMMENT ON COLUMN stream_gaps.status IS
    'open: it is not filled; repaired_exactly: X replayed all of it; repaired_approximately: it was searched again.';
COMMENT ON COLUMN stream_gaps.repaired_by IS 'Method of the last repair, successful or not: backfill, recovery, search.';
COMMENT ON COLUMN stream_gaps.repaired_at IS 'When the last attempt ended.';
COMMENT ON COLUMN stream_gaps.repaired_posts IS 'Number of posts found by all attempts.';
COMMENT ON COLUMN stream_gaps.repair_connection IS
    'Marks the lines found by the last attempt: tweets.connection has this value, unless they were stored before.';
COMMENT ON COLUMN stream_gaps.repair_detail IS 'Why the last attempt did not fill it.';

-- == what version 1 kept elsewhere ====================================================================================

DO $$
DECLARE
    month record;
BEGIN
    FOR month IN
        SELECT replace(c.relname, 'tweets_', 'tweet_rules_') AS name, pg_get_expr(c.relpartbound, c.oid) AS bounds
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'tweets'::regclass
    LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF tweet_rules %s', month.name, month.bounds);
    END LOOP;
END
$$;
INSERT INTO tweet_rules (tweet_id, rule_id, stream, tag, matched_at)
SELECT t.id, rule.id, coalesce(t.stream, ''), min(rule.tag), t.received_at
FROM tweets AS t CROSS JOIN LATERAL unnest(t.rule_ids, t.rule_tags) AS rule (id, tag)
WHERE rule.id IS NOT NULL
GROUP BY t.id, rule.id, t.stream, t.received_at;
INSERT INTO tweet_versions (tweet_id, chain_id, version)
SELECT DISTINCT ON (version.id) version.id, t.edit_ids[1], version.number
FROM tweets AS t CROSS JOIN LATERAL unnest(t.edit_ids) WITH ORDINALITY AS version (id, number)
WHERE cardinality(t.edit_ids) > 1 AND t.edit_ids[1] IS NOT NULL AND version.id IS NOT NULL
ORDER BY version.id, version.number;
ALTER TABLE tweets DROP COLUMN rule_ids, DROP COLUMN rule_tags;

INSERT INTO schema_version (version) VALUES (2);
