-- The whole current schema, version 3. `tweet-loader migrate` applies it; `psql -f` does as well.
--
-- Names are unqualified: tables are created in the first schema of the search path. The owner of the database can apply it;
-- nothing needs a superuser or an extension. PostgreSQL 14 to 18.

-- == version ==========================================================================================================

CREATE TABLE schema_version (
    version    integer PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE schema_version IS 'One row for each schema version that was applied; the highest is the current one.';
COMMENT ON COLUMN schema_version.version IS 'Version of the schema; a loader rejects one that it does not know.';
COMMENT ON COLUMN schema_version.applied_at IS 'When this version was applied.';
INSERT INTO schema_version (version) VALUES (3);

-- == tweets ===========================================================================================================

-- When a tweet was posted, computed from its id; null for ids from before November 2010, which are no snowflakes.
CREATE FUNCTION tweet_time(id bigint) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT CASE WHEN id > 29700859247 THEN to_timestamp(((id >> 22) + 1288834974657) / 1000.0) END $$;
COMMENT ON FUNCTION tweet_time(bigint) IS
    'When a tweet was posted, computed from its id; null for ids from before November 2010, which are no snowflakes.';

-- The lowest id at a time. `WHERE id >= tweet_id_at(now() - interval '1 hour')` reads only the partitions it needs.
CREATE FUNCTION tweet_id_at(moment timestamptz) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT greatest(29700859248, (floor(extract(epoch FROM moment) * 1000)::bigint - 1288834974657) << 22) $$;
COMMENT ON FUNCTION tweet_id_at(timestamptz) IS
    'Lowest id that a tweet posted at that time or later can have. Compare id with it, so that only the months needed are read.';

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
    matched                boolean NOT NULL,
    included_by            bigint,
    context_domain_ids     bigint[],
    context_entity_ids     bigint[],
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
COMMENT ON TABLE tweets IS
    'Tweets, one row for each id, in monthly partitions (the id encodes the time). Fields that X did not send are null. Rows with matched = false are tweets that a matched tweet refers to.';
COMMENT ON COLUMN tweets.id IS 'Id of the tweet, a snowflake: tweet_time(id) is when it was posted.';
COMMENT ON COLUMN tweets.created_at IS
    'When it was posted, to the second, according to X; null when the field was not requested. A condition on it reads every month: compare id with tweet_id_at(...), or use tweets_between(...).';
COMMENT ON COLUMN tweets.author_id IS 'User who posted it.';
COMMENT ON COLUMN tweets.author_username IS 'Handle of the author, without @, when the line included the user.';
COMMENT ON COLUMN tweets.text IS
    'Text as X sends it: & < > are HTML-escaped, reposts and long posts are truncated; full_text(tweets) is the whole text.';
COMMENT ON COLUMN tweets.long_text IS 'Whole text of a post longer than 280 characters (note_tweet.text).';
COMMENT ON COLUMN tweets.lang IS
    'Language as X detects it (BCP 47; und: undetermined; qme, zxx and other q codes are X''s own).';
COMMENT ON COLUMN tweets.conversation_id IS 'First tweet of the conversation.';
COMMENT ON COLUMN tweets.in_reply_to_user_id IS 'User that it replies to.';
COMMENT ON COLUMN tweets.replied_to_id IS 'Tweet that it replies to.';
COMMENT ON COLUMN tweets.quoted_id IS 'Tweet that it quotes.';
COMMENT ON COLUMN tweets.retweeted_id IS 'Tweet that it reposts.';
COMMENT ON COLUMN tweets.edit_ids IS
    'All versions of the tweet known at delivery, the oldest first; every version has its own row.';
COMMENT ON COLUMN tweets.is_edit_eligible IS 'Whether it could be edited when it was posted.';
COMMENT ON COLUMN tweets.editable_until IS 'When editing ends.';
COMMENT ON COLUMN tweets.edits_remaining IS 'Number of edits left.';
COMMENT ON COLUMN tweets.retweet_count IS 'Reposts at delivery, close to 0 on a stream.';
COMMENT ON COLUMN tweets.reply_count IS 'Replies at delivery.';
COMMENT ON COLUMN tweets.like_count IS 'Likes at delivery.';
COMMENT ON COLUMN tweets.quote_count IS 'Quotes at delivery.';
COMMENT ON COLUMN tweets.bookmark_count IS 'Bookmarks at delivery.';
COMMENT ON COLUMN tweets.impression_count IS 'Views at delivery.';
COMMENT ON COLUMN tweets.hashtags IS 'Hashtags without #, in X''s order; those found only in the long text come last.';
COMMENT ON COLUMN tweets.cashtags IS 'Cashtags without $, in the same order as hashtags.';
COMMENT ON COLUMN tweets.mentions IS 'Handles of mentioned users without @, in the same order as hashtags.';
COMMENT ON COLUMN tweets.mention_ids IS
    'Ids of mentioned users; element n belongs to element n of mentions. Null where X sent no id.';
COMMENT ON COLUMN tweets.urls IS 'Links as written in the text (t.co), in the same order as hashtags.';
COMMENT ON COLUMN tweets.expanded_urls IS 'Targets of the links; element n belongs to element n of urls.';
COMMENT ON COLUMN tweets.media_keys IS 'Attached media.';
COMMENT ON COLUMN tweets.poll_ids IS 'Attached polls.';
COMMENT ON COLUMN tweets.media_source_tweet_ids IS 'Tweets with which attached media were first posted.';
COMMENT ON COLUMN tweets.place_id IS 'Place that the author tagged.';
COMMENT ON COLUMN tweets.longitude IS 'Exact position, degrees east (WGS 84).';
COMMENT ON COLUMN tweets.latitude IS 'Exact position, degrees north.';
COMMENT ON COLUMN tweets.possibly_sensitive IS 'Whether a link in it may be sensitive.';
COMMENT ON COLUMN tweets.reply_settings IS
    'Who may reply: everyone, mentionedUsers, following, subscribers, verified, other.';
COMMENT ON COLUMN tweets.source IS 'App with which it was posted; X no longer fills it.';
COMMENT ON COLUMN tweets.community_id IS 'Community in which it was posted.';
COMMENT ON COLUMN tweets.card_uri IS 'Card shown with it.';
COMMENT ON COLUMN tweets.display_text_start IS 'First code point of text to show; leading mentions of a reply precede it.';
COMMENT ON COLUMN tweets.display_text_end IS 'End, exclusive, of the code points to show.';
COMMENT ON COLUMN tweets.paid_partnership IS 'Whether it is marked as a paid partnership.';
COMMENT ON COLUMN tweets.scopes_followers IS 'Whether only followers see it.';
COMMENT ON COLUMN tweets.article_title IS 'Title of an article.';
COMMENT ON COLUMN tweets.article_text IS 'Plain text of an article.';
COMMENT ON COLUMN tweets.withheld_copyright IS 'Whether it is withheld because of a copyright claim.';
COMMENT ON COLUMN tweets.withheld_countries IS 'Countries in which it is withheld (ISO 3166-1; XX: all; XY: by copyright claim).';
COMMENT ON COLUMN tweets.withheld_scope IS 'Whether the tweet or the user is withheld: tweet, user.';
COMMENT ON COLUMN tweets.stream IS
    'Stream that received it first; null, as are journal, seq, received_at and connection, when tweet-producer did not write the message.';
COMMENT ON COLUMN tweets.journal IS 'Journal that holds the line.';
COMMENT ON COLUMN tweets.seq IS 'Sequence number of the line in its journal.';
COMMENT ON COLUMN tweets.received_at IS 'When the line was read from the socket.';
COMMENT ON COLUMN tweets.connection IS
    'Connection that delivered it, named by its start in milliseconds since 1970; null when no connection did.';
COMMENT ON COLUMN tweets.kafka_topic IS 'Kafka topic of the message.';
COMMENT ON COLUMN tweets.kafka_partition IS 'Kafka partition of the message.';
COMMENT ON COLUMN tweets.kafka_offset IS 'Kafka offset of the message.';
COMMENT ON COLUMN tweets.inserted_at IS 'When the transaction that inserted the row began.';
COMMENT ON COLUMN tweets.text_altered IS
    'Whether the line was altered to fit: U+FFFD replaces NUL, lone surrogates and invalid UTF-8; created_at is null when it is not a valid time.';
COMMENT ON COLUMN tweets.payload IS
    'The whole line, with includes and matching rules; null with --payload drop and for an included tweet.';
COMMENT ON COLUMN tweets.payload_raw IS 'The original bytes of a line that was altered; payload has the altered line.';
COMMENT ON COLUMN tweets.matched IS
    'Whether a rule matched it, so that it came on a line of its own; otherwise it is only part of the line of included_by.';
COMMENT ON COLUMN tweets.included_by IS
    'Tweet whose line included this one, and whose payload contains all of it; null for a matched tweet.';
COMMENT ON COLUMN tweets.context_domain_ids IS 'Domains of the context annotations, in X''s order.';
COMMENT ON COLUMN tweets.context_entity_ids IS
    'Entities of the context annotations; element n belongs to element n of context_domain_ids.';

CREATE FUNCTION plain_text(escaped text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT replace(replace(replace(escaped, '&lt;', '<'), '&gt;', '>'), '&amp;', '&') $$;
COMMENT ON FUNCTION plain_text(text) IS 'Text without the HTML entities for & < > that X writes into every text.';

CREATE FUNCTION full_text(tweet tweets) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT plain_text(coalesce(tweet.long_text, tweet.text)) $$;
COMMENT ON FUNCTION full_text(tweets) IS
    'Whole text of a tweet, also of a long one, without HTML entities: SELECT full_text(t) FROM tweets AS t, or t.full_text for short.';

-- lz4 compresses a payload three times as fast as the default pglz. A server built without lz4 keeps the default.
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
CREATE INDEX users_protected ON users (id) WHERE protected;
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

CREATE FUNCTION utc_day(tweet_id bigint, otherwise timestamptz) RETURNS date
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT (coalesce(tweet_time(tweet_id), otherwise) AT TIME ZONE 'UTC')::date $$;
COMMENT ON FUNCTION utc_day(bigint, timestamptz) IS
    'Day in UTC on which a tweet was posted; that of the second argument for ids that are no snowflakes.';

CREATE VIEW superseded_tweets AS
    SELECT v.tweet_id, max(n.tweet_id) AS newest_id
    FROM tweet_versions v
    JOIN tweet_versions n ON n.chain_id = v.chain_id AND n.version > v.version
    JOIN tweets t ON t.id = n.tweet_id
    GROUP BY v.tweet_id;
COMMENT ON VIEW superseded_tweets IS
    'Versions of tweets that a newer stored version has replaced, each with the newest stored version.';

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

CREATE VIEW readable_tweets AS
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

CREATE VIEW edit_chains AS
    SELECT v.chain_id, array_agg(v.tweet_id ORDER BY v.version) AS versions,
        (array_agg(v.tweet_id ORDER BY v.version DESC))[1] AS newest_id,
        (array_agg(v.tweet_id ORDER BY v.version DESC) FILTER (WHERE t.id IS NOT NULL))[1] AS newest_stored_id
    FROM tweet_versions v LEFT JOIN tweets t ON t.id = v.tweet_id
    GROUP BY v.chain_id;
COMMENT ON VIEW edit_chains IS 'Edited tweets: all versions in order, the newest, and the newest that was delivered.';

CREATE VIEW tweet_hashtags AS
    SELECT t.id AS tweet_id, h.hashtag, t.matched
    FROM public_tweets t CROSS JOIN LATERAL unnest(t.hashtags) AS h (hashtag);
COMMENT ON VIEW tweet_hashtags IS 'Hashtags, one row for each use, without #.';

CREATE VIEW tweet_mentions AS
    SELECT t.id AS tweet_id, m.username, m.user_id, t.matched
    FROM public_tweets t CROSS JOIN LATERAL unnest(t.mentions, t.mention_ids) AS m (username, user_id);
COMMENT ON VIEW tweet_mentions IS 'Mentions, one row for each: the handle as written, and the user id where X sent it.';

CREATE VIEW tweet_urls AS
    SELECT t.id AS tweet_id, u.url, u.expanded_url, t.matched
    FROM public_tweets t CROSS JOIN LATERAL unnest(t.urls, t.expanded_urls) AS u (url, expanded_url);
COMMENT ON VIEW tweet_urls IS 'Links, one row for each: the link as written in the text, and its target.';

CREATE VIEW tweet_context AS
    SELECT t.id AS tweet_id, c.domain_id, d.name AS domain, c.entity_id, e.name AS entity, t.matched
    FROM public_tweets t
    CROSS JOIN LATERAL unnest(t.context_domain_ids, t.context_entity_ids) AS c (domain_id, entity_id)
    LEFT JOIN context_domains d ON d.id = c.domain_id
    LEFT JOIN context_entities e ON e.id = c.entity_id;
COMMENT ON VIEW tweet_context IS 'Context annotations, one row for each: the subjects of a tweet according to X.';

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

CREATE VIEW matched_rules AS
    SELECT t.tweet_id, t.rule_id, t.stream, t.tag,
        (SELECT r.value FROM rules r WHERE r.rule_id = t.rule_id ORDER BY r.stream = t.stream DESC LIMIT 1) AS value,
        t.matched_at
    FROM tweet_rules t;
COMMENT ON VIEW matched_rules IS
    'Which rule matched which tweet, with the text of the rule; value is null for rules that were never recorded.';

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

-- == operations =======================================================================================================

CREATE TABLE loader_offsets (
    topic        text NOT NULL,
    partition    integer NOT NULL,
    next_offset  bigint,
    fence        bigint NOT NULL,
    owner        text NOT NULL,
    claimed_at   timestamptz NOT NULL DEFAULT now(),
    committed_at timestamptz,
    rate         double precision NOT NULL DEFAULT 0,
    cluster_id   text,
    mark_offset  bigint,
    mark_time    bigint,
    mark_digest  bigint,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);
COMMENT ON TABLE loader_offsets IS
    'How far each Kafka partition is settled, and which loader owns it. Committed together with the rows; Kafka''s own offsets are informative only.';
COMMENT ON COLUMN loader_offsets.topic IS 'Kafka topic.';
COMMENT ON COLUMN loader_offsets.partition IS 'Kafka partition.';
COMMENT ON COLUMN loader_offsets.next_offset IS
    'Offset of the first message that is not settled; null before the first batch, which begins with the oldest message in Kafka.';
COMMENT ON COLUMN loader_offsets.fence IS
    'Number of claims of this partition; a loader with an older fence has lost the partition and cannot commit.';
COMMENT ON COLUMN loader_offsets.owner IS 'Loader that last claimed the partition: host, process id and a random part.';
COMMENT ON COLUMN loader_offsets.claimed_at IS 'When it was last claimed.';
COMMENT ON COLUMN loader_offsets.committed_at IS 'When a batch of this partition was last committed.';
COMMENT ON COLUMN loader_offsets.rate IS
    'Messages per second up to committed_at: an exponential moving average in which messages of 10 s ago count for a third.';
COMMENT ON COLUMN loader_offsets.cluster_id IS 'Kafka cluster that the offsets belong to; null when unknown.';
COMMENT ON COLUMN loader_offsets.mark_offset IS
    'Offset of the last settled message. Each claim reads it again: a different message there means that the topic was replaced.';
COMMENT ON COLUMN loader_offsets.mark_time IS
    'Kafka''s timestamp of that message, milliseconds since 1970; null when it has none.';
COMMENT ON COLUMN loader_offsets.mark_digest IS 'Hash of that message: its length, its first and its last bytes.';

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

CREATE TABLE kafka_holes (
    topic        text NOT NULL,
    partition    integer NOT NULL,
    first_offset bigint NOT NULL,
    end_offset   bigint,
    found_at     timestamptz NOT NULL DEFAULT now(),
    passed_at    timestamptz,
    status       text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'repaired')),
    cause        text NOT NULL DEFAULT 'deleted' CHECK (cause IN ('deleted', 'replaced', 'compacted')),
    messages     bigint,
    PRIMARY KEY (topic, partition, first_offset)
);
COMMENT ON TABLE kafka_holes IS
    'Messages that Kafka no longer had when the loader requested them: deleted by retention or compaction, or the topic was created again.';
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
COMMENT ON COLUMN kafka_holes.cause IS
    'deleted: Kafka does not have the offset; replaced: the topic''s messages are not those that were loaded; compacted: offsets between first_offset and end_offset are missing in a compacted topic.';
