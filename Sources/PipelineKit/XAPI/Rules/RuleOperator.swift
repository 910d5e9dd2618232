/// An operator of X's rule language (X: "Filtered stream", build a rule, operators).
struct RuleOperator: Sendable {
    /// Whether a rule may consist of it.
    enum Company: Sendable {
        case canStandAlone
        case needsAnother
        /// X's pages do not say it, or differ: X decides.
        case unknown
    }

    /// What may stand behind the colon.
    enum ValueKind: Sendable {
        case user
        case id
        case text
        case quotedText
        case choice([String])
        case language
        case country
        case context
        case sample
        case count
        case countRange
        case fraction
        case pointRadius
        case boundingBox
    }

    let name: String
    let company: Company
    let value: ValueKind
    var isNegatable = true
    var plan = AccountPlan.selfServe
    /// Whether the search and counts endpoints know it too.
    var isCountable = true

    /// The operator with this name or alias.
    static func named(_ name: String) -> RuleOperator? { byName[aliases[name] ?? name] }

    static let names = all.map(\.name)

    /// The names by which X knows operators as well ("Build a rule", 2024; the page of 2026 has no column for them).
    private static let aliases = [
        "retweets_of_user": "retweets_of", "user_bio": "bio", "user_bio_location": "bio_location",
        "geo_bounding_box": "bounding_box", "statuses_count": "tweets_count", "friends_count": "following_count",
        "user_in_lists_count": "listed_count",
        "within_url_title": "url_title", "within_url_description": "url_description",
        "in_reply_to_status_id": "in_reply_to_tweet_id", "retweets_of_status_id": "retweets_of_tweet_id",
    ]

    /// What may make up a rule alone, what needs another, and what X's pages leave open (an empty column "Type").
    private static let all: [RuleOperator] = [
        alone("from", .user), alone("to", .user), alone("retweets_of", .user),
        alone("from_affiliate_of", .user, isCountable: false), alone("to_affiliate_of", .user, isCountable: false),
        alone("url", .text), alone("context", .context), alone("entity", .quotedText), alone("conversation_id", .id),
        alone("bio", .text, isCountable: false), alone("bio_name", .text, isCountable: false),
        alone("bio_location", .text, isCountable: false), alone("place", .text), alone("place_country", .country),
        alone("point_radius", .pointRadius), alone("bounding_box", .boundingBox),
        beside("is", .choice(["retweet", "reply", "quote", "verified", "nullcast"])),
        beside(
            "has",
            .choice([
                "hashtags", "cashtags", "links", "mentions", "media", "media_link", "images", "video_link", "videos",
                "geo",
            ])),
        beside("lang", .language), open("in_reply_to_tweet_id", .id), open("retweets_of_tweet_id", .id),
        open("url_title", .text, isCountable: false), open("url_description", .text, isCountable: false),
        open("url_contains", .text, isCountable: false), open("source", .text, isCountable: false),
        open("min_followers", .count, isCountable: false), open("followers_count", .countRange, isCountable: false),
        open("tweets_count", .countRange, isCountable: false),
        open("following_count", .countRange, isCountable: false),
        open("listed_count", .countRange, isCountable: false),
        RuleOperator(name: "sample", company: .needsAnother, value: .sample, isNegatable: false, isCountable: false),
        RuleOperator(
            name: "embedding", company: .canStandAlone, value: .quotedText, isNegatable: false, plan: .enterprise,
            isCountable: false),
        RuleOperator(
            name: "embedding_threshold", company: .needsAnother, value: .fraction, isNegatable: false,
            plan: .enterprise, isCountable: false),
    ]

    private static func alone(_ name: String, _ value: ValueKind, isCountable: Bool = true) -> RuleOperator {
        RuleOperator(name: name, company: .canStandAlone, value: value, isCountable: isCountable)
    }

    private static func beside(_ name: String, _ value: ValueKind, isCountable: Bool = true) -> RuleOperator {
        RuleOperator(name: name, company: .needsAnother, value: value, isCountable: isCountable)
    }

    private static func open(_ name: String, _ value: ValueKind, isCountable: Bool = true) -> RuleOperator {
        RuleOperator(name: name, company: .unknown, value: value, isCountable: isCountable)
    }

    private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })
}
