import Core
import TweetFormat

/// A column of an exported table.
struct ExportColumn: Sendable {
    /// What a redacted table shows of it.
    enum Privacy: Sendable {
        /// It names no user.
        case kept
        /// It describes a user, or exact place, and stays empty.
        case erased
        /// The id of a user.
        case userID
        /// The handle of a user.
        case handle
        /// Text, or a JSON list of texts, with handles in it.
        case text
    }

    let name: String
    var privacy = Privacy.kept
    /// Whether it is an id of up to 19 digits, which spreadsheets round.
    var isID = false
    /// Whether it needs the tags of the rules from the database.
    var needsTags = false
    let value: @Sendable (FlatTweet) -> CellValue

    init(
        _ name: String, _ privacy: Privacy = .kept, isID: Bool = false, needsTags: Bool = false,
        _ value: @escaping @Sendable (FlatTweet) -> CellValue
    ) {
        (self.name, self.privacy, self.isID, self.needsTags, self.value) = (name, privacy, isID, needsTags, value)
    }

    /// A column named by the path of a member of the tweet.
    static func tweet(_ path: [StaticString], _ privacy: Privacy = .kept, isID: Bool = false) -> ExportColumn {
        ExportColumn(dotted(path), privacy, isID: isID) { CellValue($0.tweet.at(path)) }
    }

    /// A column named by the path of a member that a repost has from its original.
    static func merged(_ first: StaticString, _ path: [StaticString] = [], _ privacy: Privacy = .kept) -> ExportColumn {
        ExportColumn(dotted([first] + path), privacy) { CellValue($0.merged(first)?.at(path)) }
    }

    /// A column named by the path of a member of the author.
    static func author(_ path: [StaticString], _ privacy: Privacy = .kept, isID: Bool = false) -> ExportColumn {
        ExportColumn(dotted(["author"] + path), privacy, isID: isID) { CellValue($0.author?.at(path)) }
    }

    /// A column of the place or position.
    static func geo(_ name: StaticString, _ path: [StaticString] = [], _ privacy: Privacy = .kept) -> ExportColumn {
        ExportColumn(dotted(["geo", name] + path), privacy) { CellValue($0.geo(name)?.at(path)) }
    }

    private static func dotted(_ path: [StaticString]) -> String {
        path.map { "\($0)" }.joined(separator: ".")
    }

    /// The columns with these names, in their order.
    ///
    /// - Parameter list: `twarc`, `core`, or names with commas between them.
    /// - Returns: the columns; nil when a name is unknown, which `unknown(in:)` gives.
    static func columns(_ list: String) -> [ExportColumn]? {
        switch list {
        case "twarc": return twarc
        case "core": return columns(coreNames.joined(separator: ","))
        default:
            let names = list.split(separator: ",").map(\.trimmed)
            let found = names.compactMap { name in all.first { $0.name == name } }
            return found.count == names.count && !names.isEmpty ? found : nil
        }
    }

    /// The first name in a list that is no column's, and the column that was perhaps meant.
    static func unknown(in list: String) -> (name: String, nearest: String?)? {
        let name = list.split(separator: ",").map(\.trimmed).first { name in !all.contains { $0.name == name } }
        return name.map { ($0, nearest($0, among: all.map(\.name))) }
    }

    static let all = twarc + own

    private static let coreNames = [
        "id", "created_at", "author_id", "author.username", "kind", "full_text", "lang", "conversation_id",
        "referenced_tweets.replied_to.id", "referenced_tweets.retweeted.id", "referenced_tweets.quoted.id",
        "public_metrics.reply_count", "public_metrics.retweet_count", "public_metrics.quote_count",
        "public_metrics.like_count", "entities.hashtags", "entities.mentions", "entities.urls", "rules", "stream",
        "received_at", "link",
    ]

    /// Columns that twarc-csv does not have.
    private static let own = [
        ExportColumn("kind") { tweet in
            if !tweet.references("retweeted", "reposted").isEmpty { return .text("repost") }
            if !tweet.references("quoted", "quoted").isEmpty { return .text("quote") }
            return .text(tweet.references("replied_to", "replied_to").isEmpty ? "tweet" : "reply")
        },
        ExportColumn("full_text", .text) { tweet in
            let whole = tweet.original ?? tweet.tweet
            let text = (whole["note_tweet"] ?? whole["note_post"])?["text"]?.string ?? tweet.merged("text")?.string
            return CellValue(text?.text.withoutEntities)
        },
        ExportColumn("rules", needsTags: true) { $0.receipt.tags.map(CellValue.json) ?? .none },
        ExportColumn("stream") { CellValue($0.receipt.stream) },
        ExportColumn("received_at") { CellValue($0.receipt.receivedAt) },
        ExportColumn("link") { .text("https://x.com/i/status/\($0.id)") },
    ]
}

extension String {
    /// The text without the HTML entities for `&`, `<` and `>` that X writes into every text.
    fileprivate var withoutEntities: String {
        replacing("&lt;", with: "<").replacing("&gt;", with: ">").replacing("&amp;", with: "&")
    }
}
