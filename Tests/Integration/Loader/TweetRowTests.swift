import Core
import TestSupport
import Testing
import TweetFormat

@testable import TweetLoader

@Suite("Tweet row in PostgreSQL", .ownThreads, .timeLimit(.minutes(5)))
struct TweetRowTests {
    @Test("every member of a tweet becomes its column")
    func full() throws {
        var database = try TweetsDatabase()
        try database.copy([Array(SampleTweets.full.utf8)])
        try Self.expect(SampleTweets.fullColumns, in: database)
        try Self.expect(
            [
                ("stream", "test"), ("journal", "0a1b2c3d"), ("seq", "1"),
                ("received_at", "2025-11-01 12:26:40.123+00"),
                ("connection", "1761999999000"), ("kafka_topic", "tweets"), ("kafka_partition", "3"),
                ("kafka_offset", "0"), ("text_altered", "f"), ("payload_raw", nil),
                ("inserted_at <= now()", "t"), ("full_text(tweets)", "The whole of it"),
                ("tweet_time(id)", "2026-11-02 16:57:12.188+00"),
                ("payload = '\(SampleTweets.full.replacing("'", with: "''"))'", "t"),
            ], in: database)
        #expect(try database.value("SELECT tableoid::regclass FROM tweets") == "tweets_y2026m11")
    }

    @Test("the newer vocabulary gives the same columns")
    func newVocabulary() throws {
        let line = SampleTweets.full.replacing("edit_history_tweet_ids", with: "edit_history_post_ids")
            .replacing("referenced_tweets", with: "referenced_posts").replacing("note_tweet", with: "note_post")
            .replacing("retweet_count", with: "repost_count").replacing(#""scope":"tweet""#, with: #""scope":"post""#)
            .replacing(#""title":"A title""#, with: #""article_title":"A title""#)
        var database = try TweetsDatabase()
        try database.copy([Array(line.utf8)])
        try Self.expect(SampleTweets.fullColumns, in: database)
    }

    @Test("what X did not send is null, whichever way it did not send it")
    func absent() throws {
        let members = [
            "", #""entities":{},"geo":{},"attachments":{},"withheld":{},"public_metrics":{},"edit_controls":{}"#,
            TweetMember.allCases.filter { ![.id, .text].contains($0) }.map { #""\#($0.rawValue)":null"# }
                .joined(separator: ","),
        ]
        var database = try TweetsDatabase()
        try database.copy(
            members.enumerated().map {
                SampleTweets.line(Int64($0), $1, line: #""includes":null,"matching_rules":null,"errors":null"#)
            })
        let optional = SampleTweets.fullColumns.map(\.column).filter { !["id", "text", "matched"].contains($0) }
        #expect(
            try database.value(
                "SELECT count(*) FROM tweets WHERE num_nonnulls(\(optional.joined(separator: ", "))) = 0") == "3")
    }

    @Test("a member of another type is null and spoils nothing else")
    func wrongTypes() throws {
        let values = [
            "1", "-1", "1.5", "true", #""""#, #""x""#, "[]", "[[1]]", "{}", #"{"a":1}"#, "18446744073709551615",
            "[null]", "1e5",
        ]
        let names = TweetMember.allCases.filter { ![.id, .text].contains($0) }
        var lines: [[UInt8]] = []
        for name in names {
            for value in values {
                lines.append(SampleTweets.line(Int64(lines.count), #""\#(name.rawValue)":\#(value)"#))
                let nested = [
                    "public_metrics", "entities", "geo", "note_tweet", "edit_controls", "article", "withheld",
                ]
                .map {
                    #""\#($0)":{"text":\#(value),"coordinates":\#(value),"hashtags":\#(value),"title":\#(value),"like_count":\#(value)}"#
                }
                lines.append(SampleTweets.line(Int64(lines.count), nested.joined(separator: ",")))
            }
        }
        var database = try TweetsDatabase()
        #expect(try database.copy(lines) == lines.count)
        #expect(try database.value("SELECT count(*) FROM tweets WHERE text = 'x'") == "\(lines.count)")
    }

    static let odd: [(data: String, column: String, value: String?)] = [
        (#""lang":"de","lang":"en""#, "lang", "en"), (#""lang":"de","lang":null"#, "lang", nil),
        (#""public_metrics":{"like_count":9223372036854775808}"#, "like_count", nil),
        (#""public_metrics":{"like_count":99999999999999999999999,"reply_count":7}"#, "reply_count", "7"),
        (#""public_metrics":{"like_count":99999999999999999999999}"#, "like_count", nil),
        (#""public_metrics":{"like_count":"5"}"#, "like_count", nil),
        (#""edit_controls":{"edits_remaining":5}"#, "edits_remaining", "5"),
        (#""edit_controls":{"edits_remaining":"99999999999"}"#, "edits_remaining", nil),
        (#""edit_history_tweet_ids":[""]"#, "edit_ids", "{NULL}"), (#""edit_history_tweet_ids":[]"#, "edit_ids", "{}"),
        (#""entities":{"hashtags":[]}"#, "hashtags", "{}"),
        (#""entities":{"hashtags":[{},7]}"#, "hashtags", "{NULL,NULL}"),
        (#""entities":{"hashtags":{}}"#, "hashtags", nil),
        (#""note_tweet":{"text":"n","entities":{"hashtags":[{"tag":"a"},{"tag":"b"}]}}"#, "hashtags", "{a,b}"),
        (#""geo":{"coordinates":{"coordinates":[1]}}"#, "longitude", nil),
        (#""geo":{"coordinates":{"coordinates":[1,"2"]}}"#, "longitude", nil),
        (#""geo":{"coordinates":{"coordinates":[179,-90]}}"#, "longitude || ' ' || latitude", "179 -90"),
        (#""display_text_range":[0,99999999999]"#, "display_text_end", nil),
        (#""display_text_range":[7]"#, "display_text_start", nil),
        (#""created_at":"2026-02-03T04:05:06Z""#, "created_at", "2026-02-03 04:05:06+00"),
        (#""created_at":"2026-02-03T04:05:06.7891Z""#, "created_at", "2026-02-03 04:05:06.789+00"),
        (#""created_at":"2026-02-03T04:05:06+05:30""#, "created_at", "2026-02-02 22:35:06+00"),
        (#""created_at":"2026-02-03t04:05:06z""#, "text_altered", "f"),
        (#""created_at":"2024-02-30T00:00:00.000Z""#, "created_at", nil),
        (#""created_at":"2024-02-30T00:00:00.000Z""#, "text_altered", "t"),
        (#""created_at":"2024-02-30T00:00:00.000Z""#, "payload_raw IS NOT NULL", "t"),
        (#""created_at":"2024-02-03T25:00:00.000Z""#, "text_altered", "t"),
        (#""created_at":null"#, "text_altered", "f"),
        (#""created_at":"2026-02-03 04:05:06""#, "created_at", nil), (#""created_at":7"#, "created_at", nil),
        (#""created_at":"0001-01-01T00:00:00.000Z""#, "created_at", "0001-01-01 00:00:00+00"),
        (#""author_id":"007""#, "author_id", "7"), (#""author_id":"x""#, "author_id", nil),
        (#""referenced_tweets":[{"type":"reposted","id":"9"},{"type":"unheard_of","id":"8"},7]"#, "retweeted_id", "9"),
        (#""source":"\"\\\/\b\f\n\r\t\u00e4\ud83d\ude00""#, "source", "\"\\/\u{8}\u{c}\n\r\tä😀"),
        (#""withheld":{"scope":"user"}"#, "withheld_scope", "user"),
    ]

    @Test("odd members")
    func oddMembers() throws {
        var database = try TweetsDatabase()
        for (data, column, value) in Self.odd {
            try database.connection.execute("WITH rules AS (DELETE FROM tweet_rules) DELETE FROM tweets")
            try database.copy([SampleTweets.line(5, data)])
            #expect(try database.value("SELECT \(column) FROM tweets") == value, "\(data)")
            #expect(try database.value("SELECT payload -> 'data' ->> 'id' FROM tweets") == "5", "\(data)")
        }
    }

    static let altered: [(text: [UInt8], value: String)] = [
        (Array(#"a\u0000b"#.utf8), "a\u{FFFD}b"), (Array(#"\ud83d"#.utf8), "\u{FFFD}"),
        ([0x61, 0, 0xFF], "a\u{FFFD}\u{FFFD}"),
        (Array("a\tb".utf8), "a\tb"), ([0xED, 0xA0, 0xBD], "\u{FFFD}\u{FFFD}\u{FFFD}"),
    ]

    @Test(
        "text that PostgreSQL cannot hold is stored repaired, flagged, and with its bytes",
        arguments: PayloadMode.allCases)
    func alteredText(mode: PayloadMode) throws {
        var database = try TweetsDatabase()
        if let sql = mode.alterSQL { try database.connection.execute(sql) }
        for (text, value) in Self.altered {
            try database.connection.execute("WITH rules AS (DELETE FROM tweet_rules) DELETE FROM tweets")
            let line = Array(#"{"data":{"id":"5","text":""#.utf8) + text + Array(#""}}"#.utf8)
            try database.copy([line], payload: mode)
            let hex = line.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
            let sql = "SELECT text, text_altered, payload_raw, payload::json -> 'data' ->> 'text' FROM tweets"
            #expect(try database.query(sql) == [[value, "t", "\\x" + hex, mode == .drop ? nil : value]])
        }
    }

    @Test("the payload is the line in the mode's form", arguments: PayloadMode.allCases)
    func payload(mode: PayloadMode) throws {
        var database = try TweetsDatabase()
        if let sql = mode.alterSQL { try database.connection.execute(sql) }
        if let type = mode.columnType { #expect(try database.value(PayloadMode.columnTypeSQL) == type) }
        let line = #"{ "data": {"id":"5", "text":"x", "n": 123456789012345678901234567890, "n": 1} }"#
        try database.copy([Array(line.utf8)], payload: mode)
        let stored = [
            PayloadMode.jsonb: #"{"data": {"n": 1, "id": "5", "text": "x"}}"#, .json: line,
        ]
        #expect(try database.value("SELECT payload FROM tweets") == stored[mode])
        #expect(try database.value("SELECT text_altered FROM tweets") == "f")
    }

    @Test("nesting as deep as the parser goes is stored")
    func depth() throws {
        var database = try TweetsDatabase()
        let deep = String(repeating: "[", count: 1022) + String(repeating: "]", count: 1022)
        try database.copy([SampleTweets.line(5, #""deep":\#(deep)"#)])
        #expect(try database.value("SELECT count(*) FROM tweets") == "1")
    }

    @Test("columns, comments and compression are as the schema says")
    func schema() throws {
        let database = try TweetsDatabase()
        let columns = try database.query(
            """
            SELECT attname, col_description(attrelid, attnum) FROM pg_attribute
            WHERE attrelid = 'tweets'::regclass AND attnum > 0 AND NOT attisdropped
            """)
        #expect(Set(columns.map { $0[0] }) == Set(Relation.tweets.columns + ["inserted_at"]))
        #expect(columns.allSatisfy { $0[1]?.isEmpty == false })
        let id = try database.value("SELECT tweet_id_at('2026-11-01T00:00:00Z')")
        #expect(id == "\(Snowflake.firstID(at: try #require(Timestamp("2026-11-01T00:00:00Z"))) ?? 0)")
    }

    static func expect(_ columns: [(column: String, value: String?)], in database: borrowing TweetsDatabase) throws {
        let row = try database.query("SELECT \(columns.map(\.column).joined(separator: ", ")) FROM tweets")
        #expect(row.count == 1)
        for (column, value) in zip(columns, row.first ?? []) {
            #expect(value == column.value, "\(column.column)")
        }
    }
}
