import Core
import Foundation
import KafkaClient
import Postgres
import TestSupport
import Testing

@testable import TweetLoader

@Suite("Loader: relations", .timeLimit(.minutes(3)))
struct RelationsTests {
    private let database: TestDatabase

    init() throws {
        database = try TestDatabase()
    }

    private static let first = TestLines.firstID

    /// A tweet whose line includes things.
    static func line(_ id: Int64, _ includes: String, data: String = "", rules: String = #"{"id":"1"}"#) -> String {
        #"{"data":{"id":"\#(id)","text":"x"\#(data)},"includes":{\#(includes)},"matching_rules":[\#(rules)]}"#
    }

    static func user(_ id: Int64, _ name: String) -> String {
        #""users":[{"id":"\#(id)","username":"u\#(id)","name":"\#(name)"}]"#
    }

    /// A batch whose lines were received one millisecond after the other.
    static func batch(_ lines: [String?], firstOffset: Int64 = 0, partition: Int32 = 0, at start: Int64 = 0) -> Batch {
        var batch = Batch()
        var decoder = TweetDecoder()
        for (index, line) in lines.enumerated() {
            let offset = firstOffset + Int64(index)
            var headers = TestLines.headers(offset + 1, journal: "0000000\(partition)")
            headers.receivedAt = Timestamp(milliseconds: 1_760_000_000_000 + start + Int64(index))
            let record = RecordInfo(
                headers: headers, topicPartition: TopicPartition("tweets", partition), offset: offset)
            batch.add(
                record, key: Array("42".utf8), value: line.map { Array($0.utf8) }, decoder: &decoder, payload: .jsonb)
        }
        return batch
    }

    @Test("every state of a user that came is current or history, whether it came in one batch or in several")
    func userStates() throws {
        let loader = try Loader.claiming(database.url)
        let names = ["A", "A", "B", "C", "C", "A"]
        let lines = names.enumerated().map { Self.line(Self.first + Int64($0), Self.user(9, $1)) }
        try loader.settle(Self.batch(lines))
        let expected = [["A", "f"], ["B", "f"], ["C", "f"], ["A", "t"]]
        let sql = "SELECT name, is_current FROM user_states WHERE id = 9 ORDER BY seen_at"
        #expect(try database.query(sql) == expected)
        // Nothing new, known to the loader or not.
        let again = Self.line(Self.first + 9, Self.user(9, "A"))
        try loader.settle(Self.batch([again], firstOffset: 6, at: 6))
        try Loader.claiming(database.url).settle(Self.batch([again], firstOffset: 7, at: 7))
        #expect(try database.query(sql) == expected)
        for (index, name) in ["B", "C"].enumerated() {
            let offset = 8 + Int64(index)
            let line = Self.line(Self.first + 20 + Int64(index), Self.user(9, name))
            try Loader.claiming(database.url).settle(Self.batch([line], firstOffset: offset, at: offset))
        }
        #expect(try database.query(sql) == expected.dropLast() + [["A", "f"], ["B", "f"], ["C", "t"]])
    }

