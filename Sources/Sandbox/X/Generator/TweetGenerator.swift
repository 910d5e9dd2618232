import Core

/// Makes stream lines like X's: languages, emoji, entities, media, polls, places, edits, quotes, replies, reposts, long text.
///
/// Everything follows from the seed, the index and the clock: the same three give the same bytes. About 2 KB a line.
/// What X says of one post and of the posts it refers to agrees: a quoted post looks the same wherever it appears.
package struct TweetGenerator: Sendable {
    /// Says when the post with an index was made.
    package typealias Clock = @Sendable (Int64) -> Timestamp

    package let seed: UInt64
    let clock: Clock
    let posts: PostWriter
    /// Which of several streams that run at once, 0 to 3: posts of two of them made in one millisecond have different ids.
    let stream: Int64

    /// - Parameters:
    ///   - seed: chooses the world.
    ///   - start: when post 0 was made; each later one is 4 ms younger.
    ///   - people: how many users write the posts.
    package init(
        seed: UInt64 = 1, start: Timestamp = Timestamp(milliseconds: 1_790_000_000_000), people: Int = 4096
    ) {
        self.init(seed: seed, people: people) { Timestamp(milliseconds: start.milliseconds + 4 * $0) }
    }

    /// - Parameters:
    ///   - seed: chooses the world.
    ///   - people: how many users write the posts.
    ///   - stream: 0 to 3, for one of several streams that run at once.
    ///   - clock: when each post was made; must never fall.
    package init(seed: UInt64, people: Int = 4096, stream: Int64 = 0, clock: @escaping Clock) {
        self.seed = seed
        self.clock = clock
        self.stream = stream
        posts = PostWriter(seed: seed, people: people)
    }

    /// The id of a post: its time, and its index in the low 22 bits, of which a stream above 0 has the two highest.
    package func id(of index: Int64) -> Int64 {
        Snowflakes.id(at: clock(index), sequence: index + stream << 20)
    }

    /// The index of the post with an id, as far as 22 bits tell it: exact below 4,194,304 for stream 0.
    package static func index(ofID id: Int64) -> Int64 {
        id & 0x3f_ffff
    }

    /// The stream line of a post, without its line end.
    ///
    /// - Parameters:
    ///   - index: from 0.
    ///   - rules: the rules of the stream; `matching_rules` names those that match, see `StreamRule.matching`.
    ///   - hasIncludes: false for a stream that was asked for no expansions.
    /// - Returns: compact JSON, UTF-8; one line in twenty has everything beyond ASCII written as `\u` escapes.
    package func line(_ index: Int64, rules: [StreamRule] = [], hasIncludes: Bool = true) -> [UInt8] {
        let post = posts.post(index)
        var random = SeededRandom(seed: seed, stream: 4, index: index)
        var writer = JSONWriter(escapesNonASCII: random.chance(perMille: 50))
        writer.object { line in
            line.field("data") { tweet(post, &$0) }
            if hasIncludes { line.field("includes") { includes(post, &$0) } }
            line.field("matching_rules", objects: StreamRule.matching(rules, post)) { object, rule in
                object.field("id", rule.id)
                if let tag = rule.tag { object.field("tag", tag) }
            }
        }
        return writer.bytes
    }
}