COMMENT ON COLUMN kafka_holes.messages IS
    'Number of missing offsets, where known. In a compacted topic, transaction markers count as well.';

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
COMMENT ON TABLE rejects IS 'Messages that did not become rows, with their bytes and the reason. Nothing is dropped.';
COMMENT ON COLUMN rejects.id IS 'Number of the reject.';
COMMENT ON COLUMN rejects.reason IS
    'Stable code: the decoder''s (not_json, not_a_tweet, ...), or database when PostgreSQL rejected the row.';
COMMENT ON COLUMN rejects.sqlstate IS 'SQLSTATE with which PostgreSQL rejected the row.';
COMMENT ON COLUMN rejects.detail IS 'The exact error; may quote values when it comes from PostgreSQL.';
COMMENT ON COLUMN rejects.value IS 'The message, byte for byte; null for a message without a value.';
COMMENT ON COLUMN rejects.key IS 'The key of the message; null when it has none.';
COMMENT ON COLUMN rejects.stream IS 'Stream that received the line; null when tweet-producer did not write the message.';
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
    'Which lines of a stream are settled as rows, events or rejects. A complete journal is one range that begins with 1.';
COMMENT ON COLUMN stream_ledger.stream IS 'Stream.';
COMMENT ON COLUMN stream_ledger.journal IS 'Journal; its sequence numbers begin with 1 and have no holes.';
COMMENT ON COLUMN stream_ledger.settled IS 'Sequence numbers that are settled, without those still in stream_ledger_pending.';
COMMENT ON COLUMN stream_ledger.folded_at IS 'When numbers were last added.';

