import Core

/// The query parameters that choose what X sends with each post, and the names each may hold.
///
/// X ignores a name it does not know, and bills as if nothing were wrong; so a name that looks mistyped is an error here, and
/// any other unknown name a warning: X may have it by now. Lists: parameters of `GET /2/tweets/search/stream` in X's OpenAPI
/// description 2.167.
package enum StreamFields: String, CaseIterable, Sendable {
    case tweetFields = "tweet.fields"
    case expansions
    case userFields = "user.fields"
    case mediaFields = "media.fields"
    case placeFields = "place.fields"
    case pollFields = "poll.fields"

    /// The setting that chooses the names: a list with commas, `all` or `none`.
    package var setting: Setting {
        let (name, flag) =
            switch self {
            case .tweetFields: ("X_TWEET_FIELDS", "tweet-fields")
            case .expansions: ("X_EXPANSIONS", "expansions")
            case .userFields: ("X_USER_FIELDS", "user-fields")
            case .mediaFields: ("X_MEDIA_FIELDS", "media-fields")
            case .placeFields: ("X_PLACE_FIELDS", "place-fields")
            case .pollFields: ("X_POLL_FIELDS", "poll-fields")
            }
        return Setting(
            name, flag: flag, .list, default: "all",
            "Names of X's `\(rawValue)` to request, separated by commas; `all` or `none`")
    }

    /// Everything that an app's token may ask for: what `all` stands for, and the default.
    package var all: [String] {
        switch self {
        case .tweetFields: Self.allTweetFields
        case .expansions: Self.allExpansions
        case .userFields: Self.allUserFields
        case .mediaFields:
            [
                "alt_text", "duration_ms", "height", "media_key", "preview_image_url", "public_metrics", "type", "url",
                "variants", "width",
            ]
        case .placeFields:
            ["contained_within", "country", "country_code", "full_name", "geo", "id", "name", "place_type"]
        case .pollFields: ["duration_minutes", "end_datetime", "id", "options", "voting_status"]
        }
    }

    /// Names that X knows but gives only to a user's own token; with an app's token they bring errors or nothing.
    var onlyForUsers: [String] {
        switch self {
        case .tweetFields, .mediaFields: ["non_public_metrics", "organic_metrics", "promoted_metrics"]
        case .userFields: ["confirmed_email", "connection_status", "receives_your_dm", "subscription"]
        case .expansions, .placeFields, .pollFields: []
        }
    }

    /// Reads the setting; a name that is mistyped, or that an app's token cannot ask for, is an error that names it.
    package func read(_ reader: inout SettingsReader) -> [String] {
        switch reader.text(setting) {
        case "all": return all
        case "none": return []
        case let text:
            let names = text.split(separator: ",").map { $0.filter { !$0.isWhitespace } }.filter { !$0.isEmpty }
            for name in names {
                if let mistake = mistake(in: name) { reader.addMistake("\(reader.origin(setting)): \(mistake)") }
            }
            return names
        }
    }

    /// The names that are not in X's list: X may have them by now, or ignore them.
    package func unknown(among names: [String]) -> [String] { names.filter { !all.contains($0) } }

    private func mistake(in name: String) -> String? {
        if all.contains(name) { return nil }
        if onlyForUsers.contains(name) {
            return "X gives '\(name)' only to a user's own token, and this program uses an app's"
        }
        if let candidate = nearest(name, among: all) {
            return "X has no '\(name)' among \(rawValue); did you mean '\(candidate)'?"
        }
        // What else a URL would have to escape is no name.
        let isName = name.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 95 || $0 == 46 }
        return isName ? nil : "X has no '\(name)' among \(rawValue); it has \(all.joined(separator: ", "))"
    }

    private static let allTweetFields = [
        "article", "attachments", "author_id", "card_uri", "community_id", "context_annotations", "conversation_id",
        "created_at", "display_text_range", "edit_controls", "edit_history_tweet_ids", "entities", "geo", "id",
        "in_reply_to_user_id", "lang", "matched_media_notes", "media_metadata", "note_request_suggestions",
        "note_tweet", "paid_partnership", "possibly_sensitive", "public_metrics", "referenced_tweets",
        "reply_settings", "scopes", "source", "suggested_source_links", "suggested_source_links_with_counts", "text",
        "withheld",
    ]

    private static let allExpansions = [
        "article.cover_media", "article.media_entities", "attachments.media_keys", "attachments.media_source_tweet",
        "attachments.poll_ids", "author_id", "edit_history_tweet_ids", "entities.mentions.username",
        "entities.note.mentions.username", "geo.place_id", "in_reply_to_user_id", "referenced_tweets.id",
        "referenced_tweets.id.attachments.media_keys", "referenced_tweets.id.author_id",
    ]

    private static let allUserFields = [
        "affiliation", "created_at", "description", "entities", "id", "is_identity_verified", "location",
        "most_recent_tweet_id", "name", "parody", "pinned_tweet_id", "profile_banner_url", "profile_image_url",
        "protected", "public_metrics", "subscription_type", "url", "username", "verified",
        "verified_followers_count", "verified_type", "withheld",
    ]
}