    @Test("a state that comes late is history and never replaces a newer one", arguments: [true, false])
    func lateState(isKnown: Bool) throws {
        let loader = try Loader.claiming(database.url)
        try loader.settle(Self.batch([Self.line(Self.first, Self.user(9, "new"))], at: 1000))
        let second = isKnown ? loader : try Loader.claiming(database.url)
        try second.settle(Self.batch([Self.line(Self.first + 1, Self.user(9, "old"))], firstOffset: 1))
        #expect(
            try database.query("SELECT name, is_current FROM user_states ORDER BY seen_at")
                == [["old", "f"], ["new", "t"]])
    }

    @Test("loaders that write the same things in opposite orders wait for each other, and never deadlock")
    func noDeadlock() throws {
        let log = LogRecorder()
        let url = database.url
        let rounds = 8
        let loaders = (0..<4).map { number in
            Background {
                let partition = TopicPartition("tweets", Int32(number))
                let loader = try Loader.claiming(url, [partition], owner: "\(number)", log: log)
                for round in 0..<rounds {
                    let things = (0..<300).map { number % 2 == 0 ? $0 : 299 - $0 }
                    let lines = things.map { thing in
                        // Each tweet of one loader is included by a line of every other.
                        Self.line(
                            Self.first + Int64(round * 10_000 + thing * 10 + number),
                            Self.user(Int64(thing), "\(round) \(number)")
                                + #","media":[{"media_key":"3_\#(thing)","alt_text":"\#(round) \#(number)"}],"#
                                + #""places":[{"id":"p\#(thing)","name":"\#(round) \#(number)"}],"tweets":["#
                                + (0..<4).filter { $0 != number }.map {
                                    #"{"id":"\#(Self.first + Int64(round * 10_000 + (299 - thing) * 10 + $0))","text":"i"}"#
                                }.joined(separator: ",") + "]")
                    }
                    try loader.settle(
                        Self.batch(
                            lines, firstOffset: Int64(round * 300), partition: Int32(number), at: Int64(round * 1000)))
                }
            }
        }
        for loader in loaders { try loader.join() }
        #expect(
            try database.query("SELECT count(*), count(*) FILTER (WHERE matched) FROM tweets")
                == [["\(rounds * 1200)", "\(rounds * 1200)"]])
        #expect(
            try database.query(
                "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM media), (SELECT count(*) FROM places)")
                == [["300", "300", "300"]])
        #expect(try database.query("SELECT count(*) FROM users WHERE name !~ '^\(rounds - 1) '") == [["0"]])
        #expect(
            try database.query("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == [["0"]])
    }

    @Test(
        "a row of any table that PostgreSQL refuses makes its line a reject, and only that one",
        arguments: [
            "users", "media", "places", "polls", "tweet_rules", "tweet_errors", "context_entities", "tweet_versions",
        ])
    func relationRefused(table: String) throws {
        let constraints = [
            "users": "name <> 'bad'", "media": "alt_text <> 'bad'", "places": "name <> 'bad'",
            "polls": "voting_status <> 'bad'", "tweet_rules": "tag <> 'bad'", "tweet_errors": "title <> 'bad'",
            "context_entities": "name <> 'bad'", "tweet_versions": "version < 3",
        ]
        try database.query("ALTER TABLE \(table) ADD CONSTRAINT no_bad CHECK (\(constraints[table] ?? ""))")
        let lines = (0..<64).map { number in
            let word = number == 37 ? "bad" : "good"
            let (id, edits) = (Self.first + Int64(number), number == 37 ? #","\#(Self.first + 37)","2""# : "")
            return #"{"data":{"id":"\#(id)","text":"x","edit_history_tweet_ids":["\#(number)"\#(edits)],"#
                + #""context_annotations":[{"domain":{"id":"1","name":"d"},"entity":{"id":"\#(number)","name":"\#(word)"}}]},"#
                + #""includes":{"users":[{"id":"\#(number)","name":"\#(word)"}],"#
                + #""media":[{"media_key":"3_\#(number)","alt_text":"\#(word)"}],"#
                + #""places":[{"id":"\#(number)","name":"\#(word)"}],"#
                + #""polls":[{"id":"\#(number)","voting_status":"\#(word)"}]},"#
                + #""errors":[{"title":"\#(word)"}],"matching_rules":[{"id":"1","tag":"\#(word)"}]}"#
        }
        try Loader.claiming(database.url).settle(Self.batch(lines))
        #expect(try database.query("SELECT reason, sqlstate, seq FROM rejects") == [["database", "23514", "38"]])
        for counted in [
            "tweets", "tweet_rules", "tweet_errors", "users", "media", "places", "polls", "context_entities",
        ] {
            #expect(try database.query("SELECT count(*) FROM \(counted)") == [["63"]], "\(counted)")
        }
        #expect(try database.query("SELECT settled FROM stream_ledger_pending") == [["{[1,65)}"]])
    }

    @Test("a table beside tweets that takes no row at all rejects nothing, and loading goes on when it is mended")
    func everyUserRefused() throws {
        try database.query("ALTER TABLE users ADD CONSTRAINT never CHECK (false) NOT VALID")
        let (url, log) = (database.url, LogRecorder())
        let loading = Background {
            try Loader.claiming(url, log: log).settle(
                Self.batch((0..<20).map { Self.line(Self.first + Int64($0), Self.user(Int64($0), "A")) }))
        }
        #expect(log.wait(for: "rejects every row"))
        #expect(try database.query("SELECT count(*) FROM rejects") == [["0"]])
        try database.query("ALTER TABLE users DROP CONSTRAINT never")
        try loading.join()
        #expect(
            try database.query("SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM tweets)") == [["20", "20"]])
    }

    @Test(
        "a tombstone of any version deletes the whole chain with what hangs on it, and is counted",
        arguments: [0, 1, 2])
    func tombstone(version: Int) throws {
        let loader = try Loader.claiming(database.url)
        let ids = (0..<3).map { Self.first + Int64($0) }
        let chain = (1...3).map { count in
            #","edit_history_tweet_ids":[\#(ids.prefix(count).map { "\"\($0)\"" }.joined(separator: ","))],"#
                + #""attachments":{"media_keys":["3_1","3_2"],"poll_ids":["5"]}"#
        }
        let media = #""media":[{"media_key":"3_1"},{"media_key":"3_2"}],"polls":[{"id":"5"}]"#
        let old = Self.line(
            Self.first - 9, #""media":[{"media_key":"3_2"}]"#, data: #","attachments":{"media_keys":["3_2"]}"#)
        try loader.settle(Self.batch([old] + zip(ids, chain).map { Self.line($0, media, data: $1) }))
        #expect(try database.query("SELECT count(*) FROM media") == [["2"]])
        var batch = Batch()
        var decoder = TweetDecoder()
        for (offset, key) in [(Int64(4), "\(ids[version])"), (5, "1234567")] {
            let record = RecordInfo(headers: nil, topicPartition: TestLines.partition, offset: offset)
            batch.add(record, key: Array(key.utf8), value: nil, decoder: &decoder, payload: .jsonb)
        }
        try loader.settle(batch)
        #expect(try database.query("SELECT id FROM tweets") == [["\(Self.first - 9)"]])
        #expect(try database.query("SELECT tweet_id FROM tweet_rules") == [["\(Self.first - 9)"]])
        #expect(try database.query("SELECT media_key FROM media") == [["3_2"]])
        #expect(
            try database.query("SELECT (SELECT count(*) FROM polls), (SELECT count(*) FROM tweet_versions)")
                == [["0", "0"]])
        #expect(
            try database.query("SELECT tweet_id, tweets, kafka_offset FROM tweet_deletions ORDER BY id")
                == [["\(ids[version])", "3", "4"], ["1234567", "0", "5"]])
        // It may be undeleted.
        try loader.settle(Self.batch([Self.line(ids[0], media, data: chain[0])], firstOffset: 6))
        #expect(try database.query("SELECT count(*) FROM tweets") == [["2"]])
        #expect(try database.query("SELECT count(*) FROM polls") == [["1"]])
    }

    @Test("keys that are not known are counted by path, and stay in the payload")
    func unknownKeys() throws {
        let loader = try Loader.claiming(database.url)
        let data = #","brand_new":{"deep":1},"entities":{"urls":[{"url":"u","shade":1},{"shade":2}]}"#
        let lines = (0..<3).map {
            Self.line(Self.first + Int64($0), #""users":[{"id":"1","halo":true}],"moods":[]"#, data: data)
        }
        try loader.settle(Self.batch(lines))
        try loader.settle(Self.batch([lines[0]], firstOffset: 3))
        #expect(
            try database.query("SELECT path, count FROM unknown_keys ORDER BY path COLLATE \"C\"") == [
                ["data.brand_new", "4"], ["data.entities.urls.shade", "8"], ["includes.moods", "4"],
                ["includes.users.halo", "4"],
            ])
        #expect(
            try database.query("SELECT payload #>> '{data,brand_new,deep}' FROM tweets LIMIT 1") == [["1"]])
    }

    @Test("partial errors, withheld notices and context annotations are rows to look for")
    func notices() throws {
        let line =
            #"{"data":{"id":"\#(Self.first)","text":"x","withheld":{"copyright":true,"country_codes":["XY"]},"#
            + #""context_annotations":[{"domain":{"id":"10","name":"Person"},"entity":{"id":"77","name":"Amy"}},"#
            + #"{"domain":{"id":"10","name":"Person"},"entity":{"id":"78","name":"Bob"}}]},"#
            + #""includes":{"users":[{"id":"5","username":"eve","withheld":{"country_codes":["DE"],"scope":"user"}}]},"#
            + #""errors":[{"title":"Not Found Error","type":"https://api.x.com/2/problems/resource-not-found","#
            + #""resource_id":"9","resource_type":"tweet","parameter":"referenced_tweets.id","section":"includes"}]}"#
        try Loader.claiming(database.url).settle(Self.batch([line]))
        #expect(
            try database.query("SELECT position, title, type, resource_type, resource_id, section FROM tweet_errors")
                == [["1", "Not Found Error", "resource-not-found", "tweet", "9", "includes"]])
        #expect(
            try database.query("SELECT what, id, countries, copyright FROM withheld_notices ORDER BY what")
                == [["tweet", "\(Self.first)", "{XY}", "t"], ["user", "5", "{DE}", nil]])
        #expect(
            try database.query("SELECT domain, entity FROM tweet_context ORDER BY entity")
                == [["Person", "Amy"], ["Person", "Bob"]])
    }

    /// Texts that PostgreSQL or simdjson cannot hold, as bytes between the quotes of a JSON string, and what is stored.
    static let oddTexts: [(bytes: [UInt8], stored: String)] = [
        (Array(#"a\u0000b"#.utf8), "a\u{FFFD}b"), (Array(#"\ud83d"#.utf8), "\u{FFFD}"),
        (Array(#"\udc00\ud800"#.utf8), "\u{FFFD}\u{FFFD}"), ([0x61, 0, 0xFF], "a\u{FFFD}\u{FFFD}"),
        ([0xC0, 0x80], "\u{FFFD}\u{FFFD}"), ([0xED, 0xA0, 0xBD], "\u{FFFD}\u{FFFD}\u{FFFD}"),
        ([0xF5, 0x80, 0x80, 0x80], "\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}"), (Array("a\tb".utf8), "a\tb"),
    ]

    @Test("text that PostgreSQL cannot hold is stored repaired and flagged in every table, and the bytes are kept")
    func anyText() throws {
        let lines = Self.oddTexts.enumerated().map { number, odd in
            let parts = Self.textLine(Self.first + Int64(number)).components(separatedBy: "TEXT")
            return Array(parts.map { Array($0.utf8) }.joined(separator: odd.bytes))
        }
        var batch = Batch()
        var decoder = TweetDecoder()
        for (offset, line) in lines.enumerated() {
            let record = RecordInfo(headers: nil, topicPartition: TestLines.partition, offset: Int64(offset))
            batch.add(record, key: nil, value: line, decoder: &decoder, payload: .jsonb)
        }
        try Loader.claiming(database.url).settle(batch)
        #expect(try database.query("SELECT count(*) FROM rejects") == [["0"]])
        let stored = Self.oddTexts.map { [$0.stored, "t"] }
        for (table, column, key) in [
            ("tweets", "text", "id"), ("users", "name", "id"), ("media", "alt_text", "seen_in"),
            ("places", "full_name", "seen_in"), ("polls", "option_labels[1]", "id"), ("context_entities", "name", "id"),
        ] {
            let condition = table == "tweets" ? "WHERE matched" : ""
            #expect(
                try database.query("SELECT \(column), text_altered FROM \(table) \(condition) ORDER BY \(key)")
                    == stored,
                "\(table)")
        }
        for (table, column) in [("tweet_rules", "tag"), ("tweet_errors", "title")] {
            #expect(
                try database.query("SELECT \(column) FROM \(table) ORDER BY tweet_id") == stored.map { [$0[0]] },
                "\(table)")
        }
        #expect(
            try database.query("SELECT text, text_altered FROM tweets WHERE NOT matched ORDER BY id") == stored)
        #expect(
            try database.query("SELECT payload_raw FROM tweets WHERE matched ORDER BY id")
                == lines.map { [byteaLiteral($0)] })
        #expect(try database.query("SELECT path FROM unknown_keys").count == Set(stored).count)
    }

    /// A line with TEXT wherever a table has text.
    private static func textLine(_ id: Int64) -> String {
        #"{"data":{"id":"\#(id)","text":"TEXT","odd_TEXT":1,"context_annotations":[{"entity":{"id":"\#(id)","name":"TEXT"}}]},"#
            + #""matching_rules":[{"id":"1","tag":"TEXT"}],"errors":[{"title":"TEXT"}],"#
            + #""includes":{"users":[{"id":"\#(id)","name":"TEXT"}],"media":[{"media_key":"k\#(id)","alt_text":"TEXT"}],"#
            + #""places":[{"id":"TEXT\#(id)","full_name":"TEXT"}],"tweets":[{"id":"\#(id - 1_000_000)","text":"TEXT"}],"#
            + #""polls":[{"id":"\#(id)","options":[{"label":"TEXT"}]}]}}"#
    }

    @Test("huge numbers, duplicate keys, deep nesting and long lines in what is included spoil nothing")
    func oddIncludes() throws {
        let deep = String(repeating: "[", count: 900) + String(repeating: "]", count: 900)
        let long = String(repeating: "x", count: 1 << 20)
        let includes = [
            #""users":[{"id":"1","public_metrics":{"followers_count":99999999999999999999}}]"#,
            #""users":[{"id":"2","id":"3","name":"a","name":"b"}]"#, #""users":[{"id":"4","entities":\#(deep)}]"#,
            #""users":[{"id":"5","description":"\#(long)"}]"#, #""users":[1,null,[],{},{"id":"x"},"y"]"#,
            #""users":{"id":"6"}"#, #""media":[{"media_key":7},{"media_key":""}],"places":[{}],"polls":[{"id":null}]"#,
            #""media":[{"media_key":"\#(String(repeating: "k", count: 3000))"}]"#,
            #""media":[{"media_key":"\#(Self.noise)"}]"#,
        ]
        let lines = includes.enumerated().map { Self.line(Self.first + Int64($0), $1) }
        try Loader.claiming(database.url).settle(Self.batch(lines))
        // A key that no index row holds is a matter of its line alone.
        #expect(try database.query("SELECT reason, sqlstate, seq FROM rejects") == [["database", "54000", "9"]])
        #expect(
            try database.query("SELECT id, name, followers_count, length(description) FROM users ORDER BY id") == [
                ["1", nil, nil, nil], ["3", "b", nil, nil], ["4", nil, nil, nil], ["5", nil, nil, "\(1 << 20)"],
            ])
        #expect(try database.query("SELECT count(*) FROM tweets") == [["8"]])
    }

    /// Text that does not compress, longer than a row of an index.
    private static let noise: String = {
        var random = SplitMix64(seed: 5)
        return (0..<600).map { _ in String(random.next(), radix: 36) }.joined()
    }()
}