CREATE TABLE stream_ledger_pending (
    stream     text NOT NULL,
    journal    text NOT NULL,
    settled    int8multirange NOT NULL,
    settled_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE stream_ledger_pending IS
    'Numbers settled by single batches and not yet merged into stream_ledger, so that loaders never wait for one row.';
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
    gap_seq    bigint,
    lines      bigint,
    problem    text,
    UNIQUE (kafka_topic, kafka_partition, kafka_offset)
);
CREATE UNIQUE INDEX stream_events_line ON stream_events (stream, journal, seq) WHERE seq IS NOT NULL;
CREATE INDEX stream_events_at ON stream_events (at);
COMMENT ON TABLE stream_events IS
    'Events of the streams: those of the producer (connected, disconnected, ...) and messages of X that are not tweets.';
COMMENT ON COLUMN stream_events.id IS 'Number of the event.';
COMMENT ON COLUMN stream_events.type IS
    'started, connected, disconnected, connect_failed, quiet, lively, rules, rules_differ, rules_agree, rules_silent, rules_heard, repaired, repair_failed, gap_closed, journal_forgotten, handed_over, passive, tally, applied, torn_tail, rejected, dropped or stopped, written by the producer; x_message for a message of X.';
COMMENT ON COLUMN stream_events.at IS 'When it happened; for a message of X, when it was received.';
COMMENT ON COLUMN stream_events.stream IS 'Stream; null when tweet-producer did not write the message.';
COMMENT ON COLUMN stream_events.journal IS 'Journal that holds the line.';
COMMENT ON COLUMN stream_events.seq IS 'Sequence number of the line in its journal.';
COMMENT ON COLUMN stream_events.connection IS
    'Connection, named by its start in milliseconds since 1970; null without a connection.';
