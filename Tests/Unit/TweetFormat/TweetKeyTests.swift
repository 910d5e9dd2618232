import Testing

@testable import TweetFormat

@Suite("Tweet key", .timeLimit(.minutes(5)))
struct TweetKeyTests {
    static let cases: [(line: String, key: Int64?)] = [
        (#"{"data":{"id":"20","text":"just setting up my twttr"}}"#, 20),
        (#"{"data":{"text":"x","edit_history_tweet_ids":["7","8"],"id":"8"}}"#, 7),
        (#"{"data":{"edit_history_post_ids":["7","8"],"id":"8"}}"#, 7),
        (#"{"data":{"edit_history_post_ids":["6"],"edit_history_tweet_ids":["7"],"id":"8"}}"#, 7),
        // X was seen to answer [""] for a new post.
        (#"{"data":{"edit_history_tweet_ids":[""],"id":"8"}}"#, 8),
        (#"{"data":{"edit_history_tweet_ids":[],"id":"8"}}"#, 8),
        (#"{"data":{"edit_history_tweet_ids":null,"id":"8"}}"#, 8),
        (#"{"data":{"edit_history_tweet_ids":["7"],"id":"x"}}"#, nil),
        (#"{"data":{"id":8}}"#, 8),
        (#"{"data":{"id":"9223372036854775807"}}"#, .max),
        (#"{"data":{"id":"9223372036854775808"}}"#, nil),
        (#"{"data":{"id":"00000000000000000001"}}"#, nil),
        (#"{"data":{"id":"-1"}}"#, nil), (#"{"data":{"id":-1}}"#, nil), (#"{"data":{"id":""}}"#, nil),
        (#"{"data":{"id":"1.0"}}"#, nil), (#"{"data":{"id":1.5}}"#, nil), (#"{"data":{"id":null}}"#, nil),
        (#"{"data":{"id":"1","id":"2"}}"#, 2),
        (#"{"data":[{"id":"1"}]}"#, nil),
        (#"{"errors":[{"title":"operational-disconnect"}]}"#, nil),
        (#"{"pipeline_event":{"type":"started"}}"#, nil),
        (#"[]"#, nil), (#""""#, nil), ("1", nil), ("{", nil), ("", nil), ("<html>", nil),
        // Text that needs repair does not hide the id.
        (#"{"data":{"id":"8","text":"\ud83d"}}"#, 8),
        (#"{"data":{"id":"8","text":"\u0000"}}"#, 8),
        ("\u{FEFF}" + #"{"data":{"id":"8"}}"#, 8),
        (#"{"data":{"id":"8","n":123456789012345678901234567890}}"#, 8),
    ]

    /// Two tweets in one: as with any parser, the last one counts.
    static let twice: [(line: String, key: Int64?)] = [
        (#"{"data":{"id":"1"},"data":{"id":"2"}}"#, 2), (#"{"data":{"id":"1"},"data":null}"#, nil),
    ]

    @Test("is the first version's id, or none", arguments: cases + twice)
    func key(line: String, key: Int64?) {
        var keys = TweetKey()
        #expect(keys.key(of: line) == key)
    }

    @Test("is the same when no rules are wanted", arguments: cases + twice)
    func withoutRules(line: String, key: Int64?) {
        var keys = TweetKey(findsRules: false)
        #expect(keys.key(of: line) == key && keys.matchingRules.isEmpty)
    }

    /// Lines that begin as a tweet and are no JSON: the loader makes rejects of them.
    static let broken = [
        #"{"data":{"id":"8","n":nan}}"#, #"{"data":{"id":"8"},"x":[1 2}}"#, #"{"data":{"id":"8","text":"\x"}}"#,
        #"{"data":{"id":"8"}"#, #"{"data":{"id":"8"}}}"#, #"{"data":{"id":"8"}} 1"#, #"{"data":{"id":"8"}"x":1}"#,
        #"{"data":{"id":"8",}}"#, #"{"data":{"id":"8" "n":1}}"#, #"{"data":{"id":}}"#, #"{"data":{"id""8"}}"#,
        #"{"data":{"id":"8"},}"#, #"{"data":{"id":"8"x}}"#, #"{"data":"id"}"#, #"{"data":{"id":"8"},"n":]}"#,
        "{\"data\":{\"id\":\"8",
    ]

    @Test("is none of a line that is no JSON, wherever the error is", arguments: broken)
    func noJSON(line: String) {
        var keys = TweetKey()
        #expect(keys.key(of: line) == nil)
    }

    /// Tweets as X does not write them.
    static let odd = [
        #"{"d\u0061ta":{"id":"8"}}"#, #"{"data":{"\u0069d":"8"}}"#, #"{"data":{"id":"\u0038"}}"#,
        #"{"data":{"id":"8"},"matching_rules":[{"id":"x"}]}"#, #"{"data":{"id":"8"},"matching_rules":{}}"#,
        #"{"data":{"id":"8","edit_history_tweet_ids":["x"]}}"#, "{\"data\":{\"id\":\"8\",\"t\":\"\u{1}\"}}",
    ]

    @Test("is found, however the rest is written", arguments: odd)
    func oddTweets(line: String) {
        var keys = TweetKey()
        #expect(keys.key(of: line) == 8 && keys.matchingRules.isEmpty)
    }

    @Test("is found in a line with bytes that are no UTF-8")
    func invalidBytes() {
        var keys = TweetKey()
        let line = Array(#"{"data":{"text":""#.utf8) + [0xFF, 0x00, 0xC3] + Array(#"","id":"8"}}"#.utf8)
        #expect(unsafe line.withUnsafeBytes { unsafe keys.key(of: $0) } == 8)
    }

    @Test("does not depend on the lines before")
    func reuse() {
        var keys = TweetKey()
        for round in 0..<3 {
            for (line, key) in Self.cases {
                #expect(keys.key(of: line) == key, "round \(round): \(line)")
            }
        }
    }
}

extension TweetKey {
    fileprivate mutating func key(of line: String) -> Int64? {
        unsafe Array(line.utf8).withUnsafeBytes { unsafe key(of: $0) }
    }
}
