/// Finds the Kafka key of lines: the id of the first version in a tweet's edit chain, so that a chain stays in order.
///
/// Holds the parser's buffers from line to line; for one thread.
package struct TweetKey: ~Copyable {
    private var parser = LineParser()
    /// The ids of the rules at X that the last line matched.
    package private(set) var matchingRules: [Int64] = []
    /// The tag of each rule that lines have matched, by the rule's id; empty without one. A rule never changes its tag.
    package private(set) var tags: [Int64: String] = [:]
    /// The last line's own id; nil when it was no tweet.
    package private(set) var id: Int64?
    private let findsRules: Bool

    /// X has no more rules than this at a time.
    private static let mostTags = 25_000

    /// - Parameter findsRules: whether `matchingRules` is wanted, too.
    package init(findsRules: Bool = true) {
        self.findsRules = findsRules
    }

    /// The key of a line: `edit_history_tweet_ids[0]` where that is an id, else `data.id`; the key is its decimal text.
    ///
    /// Nil when `data.id` is no id of 1 to 19 digits up to 2^63 - 1, or when there is no `data`: the line is no tweet
    /// and goes to the events topic.
    package mutating func key(of line: UnsafeRawBufferPointer) -> Int64? {
        matchingRules.removeAll(keepingCapacity: true)
        self.id = nil
        guard let root = try? unsafe parser.parse(line), let tweet = root["data"], let id = tweet["id"]?.id else {
            return nil
        }
        if findsRules {
            for rule in root["matching_rules"].elements {
                guard let id = rule["id"]?.id else { continue }
                matchingRules.append(id)
                if tags[id] == nil { remember(rule["tag"]?.text ?? "", of: id) }
            }
        }
        self.id = id
        let chain = tweet["edit_history_tweet_ids"] ?? tweet["edit_history_post_ids"]
        return chain?.elements.first?.id ?? id
    }

    private mutating func remember(_ tag: String, of rule: Int64) {
        if tags.count >= Self.mostTags { tags.removeAll() }
        tags[rule] = tag
    }

    /// The account whose timeline a line is from, and when it was read, RFC 3339; nil for any other line.
    package mutating func timeline(of line: UnsafeRawBufferPointer) -> (account: Int64, fetchedAt: String?)? {
        guard let root = try? unsafe parser.parse(line), let timeline = root["timeline"],
            let account = timeline["user_id"]?.id
        else { return nil }
        return (account, timeline["fetched_at"]?.text)
    }

    /// The tweet's own id; nil when the line is no tweet.
    package mutating func id(of line: UnsafeRawBufferPointer) -> Int64? {
        (try? unsafe parser.parse(line))?["data"]?["id"]?.id
    }
}

extension JSONNode {
    /// An id of X: a string, or in captures of 2021 a number, matching `^[0-9]{1,19}$` and not beyond `Int64`.
    package var id: Int64? {
        if let integer { return integer >= 0 ? integer : nil }
        guard let string, (1...19).contains(string.count) else { return nil }
        var value: UInt64 = 0
        for offset in 0..<string.count {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(string[offset]) else { return nil }
            value = value * 10 + UInt64(string[offset] - UInt8(ascii: "0"))
        }
        return Int64(exactly: value)
    }
}
