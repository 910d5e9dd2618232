/// A row of the table `tweets`: its columns, and the statements that bring staged rows into the table.
package enum TweetRow {
    /// The columns that a row of `TweetDecoder` has, in its order; `sql/schema.sql` says what they mean.
    ///
    /// `inserted_at` is not among them: the database fills it in.
    package static let columns = [
        "id", "created_at", "author_id", "author_username", "text", "long_text", "lang",
        "conversation_id", "in_reply_to_user_id", "replied_to_id", "quoted_id", "retweeted_id",
        "edit_ids", "is_edit_eligible", "editable_until", "edits_remaining",
        "retweet_count", "reply_count", "like_count", "quote_count", "bookmark_count", "impression_count",
        "hashtags", "cashtags", "mentions", "mention_ids", "urls", "expanded_urls",
        "media_keys", "poll_ids", "media_source_tweet_ids",
        "place_id", "longitude", "latitude",
        "possibly_sensitive", "reply_settings", "source", "community_id", "card_uri",
        "display_text_start", "display_text_end", "paid_partnership", "scopes_followers",
        "article_title", "article_text",
        "withheld_copyright", "withheld_countries", "withheld_scope",
        "rule_ids", "rule_tags",
        "stream", "journal", "seq", "received_at", "connection", "kafka_topic", "kafka_partition", "kafka_offset",
        "text_altered", "payload", "payload_raw",
    ]

    /// The name of the staging table.
    package static let staging = "tweets_staging"

    /// Makes the session's staging table, with the columns and compression of `tweets`; it empties at every commit.
    ///
    /// Made for `tweets.payload` as it is at that moment.
    package static let createStagingSQL = """
        CREATE TEMPORARY TABLE IF NOT EXISTS tweets_staging (LIKE tweets INCLUDING COMPRESSION INCLUDING STORAGE)
        ON COMMIT DELETE ROWS;
        ALTER TABLE tweets_staging DROP COLUMN IF EXISTS inserted_at
        """

    /// Inserts the staged rows whose id is new; its count of affected rows is the number of new tweets.
    ///
    /// Of several rows with one id the first stays, in the order of COPY: a redelivery never overwrites. The staging
    /// table is read in that order because it is never updated.
    package static let insertSQL: String = {
        let list = columns.joined(separator: ", ")
        return """
            INSERT INTO tweets (\(list))
            SELECT \(list) FROM tweets_staging
            ON CONFLICT (id) DO NOTHING
            """
    }()

    /// Adds the staged rows' rules that their tweets lack; its count of affected rows is the number of tweets changed.
    ///
    /// Needed when `insertSQL` inserted fewer rows than were staged, and after it: only then were there duplicates. A
    /// statement of its own, so that it also sees what another loader committed meanwhile.
    ///
    /// The planner knows nothing of the staging table's contents. `= ANY` keeps it at a look into the key for each
    /// tweet, where a join may read all that lies between the lowest and the highest id; `BETWEEN` leaves the months out
    /// that cannot matter.
    package static let uniteRulesSQL = """
        WITH staged AS (
            SELECT s.id, rule.id AS rule_id, rule.tag AS rule_tag, min(rule.place) AS place
            FROM tweets_staging AS s
            CROSS JOIN LATERAL unnest(s.rule_ids, s.rule_tags) WITH ORDINALITY AS rule (id, tag, place)
            GROUP BY s.id, rule.id, rule.tag
        ), known AS MATERIALIZED (
            SELECT id, rule_ids, rule_tags FROM tweets
            WHERE id = ANY (ARRAY(SELECT id FROM tweets_staging))
                AND id BETWEEN (SELECT min(id) FROM tweets_staging) AND (SELECT max(id) FROM tweets_staging)
        ), missing AS MATERIALIZED (
            SELECT id,
                array_agg(staged.rule_id ORDER BY staged.place, staged.rule_id) AS rule_ids,
                array_agg(staged.rule_tag ORDER BY staged.place, staged.rule_id) AS rule_tags
            FROM staged JOIN known USING (id)
            WHERE NOT EXISTS (
                SELECT FROM unnest(known.rule_ids, known.rule_tags) AS rule (id, tag)
                WHERE rule.id IS NOT DISTINCT FROM staged.rule_id AND rule.tag IS NOT DISTINCT FROM staged.rule_tag)
            GROUP BY id
        )
        UPDATE tweets AS t
        SET rule_ids = t.rule_ids || missing.rule_ids, rule_tags = t.rule_tags || missing.rule_tags
        FROM missing
        WHERE t.id = missing.id
            AND t.id = ANY (ARRAY(SELECT id FROM missing))
            AND t.id BETWEEN (SELECT min(id) FROM missing) AND (SELECT max(id) FROM missing)
        """
}
