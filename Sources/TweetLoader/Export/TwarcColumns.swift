import Core
import TweetFormat

extension ExportColumn {
    /// The 84 columns of twarc-csv 0.7.2, by name and in its order (`DEFAULT_TWEET_COLUMNS` in `dataframe_converter.py`).
    ///
    /// As there, a repost has text, entities, attachments, context and counts of its original, lists are JSON, hashtags begin
    /// with `#`, cashtags with `$` and mentions with `@`.
    static let twarc: [ExportColumn] = references + content + attachments + authors + places + origin

    private static let references: [ExportColumn] = [
        ExportColumn("id", isID: true) { .text(String($0.id)) },
        tweet(["conversation_id"], isID: true),
        reference("replied_to", "replied_to"), reference("retweeted", "reposted"), reference("quoted", "quoted"),
        tweet(["author_id"], .userID, isID: true), tweet(["in_reply_to_user_id"], .userID, isID: true),
        ExportColumn("in_reply_to_username", .handle) { tweet in
            CellValue(tweet.author(of: tweet.included("replied_to", "replied_to"))?["username"])
        },
        ExportColumn("retweeted_user_id", .userID, isID: true) { CellValue($0.original?["author_id"]) },
        ExportColumn("retweeted_username", .handle) { CellValue($0.author(of: $0.original)?["username"]) },
        ExportColumn("quoted_user_id", .userID, isID: true) {
            CellValue($0.included("quoted", "quoted")?["author_id"])
        },
        ExportColumn("quoted_username", .handle) { tweet in
            CellValue(tweet.author(of: tweet.included("quoted", "quoted"))?["username"])
        },
    ]

    private static func reference(_ type: StaticString, _ newer: StaticString) -> ExportColumn {
        ExportColumn("referenced_tweets.\(type).id", isID: true) { CellValue($0.references(type, newer).first?["id"]) }
    }

    private static let content: [ExportColumn] = [
        tweet(["created_at"]), merged("text", [], .text), tweet(["lang"]), tweet(["source"]),
        merged("public_metrics", ["impression_count"]), merged("public_metrics", ["reply_count"]),
        ExportColumn("public_metrics.retweet_count") { tweet in
            let metrics = tweet.merged("public_metrics")
            return CellValue(metrics?["retweet_count"] ?? metrics?["repost_count"])
        },
        merged("public_metrics", ["quote_count"]), merged("public_metrics", ["like_count"]),
        merged("public_metrics", ["bookmark_count"]), tweet(["reply_settings"]),
        ExportColumn("edit_history_tweet_ids") {
            CellValue($0.tweet["edit_history_tweet_ids"] ?? $0.tweet["edit_history_post_ids"])
        },
        tweet(["edit_controls", "edits_remaining"]), tweet(["edit_controls", "editable_until"]),
        tweet(["edit_controls", "is_edit_eligible"]), tweet(["possibly_sensitive"]), tweet(["withheld", "scope"]),
        tweet(["withheld", "copyright"]), tweet(["withheld", "country_codes"]), merged("entities", ["annotations"]),
        entities("entities", "cashtags", "$") { $0.merged("entities") },
        entities("entities", "hashtags", "#") { $0.merged("entities") },
        entities("entities", "mentions", "@", .text) { $0.merged("entities") },
        entities("entities", "urls", "", .text) { $0.merged("entities") },
        merged("context_annotations"),
    ]

    /// A list of entities as texts: tags and handles with their sign, links by their target.
    private static func entities(
        _ path: String, _ list: StaticString, _ sign: StaticString, _ privacy: Privacy = .kept,
        of holder: @escaping @Sendable (FlatTweet) -> JSONNode?
    ) -> ExportColumn {
        ExportColumn("\(path).\(list)", privacy) { tweet in
            guard let found = holder(tweet)?[list], found.isArray else { return .none }
            return .texts(sign, found.elements.compactMap { $0.entityText })
        }
    }

    private static let attachments: [ExportColumn] = [
        ExportColumn("attachments.media", .erased) { $0.media.map(CellValue.objects) ?? .none },
        merged("attachments", ["media_keys"]),
        poll("duration_minutes"), poll("end_datetime"), poll("id"), poll("options"), poll("voting_status"),
        merged("attachments", ["poll_ids"]),
    ]

    private static func poll(_ name: StaticString) -> ExportColumn {
        ExportColumn("attachments.poll.\(name)") { CellValue($0.poll?[name]) }
    }

    private static let authors: [ExportColumn] = [
        author(["id"], .userID, isID: true), author(["created_at"], .erased), author(["username"], .handle),
        author(["name"], .erased), author(["description"], .erased), description("cashtags", "$"),
        description("hashtags", "#"),
        description("mentions", "@"), description("urls", ""),
        ExportColumn("author.entities.url.urls", .erased) { tweet in
            tweet.author.profileLinks.map { .texts("", $0) } ?? .none
        },
        ExportColumn("author.url", .erased) { CellValue($0.author.profileLinks?.last ?? $0.author?["url"]) },
        author(["location"], .erased),
        ExportColumn("author.pinned_tweet_id", .erased, isID: true) {
            CellValue($0.author?["pinned_tweet_id"] ?? $0.author?["pinned_post_id"])
        },
        author(["profile_image_url"], .erased), author(["protected"]),
        author(["public_metrics", "followers_count"]), author(["public_metrics", "following_count"]),
        author(["public_metrics", "listed_count"]),
        ExportColumn("author.public_metrics.tweet_count") { tweet in
            let metrics = tweet.author?["public_metrics"]
            return CellValue(metrics?["tweet_count"] ?? metrics?["post_count"])
        },
        author(["verified"]), author(["verified_type"]), author(["withheld", "scope"]),
        author(["withheld", "copyright"]),
        author(["withheld", "country_codes"]),
    ]

    private static func description(_ list: StaticString, _ sign: StaticString) -> ExportColumn {
        entities("author.entities.description", list, sign, .erased) { $0.author?["entities"]?["description"] }
    }

    private static let places: [ExportColumn] = [
        geo("coordinates", ["coordinates"], .erased), geo("coordinates", ["type"]), geo("country"), geo("country_code"),
        geo("full_name"), geo("geo", ["bbox"]), geo("geo", ["type"]), geo("id"), geo("name"), geo("place_id"),
        geo("place_type"),
    ]

    private static let origin: [ExportColumn] = [
        ExportColumn("matching_rules") { CellValue($0.line["matching_rules"]) },
        ExportColumn("__twarc.retrieved_at") { CellValue($0.receipt.receivedAt) },
        ExportColumn("__twarc.url") { _ in .none },
        ExportColumn("__twarc.version") { _ in .text("tweet-pipeline \(productVersion)") },
    ]
}

extension JSONNode {
    /// What an entity stands for: its tag, its handle, or the target of its link.
    fileprivate var entityText: JSONNode? {
        if let name = self["tag"] ?? self["username"] { return name }
        return self["media_key"] == nil ? self["expanded_url"] ?? self["url"] : self["display_url"]
    }
}

extension JSONNode? {
    /// The links of a user's profile by their targets; nil when X sent no entities for them.
    fileprivate var profileLinks: [JSONNode]? {
        guard let links = self?["entities"]?["url"]?["urls"], links.isArray else { return nil }
        return links.elements.compactMap { $0["expanded_url"] ?? $0["url"] }
    }
}
