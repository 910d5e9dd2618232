import Postgres

/// A line put together from the columns, for tweets without a payload.
///
/// It has what the columns have, in the form in which X sends it; what only the payload has is left out.
enum RebuiltLine {
    /// The line of the row `t` of `tweets`: an expression of type jsonb.
    static let sql = """
        jsonb_strip_nulls(jsonb_build_object('data', \(tweet("t")), 'includes', jsonb_build_object(
            'tweets', (SELECT jsonb_agg(\(tweet("o"))) FROM public_tweets o WHERE \(isReferenced)),
            'users', (SELECT jsonb_agg(\(user)) FROM users u WHERE u.id = t.author_id
                OR u.id IN (SELECT o.author_id FROM public_tweets o WHERE \(isReferenced))),
            'media', (SELECT jsonb_agg(\(medium)) FROM media m WHERE m.media_key = ANY (t.media_keys)
                OR m.media_key IN (SELECT unnest(o.media_keys) FROM public_tweets o WHERE o.id = t.retweeted_id)),
            'polls', (SELECT jsonb_agg(\(poll)) FROM polls p WHERE p.id = ANY (t.poll_ids)
                OR p.id IN (SELECT unnest(o.poll_ids) FROM public_tweets o WHERE o.id = t.retweeted_id)),
            'places', (SELECT jsonb_agg(\(place)) FROM places l WHERE l.id = t.place_id)),
            'matching_rules', (SELECT jsonb_agg(jsonb_build_object('id', r.rule_id::text, 'tag', r.tag) ORDER BY r.rule_id)
                FROM tweet_rules r WHERE r.tweet_id = t.id AND r.rule_id <> 0)))
        """

    private static let isReferenced = "o.id IN (t.retweeted_id, t.quoted_id, t.replied_to_id)"

    private static func tweet(_ row: String) -> String {
        """
        jsonb_build_object('id', \(row).id::text, 'text', \(row).text, 'created_at', \(rfc3339("\(row).created_at")),
            'author_id', \(row).author_id::text, 'conversation_id', \(row).conversation_id::text,
            'in_reply_to_user_id', \(row).in_reply_to_user_id::text, 'lang', \(row).lang, 'source', \(row).source,
            'possibly_sensitive', \(row).possibly_sensitive, 'reply_settings', \(row).reply_settings,
            'note_tweet', jsonb_build_object('text', \(row).long_text),
            'referenced_tweets', (SELECT jsonb_agg(jsonb_build_object('type', f.type, 'id', f.id::text))
                FROM (VALUES ('retweeted', \(row).retweeted_id), ('quoted', \(row).quoted_id),
                    ('replied_to', \(row).replied_to_id)) AS f (type, id) WHERE f.id IS NOT NULL),
            'edit_history_tweet_ids', to_jsonb(\(row).edit_ids::text[]),
            'edit_controls', jsonb_build_object('edits_remaining', \(row).edits_remaining,
                'is_edit_eligible', \(row).is_edit_eligible, 'editable_until', \(rfc3339("\(row).editable_until"))),
            'public_metrics', jsonb_build_object('retweet_count', \(row).retweet_count, 'reply_count', \(row).reply_count,
                'like_count', \(row).like_count, 'quote_count', \(row).quote_count,
                'bookmark_count', \(row).bookmark_count, 'impression_count', \(row).impression_count),
            'entities', \(entities(row)), 'context_annotations', \(context(row)), 'attachments', jsonb_build_object(
                'media_keys', to_jsonb(\(row).media_keys), 'poll_ids', to_jsonb(\(row).poll_ids::text[])),
            'withheld', jsonb_build_object('copyright', \(row).withheld_copyright,
                'country_codes', to_jsonb(\(row).withheld_countries), 'scope', \(row).withheld_scope),
            'geo', jsonb_build_object('place_id', \(row).place_id, 'coordinates', CASE WHEN \(row).longitude IS NOT NULL
                THEN jsonb_build_object('type', 'Point',
                    'coordinates', jsonb_build_array(\(row).longitude, \(row).latitude)) END))
        """
    }