COMMENT ON COLUMN stream_events.cause IS 'Reason, as a stable code.';
COMMENT ON COLUMN stream_events.detail IS 'Reason, in words.';
COMMENT ON COLUMN stream_events.payload IS 'The whole line.';
COMMENT ON COLUMN stream_events.kafka_topic IS 'Kafka topic of the message.';
COMMENT ON COLUMN stream_events.kafka_partition IS 'Kafka partition of the message.';
COMMENT ON COLUMN stream_events.kafka_offset IS 'Kafka offset of the message.';
COMMENT ON COLUMN stream_events.gap_seq IS 'For repaired and repair_failed: opened_seq of the gap in stream_gaps.';
COMMENT ON COLUMN stream_events.lines IS 'Number of lines, posts or rules that the event is about.';
COMMENT ON COLUMN stream_events.problem IS
    'Members of the event that were invalid and left out, or why it could not be applied; null without a problem.';

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
        CHECK (status IN ('open', 'repaired_exactly', 'repaired_approximately', 'covered', 'accepted')),
    repaired_by       text,
    repaired_at       timestamptz,
    repaired_posts    bigint,
    repair_connection bigint,
    repair_detail     text,
    accepted_at       timestamptz,
    accepted_reason   text,
    PRIMARY KEY (stream, journal, opened_seq)
);
COMMENT ON TABLE stream_gaps IS
    'Periods in which a stream was not connected. What X may have sent in such a period is missing unless it was repaired.';
