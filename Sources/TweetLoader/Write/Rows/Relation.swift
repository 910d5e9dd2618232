/// The tables that lines fill, in the order in which a transaction writes them: the same for every loader, so that two
/// never wait for each other in a circle. `sql/schema.sql` says what the columns mean.
package enum Relation: Int, CaseIterable, Sendable {
    case tweets, tweetRules, tweetVersions, tweetErrors, timelineEntries
    case users, media, polls, places, contextDomains, contextEntities

    /// Name of the table.
    package var table: String {
        switch self {
        case .tweets: "tweets"
        case .tweetRules: "tweet_rules"
        case .tweetVersions: "tweet_versions"
        case .tweetErrors: "tweet_errors"
        case .timelineEntries: "timeline_entries"
        case .users: "users"
        case .media: "media"
        case .polls: "polls"
        case .places: "places"
        case .contextDomains: "context_domains"
        case .contextEntities: "context_entities"
        }
    }

    /// Name of the session's table that rows are staged in before they are merged.
    package var staging: String { "\(table)_staging" }

    /// Whether a row is the state of something that other lines bring too, of which the newest is kept.
    package var isState: Bool { rawValue >= Relation.users.rawValue }

    /// The column that a state is known by.
    var key: String { self == .media ? "media_key" : "id" }

    /// Whether that column is text; it is a bigint otherwise.
    var hasTextKey: Bool { self == .media || self == .places }

    /// The columns that a row of `TweetDecoder` has, in its order.
    package var columns: [String] { Self.allColumns[rawValue] }

    private static let allColumns = allCases.map { relation in
        let columns = relation.ownColumns.split(separator: " ").map(String.init)
        return relation.isState ? columns + ["fingerprint", "text_altered", "seen_in", "seen_at"] : columns
    }

    private var ownColumns: String {
        switch self {
        case .tweets:
            """
            id created_at author_id author_username text long_text lang conversation_id in_reply_to_user_id replied_to_id \
            quoted_id retweeted_id edit_ids is_edit_eligible editable_until edits_remaining retweet_count reply_count \
            like_count quote_count bookmark_count impression_count hashtags cashtags mentions mention_ids urls \
            expanded_urls media_keys poll_ids media_source_tweet_ids place_id longitude latitude possibly_sensitive \
            reply_settings source community_id card_uri display_text_start display_text_end paid_partnership \
            scopes_followers article_title article_text withheld_copyright withheld_countries withheld_scope \
            stream journal seq received_at connection kafka_topic kafka_partition kafka_offset text_altered payload \
            payload_raw matched included_by context_domain_ids context_entity_ids
            """
        case .tweetRules: "tweet_id rule_id stream tag matched_at"
        case .tweetVersions: "tweet_id chain_id version"
        case .tweetErrors: "tweet_id position title type detail parameter resource_type resource_id value section"
        case .timelineEntries: "user_id kind tweet_id seen_at"
        case .users:
            """
            id username name created_at description location url expanded_url profile_image_url profile_banner_url \
            protected verified verified_type verified_followers_count is_identity_verified parody subscription_type \
            pinned_tweet_id most_recent_tweet_id followers_count following_count tweet_count listed_count like_count \
            media_count affiliation_description affiliation_url affiliation_badge_url affiliation_user_ids \
            withheld_countries withheld_scope
            """
        case .media:
            """
            media_key type url preview_image_url width height duration_ms alt_text view_count variant_urls \
            variant_content_types variant_bit_rates tweet_id
            """
        case .polls: "id option_labels option_votes duration_minutes ends_at voting_status tweet_id"
        case .places: "id full_name name country country_code place_type contained_within west south east north"
        case .contextDomains, .contextEntities: "id name description"
        }
    }
}
