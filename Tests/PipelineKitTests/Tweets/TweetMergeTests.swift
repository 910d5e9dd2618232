import PipelineKit
import Testing

@Suite("Merging staged tweets", .timeLimit(.minutes(5)))
struct TweetMergeTests {
    static func rules(_ rules: String...) -> String {
        #""matching_rules":[\#(rules.joined(separator: ","))]"#
    }

    static let cats = #"{"id":"1","tag":"cats"}"#
    static let dogs = #"{"id":"2","tag":"dogs"}"#
    static let untagged = #"{"id":"3"}"#

    /// Stages lines in one transaction and merges them; answers how many tweets were new and how many got more rules.
    static func merge(_ lines: [[UInt8]], into database: inout TweetsDatabase) throws -> (new: Int, united: Int) {
        try database.connection.execute(TweetRow.createStagingSQL)
        try database.connection.execute("BEGIN")
        try database.copy(lines, into: TweetRow.staging)
        let new = try database.connection.query(TweetRow.insertSQL, doing: "insert").affectedRows
        let united = try database.connection.query(TweetRow.uniteRulesSQL, doing: "unite").affectedRows
        try database.connection.execute("COMMIT")
        return (new, united)
    }

    @Test("new tweets are inserted, once each, and the first of several stays")
    func duplicatesWithinBatch() throws {
        var database = try TweetsDatabase()
        let counts = try Self.merge(
            [
                SampleTweets.line(5, #""lang":"de""#, line: Self.rules(Self.cats)),
                SampleTweets.line(6, line: Self.rules(Self.cats)),
                SampleTweets.line(5, #""lang":"en""#, line: Self.rules(Self.dogs, Self.cats)),
                SampleTweets.line(5, #""lang":"fr""#, line: Self.rules(Self.untagged, Self.dogs)),
            ], into: &database)
        #expect(counts == (2, 1))
        #expect(
            try database.query("SELECT id, lang, rule_ids, rule_tags, kafka_offset FROM tweets ORDER BY id") == [
                ["5", "de", "{1,2,3}", "{cats,dogs,NULL}", "0"], ["6", nil, "{1}", "{cats}", "1"],
            ])
    }

    @Test("a redelivery overwrites nothing, adds the rules that are missing, and touches no row without need")
    func redelivery() throws {
        var database = try TweetsDatabase()
        let first = SampleTweets.line(SampleTweets.id, #""lang":"de""#, line: Self.rules(Self.cats))
        let second = SampleTweets.line(SampleTweets.id, #""lang":"en""#, line: Self.rules(Self.untagged))
        let third = SampleTweets.line(SampleTweets.id + 1)
        #expect(try Self.merge([first], into: &database) == (1, 0))
        let version = try database.value("SELECT xmin FROM tweets")
        #expect(try Self.merge([first], into: &database) == (0, 0))
        #expect(try database.value("SELECT xmin FROM tweets") == version)
        #expect(try Self.merge([third, second], into: &database) == (1, 1))
        #expect(try Self.merge([second, first, third], into: &database) == (0, 0))
        #expect(
            try database.query("SELECT lang, rule_ids, rule_tags FROM tweets ORDER BY id") == [
                ["de", "{1,3}", "{cats,NULL}"], [nil, nil, nil],
            ])
    }

    @Test("rules come to a tweet that had none")
    func rulesLater() throws {
        var database = try TweetsDatabase()
        #expect(try Self.merge([SampleTweets.line()], into: &database) == (1, 0))
        #expect(try Self.merge([SampleTweets.line(line: Self.rules(Self.dogs))], into: &database) == (0, 1))
        #expect(try database.query("SELECT rule_ids, rule_tags FROM tweets") == [["{2}", "{dogs}"]])
    }

    @Test("tweets of all months are merged at once")
    func months() throws {
        var database = try TweetsDatabase()
        let ids = [20, 29_700_859_247, 29_700_859_248, SampleTweets.id, Int64.max]
        let lines = ids.map { SampleTweets.line($0, line: Self.rules(Self.cats)) }
        #expect(try Self.merge(lines, into: &database) == (5, 0))
        let more = ids.map { SampleTweets.line($0, line: Self.rules(Self.dogs)) }
        #expect(try Self.merge(more, into: &database) == (0, 5))
        #expect(
            try database.query("SELECT id, tableoid::regclass, rule_tags FROM tweets ORDER BY id")
                == ids.map { ["\($0)", TweetPartition(containing: $0).name, "{cats,dogs}"] })
    }

    @Test("the staging table is as tweets is, empties at commit, and is made once")
    func staging() throws {
        var database = try TweetsDatabase()
        _ = try Self.merge([SampleTweets.line()], into: &database)
        #expect(try database.value("SELECT count(*) FROM tweets_staging") == "0")
        try database.connection.execute(TweetRow.createStagingSQL)
        let columns = "SELECT attname, format_type(atttypid, atttypmod), attcompression FROM pg_attribute"
        let condition = "attnum > 0 AND NOT attisdropped AND attname <> 'inserted_at' ORDER BY attname"
        #expect(
            try database.query("\(columns) WHERE attrelid = 'tweets_staging'::regclass AND \(condition)")
                == database.query("\(columns) WHERE attrelid = 'tweets'::regclass AND \(condition)"))
    }
}