COMMENT ON COLUMN stream_gaps.stream IS 'Stream.';
COMMENT ON COLUMN stream_gaps.journal IS 'Journal.';
COMMENT ON COLUMN stream_gaps.opened_seq IS 'Sequence number of the event that opened the gap.';
COMMENT ON COLUMN stream_gaps.started_at IS 'When the last byte before the gap was received.';
COMMENT ON COLUMN stream_gaps.ended_at IS 'When the stream was connected again; null while it is not.';
COMMENT ON COLUMN stream_gaps.ended_seq IS 'Sequence number of the event that ended it.';
COMMENT ON COLUMN stream_gaps.cause IS 'Why the connection ended.';
COMMENT ON COLUMN stream_gaps.connection IS 'Connection that ended.';
COMMENT ON COLUMN stream_gaps.newest_id IS 'Highest tweet id received before the gap, where a repair begins.';
COMMENT ON COLUMN stream_gaps.status IS
    'open: not filled; repaired_exactly: X replayed all of it; repaired_approximately: filled by a search; covered: another journal of the stream has all of that time; accepted: closed by an operator.';
COMMENT ON COLUMN stream_gaps.repaired_by IS 'Method of the last repair, successful or not: backfill, recovery, search.';
COMMENT ON COLUMN stream_gaps.repaired_at IS 'When the last attempt ended.';
COMMENT ON COLUMN stream_gaps.repaired_posts IS 'Number of posts found by all attempts.';
COMMENT ON COLUMN stream_gaps.repair_connection IS
    'Marks the lines found by the last attempt: tweets.connection has this value, unless they were stored before.';
COMMENT ON COLUMN stream_gaps.repair_detail IS 'Why the last attempt did not fill it.';
COMMENT ON COLUMN stream_gaps.accepted_at IS 'When an operator accepted it as lost.';
COMMENT ON COLUMN stream_gaps.accepted_reason IS 'Reason given by the operator.';

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

-- == for analysts =====================================================================================================

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