    private static func entities(_ row: String) -> String {
        """
        jsonb_build_object(
            'hashtags', (SELECT jsonb_agg(jsonb_build_object('tag', e) ORDER BY n)
                FROM unnest(\(row).hashtags) WITH ORDINALITY AS h (e, n)),
            'cashtags', (SELECT jsonb_agg(jsonb_build_object('tag', e) ORDER BY n)
                FROM unnest(\(row).cashtags) WITH ORDINALITY AS h (e, n)),
            'mentions', (SELECT jsonb_agg(jsonb_build_object('username', e, 'id', i::text) ORDER BY n)
                FROM unnest(\(row).mentions, \(row).mention_ids) WITH ORDINALITY AS h (e, i, n)),
            'urls', (SELECT jsonb_agg(jsonb_build_object('url', e, 'expanded_url', x) ORDER BY n)
                FROM unnest(\(row).urls, \(row).expanded_urls) WITH ORDINALITY AS h (e, x, n)))
        """
    }

    private static func context(_ row: String) -> String {
        """
        (SELECT jsonb_agg(jsonb_build_object(
                'domain', jsonb_build_object('id', c.domain::text, 'name', d.name, 'description', d.description),
                'entity', jsonb_build_object('id', c.entity::text, 'name', e.name, 'description', e.description)) ORDER BY c.n)
            FROM unnest(\(row).context_domain_ids, \(row).context_entity_ids) WITH ORDINALITY AS c (domain, entity, n)
            LEFT JOIN context_domains d ON d.id = c.domain LEFT JOIN context_entities e ON e.id = c.entity)
        """
    }

    private static let user = """
        jsonb_build_object('id', u.id::text, 'username', u.username, 'name', u.name, 'created_at', \(rfc3339("u.created_at")),
            'description', u.description, 'location', u.location, 'url', u.url, 'pinned_tweet_id', u.pinned_tweet_id::text,
            'profile_image_url', u.profile_image_url, 'protected', u.protected, 'verified', u.verified,
            'verified_type', u.verified_type, 'public_metrics', jsonb_build_object('followers_count', u.followers_count,
                'following_count', u.following_count, 'tweet_count', u.tweet_count, 'listed_count', u.listed_count),
            'entities', CASE WHEN u.expanded_url IS NOT NULL THEN jsonb_build_object('url', jsonb_build_object('urls',
                jsonb_build_array(jsonb_build_object('url', u.url, 'expanded_url', u.expanded_url)))) END,
            'withheld', jsonb_build_object('country_codes', to_jsonb(u.withheld_countries), 'scope', u.withheld_scope))
        """

    private static let medium = """
        jsonb_build_object('media_key', m.media_key, 'type', m.type, 'url', m.url, 'preview_image_url', m.preview_image_url,
            'width', m.width, 'height', m.height, 'duration_ms', m.duration_ms, 'alt_text', m.alt_text,
            'public_metrics', CASE WHEN m.view_count IS NOT NULL THEN jsonb_build_object('view_count', m.view_count) END)
        """

    private static let poll = """
        jsonb_build_object('id', p.id::text, 'duration_minutes', p.duration_minutes, 'end_datetime', \(rfc3339("p.ends_at")),
            'voting_status', p.voting_status, 'options', (SELECT jsonb_agg(jsonb_build_object('position', n, 'label', e,
                'votes', v) ORDER BY n) FROM unnest(p.option_labels, p.option_votes) WITH ORDINALITY AS o (e, v, n)))
        """

    private static let place = """
        jsonb_build_object('id', l.id, 'full_name', l.full_name, 'name', l.name, 'country', l.country,
            'country_code', l.country_code, 'place_type', l.place_type, 'geo', CASE WHEN l.west IS NOT NULL THEN
                jsonb_build_object('type', 'Feature', 'bbox', jsonb_build_array(l.west, l.south, l.east, l.north)) END)
        """
}
