import Core
import Foundation
import KafkaClient
import Postgres
import TestSupport
import Testing

@testable import TweetLoader

@Suite("Loader: relations", .ownThreads, .timeLimit(.minutes(5)))
struct RelationsTests {
    let database: TestDatabase

    init() throws {
        database = try TestDatabase()
    }

    static let first = TestLines.firstID

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

    /// A tweet of one of four loaders that each line of every other includes, with things that all of them write.
    private static func crossing(_ thing: Int, loader number: Int, round: Int) -> String {
        let state = "\(round) \(number)"
        let others = (0..<4).filter { $0 != number }.map {
            #"{"id":"\#(first + Int64(round * 10_000 + (299 - thing) * 10 + $0))","text":"i"}"#
        }
        return line(
            first + Int64(round * 10_000 + thing * 10 + number),
            user(Int64(thing), state) + #","media":[{"media_key":"3_\#(thing)","alt_text":"\#(state)"}],"#
                + #""places":[{"id":"p\#(thing)","name":"\#(state)"}],"tweets":[\#(others.joined(separator: ","))]"#)
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
                    let lines = things.map { Self.crossing($0, loader: number, round: round) }
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
        // What lines share is stored ahead of them, and stays when a line has a bad row of its own.
        let shared = ["users", "media", "places", "polls", "context_entities"]
        let isShared = shared.contains(table) || table == "tweet_versions"
        for counted in ["tweets", "tweet_rules", "tweet_errors"] + shared {
            let count = !isShared && shared.contains(counted) ? "64" : "63"
            #expect(try database.query("SELECT count(*) FROM \(counted)") == [[count]], "\(counted)")
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

    /// A batch of tombstones with these keys.
    private static func tombstones(_ keys: [String], firstOffset: Int64) -> Batch {
        var batch = Batch()
        var decoder = TweetDecoder()
        for (index, key) in keys.enumerated() {
            let record = RecordInfo(
                headers: nil, topicPartition: TestLines.partition, offset: firstOffset + Int64(index))
            batch.add(record, key: Array(key.utf8), value: nil, decoder: &decoder, payload: .jsonb)
        }
        return batch
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
        try loader.settle(Self.tombstones(["\(ids[version])", "1234567"], firstOffset: 4))
        #expect(try database.query("SELECT id FROM tweets") == [["\(Self.first - 9)"]])
        #expect(try database.query("SELECT tweet_id FROM tweet_rules") == [["\(Self.first - 9)"]])
        #expect(try database.query("SELECT media_key FROM media") == [["3_2"]])
        #expect(
            try database.query("SELECT (SELECT count(*) FROM polls), (SELECT count(*) FROM tweet_versions)")
                == [["0", "0"]])
        #expect(
            try database.query("SELECT tweet_id, tweets, kafka_offset FROM tweet_deletions ORDER BY id")
                == [["\(ids[version])", "3", "4"], ["1234567", "0", "5"]])
        #expect(loader.metrics.writing.deleted[.tombstone].value == 3)
        // It may be undeleted.
        try loader.settle(Self.batch([Self.line(ids[0], media, data: chain[0])], firstOffset: 6))
        #expect(
            try database.query("SELECT (SELECT count(*) FROM tweets), (SELECT count(*) FROM polls)") == [["2", "1"]])
        // Two tombstones of one tweet, and one of a tweet without rules.
        try database.query("DELETE FROM tweet_rules WHERE tweet_id = \(Self.first - 9)")
        try loader.settle(Self.tombstones([ids[0], ids[0], Self.first - 9].map { "\($0)" }, firstOffset: 7))
        #expect(try database.query("TABLE tweets").isEmpty && loader.metrics.writing.deleted[.tombstone].value == 5)
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
}
