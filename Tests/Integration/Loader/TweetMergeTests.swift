import TestSupport
import Testing

@testable import TweetLoader

@Suite("Merging staged rows", .ownThreads, .timeLimit(.minutes(5)))
struct TweetMergeTests {
    static func rules(_ rules: String...) -> String {
        #""matching_rules":[\#(rules.joined(separator: ","))]"#
    }

    static let cats = #"{"id":"1","tag":"cats"}"#
    static let dogs = #"{"id":"2","tag":"dogs"}"#
    static let untagged = #"{"id":"3"}"#

    private static let rulesSQL = "SELECT tweet_id, rule_id, tag, stream FROM tweet_rules ORDER BY 1, 2"

    @Test("the first delivery stays, and every rule that matched is kept once")
    func redelivery() throws {
        var database = try TweetsDatabase()
        let first = SampleTweets.line(5, #""lang":"de""#, line: Self.rules(Self.cats))
        let second = SampleTweets.line(5, #""lang":"en""#, line: Self.rules(Self.untagged, Self.cats, Self.cats))
        try database.merge([first, second, first])
        #expect(try database.query("SELECT lang, matched FROM tweets") == [["de", "t"]])
        #expect(try database.query(Self.rulesSQL) == [["5", "1", "cats", "test"], ["5", "3", nil, "test"]])
        let version = try database.value("SELECT xmin FROM tweets")
        try database.merge([second])
        #expect(try database.value("SELECT xmin FROM tweets") == version)
    }

    @Test("tweets of all months are merged at once")
    func months() throws {
        var database = try TweetsDatabase()
        let ids = [20, 29_700_859_247, 29_700_859_248, SampleTweets.id, Int64.max]
        try database.merge(ids.map { SampleTweets.line($0, line: Self.rules(Self.cats)) })
        #expect(
            try database.query("SELECT id, tableoid::regclass FROM tweets ORDER BY id")
                == ids.map { ["\($0)", "public_partitions.\(TweetPartition(containing: $0).name)"] })
        #expect(
            try database.query("SELECT tweet_id, tableoid::regclass FROM tweet_rules ORDER BY 1")
                == ids.map { ["\($0)", "public_partitions.\(TweetPartition(containing: $0).rulesName)"] })
    }

    @Test("an included tweet is marked, replaced by its own line, and never replaces one")
    func included() throws {
        var database = try TweetsDatabase()
        let includes = #""includes":{"tweets":[{"id":"7","text":"cut"},{"id":"5","text":"self"},{"text":"no id"}]}"#
        try database.merge([SampleTweets.line(5, line: includes)])
        let sql = "SELECT id, text, matched, included_by, payload IS NULL FROM tweets ORDER BY id"
        #expect(try database.query(sql) == [["5", "x", "t", nil, "f"], ["7", "cut", "f", "5", "t"]])
        try database.merge([SampleTweets.line(7), SampleTweets.line(6, line: includes)])
        #expect(
            try database.query(sql) == [
                ["5", "x", "t", nil, "f"], ["6", "x", "t", nil, "f"], ["7", "x", "t", nil, "f"],
            ])
    }

    static func user(_ name: String, at line: Int64, more: String = "") -> [UInt8] {
        SampleTweets.line(line, line: #""includes":{"users":[{"id":"9","username":"u","name":"\#(name)"\#(more)}]}"#)
    }

    @Test("users are current, and what another state replaced is history")
    func users() throws {
        var database = try TweetsDatabase()
        let (a, b) = (Self.user("A", at: 1), Self.user("B", at: 2))
        try database.merge([a, a])
        let version = try database.value("SELECT xmin FROM users")
        try database.merge([Self.user("A", at: 3)])
        #expect(try database.value("SELECT xmin FROM users") == version)
        #expect(try database.value("SELECT count(*) FROM user_history") == "0")
        try database.merge([b])
        #expect(try database.query("SELECT name, seen_in FROM users") == [["B", "2"]])
        #expect(try database.query("SELECT name, seen_in FROM user_history") == [["A", "1"]])
        #expect(
            try database.query("SELECT name, is_current FROM user_states ORDER BY is_current")
                == [["A", "f"], ["B", "t"]])
    }

    @Test("an edit is a row of its own, and the newest version is one query away, in whatever order they come")
    func edits() throws {
        var database = try TweetsDatabase()
        let third = SampleTweets.line(13, #""edit_history_tweet_ids":["11","12","13"]"#)
        let second = SampleTweets.line(12, #""edit_history_post_ids":["11","12"]"#)
        let first = SampleTweets.line(11, #""edit_history_tweet_ids":["11"]"#)
        try database.merge([third])
        #expect(try database.value("SELECT current_version(11)") == "13")
        try database.merge([first, second])
        #expect(try database.value("SELECT count(*) FROM tweets") == "3")
        for version in 11...13 { #expect(try database.value("SELECT current_version(\(version))") == "13") }
        #expect(try database.value("SELECT current_version(99)") == "99")
        #expect(try database.query("SELECT id FROM readable_tweets") == [["13"]])
        #expect(
            try database.query("SELECT chain_id, versions, newest_id, newest_stored_id FROM edit_chains")
                == [["11", "{11,12,13}", "13", "13"]])
        #expect(
            try database.query("SELECT * FROM superseded_tweets ORDER BY 1") == [["11", "13"], ["12", "13"]])
    }

    @Test("the staging tables are as their tables are, empty at commit, and are made once")
    func staging() throws {
        var database = try TweetsDatabase()
        try database.merge([Array(SampleTweets.full.utf8), SampleTweets.line(1)])
        for relation in Relation.allCases {
            #expect(try database.value("SELECT count(*) FROM \(relation.staging)") == "0")
            let columns = "SELECT attname, format_type(atttypid, atttypmod), attcompression FROM pg_attribute"
            let condition = "attnum > 0 AND NOT attisdropped ORDER BY attname"
            #expect(
                try database.query("\(columns) WHERE attrelid = '\(relation.staging)'::regclass AND \(condition)")
                    == database.query("\(columns) WHERE attrelid = '\(relation.table)'::regclass AND \(condition)"))
        }
    }
}
