import TweetFormat

/// A tweet with what its line includes for it, as `flatten` of twarc puts it together (twarc, `expansions.py`).
///
/// Valid as long as the parse that the nodes came from.
struct FlatTweet {
    let id: Int64
    let line: JSONNode
    let tweet: JSONNode
    let author: JSONNode?
    /// The tweet that it reposts, when the line includes it.
    let original: JSONNode?
    /// What the line does not have.
    let receipt: Receipt

    /// What the database knows of a tweet beside its line.
    struct Receipt {
        /// RFC 3339, in UTC.
        var receivedAt: String?
        var stream: String?
        /// A JSON list.
        var tags: String?
    }

    /// - Parameters:
    ///   - id: of the tweet, which may be one that the line includes.
    ///   - line: the whole line.
    ///   - receipt: what the database knows beside it.
    init?(_ id: Int64, in line: JSONNode, _ receipt: Receipt) {
        let found = line["data"].flatMap { $0["id"]?.id == id ? $0 : nil } ?? Self.included(id, in: line)
        guard let found else { return nil }
        (self.id, self.line, tweet, self.receipt) = (id, line, found, receipt)
        author = Self.user(found["author_id"]?.id, in: line)
        original = Self.references("retweeted", "reposted", of: found).last?["id"]?.id.flatMap {
            Self.included($0, in: line)
        }
    }

    /// A member of the tweet; for a repost that of the original, where it has one.
    func merged(_ name: StaticString) -> JSONNode? { original?[name] ?? tweet[name] }

    /// The tweets that it refers to in one way: objects of `referenced_tweets`.
    ///
    /// - Parameters:
    ///   - type: the way, in X's vocabulary.
    ///   - newer: the same in its newer one.
    /// - Returns: the objects, in X's order.
    func references(_ type: StaticString, _ newer: StaticString) -> [JSONNode] {
        Self.references(type, newer, of: tweet)
    }

    /// A tweet that it refers to, when the line includes it.
    func included(_ type: StaticString, _ newer: StaticString) -> JSONNode? {
        references(type, newer).last?["id"]?.id.flatMap { Self.included($0, in: line) }
    }

    /// The author of a tweet that the line includes.
    func author(of tweet: JSONNode?) -> JSONNode? { Self.user(tweet?["author_id"]?.id, in: line) }

    /// The media attached to it, or to the original, in their order; nil for one that the line does not include.
    var media: [JSONNode?]? {
        guard let keys = merged("attachments")?["media_keys"], keys.isArray else { return nil }
        return keys.elements.map { key in included(in: "media", where: "media_key", is: key) }
    }

    /// The poll attached to it, or to the original.
    var poll: JSONNode? {
        guard let ids = merged("attachments")?["poll_ids"], let id = ids.elements.map(\.self).last else { return nil }
        return included(in: "polls", where: "id", is: id)
    }

    /// A member of its place, else of its position.
    func geo(_ name: StaticString) -> JSONNode? {
        guard let geo = tweet["geo"] else { return nil }
        let place = geo["place_id"].flatMap { included(in: "places", where: "id", is: $0) }
        return place?[name] ?? geo[name]
    }

    /// Every user that the line includes.
    var users: JSONElements { (line["includes"]?["users"]).elements }

    private func included(in list: StaticString, where key: StaticString, is value: JSONNode) -> JSONNode? {
        guard let value = value.string else { return nil }
        var found: JSONNode?
        for object in (line["includes"]?[list]).elements where object[key]?.string.map({ $0 == value }) == true {
            found = object
        }
        return found
    }

    private static func user(_ id: Int64?, in line: JSONNode) -> JSONNode? {
        guard let id else { return nil }
        return (line["includes"]?["users"]).elements.first { $0["id"]?.id == id }
    }

    private static func included(_ id: Int64, in line: JSONNode) -> JSONNode? {
        let includes = line["includes"]
        return (includes?["tweets"] ?? includes?["posts"]).elements.first { $0["id"]?.id == id }
    }

    private static func references(_ type: StaticString, _ newer: StaticString, of tweet: JSONNode) -> [JSONNode] {
        (tweet["referenced_tweets"] ?? tweet["referenced_posts"]).elements.filter { reference in
            reference["type"]?.string.map { $0 == type || $0 == newer } ?? false
        }
    }
}

extension JSONNode {
    /// The member that a path leads to.
    func at(_ path: [StaticString]) -> JSONNode? {
        path.reduce(Optional(self)) { node, name in node?[name] }
    }
}

extension JSONString {
    /// The text on the heap.
    var text: String { unsafe String(decoding: bytes, as: UTF8.self) }
}
