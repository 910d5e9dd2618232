/// Finds the Kafka key of lines: the id of the first version in a tweet's edit chain, so that a chain stays in order.
///
/// Holds the parser's buffers from line to line; for one thread.
package struct TweetKey: ~Copyable {
    private var parser = LineParser()
    /// The ids of the rules at X that the last line matched.
    package private(set) var matchingRules: [Int64] = []
    private let findsRules: Bool

    /// - Parameter findsRules: whether `matchingRules` is wanted, too; without it a line is looked at only up to its key, so
    ///   that what comes twice counts where it comes first.
    package init(findsRules: Bool = true) {
        self.findsRules = findsRules
    }

    /// The key of a line: `edit_history_tweet_ids[0]` where that is an id, else `data.id`; the key is its decimal text.
    ///
    /// Nil when `data.id` is no id of 1 to 19 digits up to 2^63 - 1, or when there is no `data`: the line is no tweet
    /// and goes to the events topic.
    ///
    /// Of a tweet as X writes it only the members on the way to the key are looked at, which takes half as long as parsing it.
    /// Should the rest be no JSON, it goes to the topic of tweets all the same, and the loader, which parses everything,
    /// makes a reject of it.
    package mutating func key(of line: UnsafeRawBufferPointer) -> Int64? {
        if let key = unsafe keyByOutline(line) { return key }
        return unsafe keyByParsing(line)
    }

    /// The key of a line that is a tweet as X writes it; nil for all that needs a closer look.
    mutating func keyByOutline(_ line: UnsafeRawBufferPointer) -> Int64? {
        matchingRules.removeAll(keepingCapacity: true)
        guard let outline = unsafe parser.outline(line) else { return nil }
        var (tweet, rules): (Int?, Int?)
        let end = outline.members(of: JSONOutline.root) { name, value in
            switch name {
            case "data": Self.set(&tweet, value) && findsRules
            case "matching_rules": Self.set(&rules, value)
            default: true
            }
        }
        if findsRules {
            guard let end, outline.isEnd(end), takeRules(at: rules, of: outline) else { return nil }
        }
        return tweet.flatMap { Self.key(at: $0, of: outline) }
    }

    private static func key(at place: Int, of outline: JSONOutline) -> Int64? {
        var (id, tweets, posts): (Int?, Int?, Int?)
        let end = outline.members(of: place) { name, value in
            switch name {
            case "id": set(&id, value) && tweets == nil
            case "edit_history_tweet_ids": set(&tweets, value) && id == nil
            case "edit_history_post_ids": set(&posts, value)
            default: true
            }
        }
        let isFound = id != nil && tweets != nil
        guard end != nil || isFound, let id = id.flatMap(outline.id) else { return nil }
        guard let chain = tweets ?? posts else { return id }
        var first: Int64?
        _ = outline.elements(of: chain) { value in
            first = outline.id(at: value)
            return false
        }
        return first
    }

    /// Whether the rules, if there are any, look as X writes them.
    private mutating func takeRules(at place: Int?, of outline: JSONOutline) -> Bool {
        guard let place else { return true }
        let end = outline.elements(of: place) { rule in
            var id: Int?
            let end = outline.members(of: rule) { name, value in
                "id" ~= name ? Self.set(&id, value) : true
            }
            guard end != nil, let id = id.flatMap(outline.id) else { return false }
            matchingRules.append(id)
            return true
        }
        return end != nil
    }

    /// Takes note of a member's place; false when there was one of that name before.
    private static func set(_ place: inout Int?, _ value: Int) -> Bool {
        guard place == nil else { return false }
        place = value
        return true
    }

    /// The key of a line that may be anything.
    mutating func keyByParsing(_ line: UnsafeRawBufferPointer) -> Int64? {
        matchingRules.removeAll(keepingCapacity: true)
        guard let root = try? unsafe parser.parse(line), let tweet = root["data"], let id = tweet["id"]?.id else {
            return nil
        }
        if let rules = root["matching_rules"] {
            for rule in rules.elements {
                if let id = rule["id"]?.id { matchingRules.append(id) }
            }
        }
        let chain = tweet["edit_history_tweet_ids"] ?? tweet["edit_history_post_ids"]
        return chain?.elements.first?.id ?? id
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
