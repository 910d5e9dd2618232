import Core
import Foundation
import KafkaClient
import Postgres
import TestSupport
import Testing
import TweetFormat

@testable import TweetLoader

/// Posts by hour: what a GROUP BY over the rows counts, whatever happened to the rows.
@Suite("Posts by hour", .ownThreads, .timeLimit(.minutes(4)))
struct HourCountsTests {
    private let database: TestDatabase

    init() throws {
        database = try TestDatabase()
    }

    /// The first id at a time.
    private static func id(_ moment: String) throws -> Int64 {
        let moment = try #require(Timestamp(moment))
        return try #require(Snowflake.firstID(at: moment))
    }

    private static func line(_ id: Int64, _ rules: [Int], more: String = "") -> String {
        let rules = rules.map { #"{"id":"\#($0)","tag":"t\#($0)"}"# }.joined(separator: ",")
        return #"{"data":{"id":"\#(id)","text":"x"\#(more)},"matching_rules":[\#(rules)]}"#
    }

    /// A batch of lines of one stream; a nil line is the tombstone of `key`.
    private static func batch(
        _ lines: [String?], stream: String = "s", key: Int64 = 42, partition: Int32 = 0, from offset: Int64 = 0
    ) -> Batch {
        var batch = Batch()
        var decoder = TweetDecoder()
        for (index, line) in lines.enumerated() {
            let place = offset + Int64(index)
            let headers = RecordHeaders(
                stream: stream, journal: "\(stream)\(partition)", seq: place + 1,
                receivedAt: Timestamp(milliseconds: 1_760_000_000_000), connection: 1)
            let record = RecordInfo(
                headers: headers, topicPartition: TopicPartition("tweets", partition), offset: place)
            batch.add(
                record, key: Array("\(key)".utf8), value: line.map { Array($0.utf8) }, decoder: &decoder,
                payload: .jsonb)
        }
        return batch
    }

    private func loader(_ partition: Int32 = 0, owner: String = "test") throws -> Loader {
        try .claiming(database.url, [TopicPartition("tweets", partition)], owner: owner)
    }

    private var ruleHours: [[String?]] {
        get throws {
            try database.query(
                "SELECT rule_id, tag, stream, hour AT TIME ZONE 'UTC', posts FROM rule_hours ORDER BY hour, stream, 1")
        }
    }

    private var streamHours: [[String?]] {
        get throws {
            try database.query(
                "SELECT stream, hour AT TIME ZONE 'UTC', posts FROM stream_hours ORDER BY hour, stream COLLATE \"C\"")
        }
    }

    private func expectRight(_ location: SourceLocation = #_sourceLocation) throws {
        #expect(try database.query(wrongHoursSQL) == [], sourceLocation: location)
    }

    @Test("a post counts once for each rule and once for its stream, in the hour of its posting, also when it repeats")
    func redelivery() throws {
        let (a, b) = (try Self.id("2025-03-01T10:59:59Z"), try Self.id("2025-03-01T11:00:00Z"))
        let lines = [
            Self.line(a, [1, 2]), Self.line(b, [1]), Self.line(b + 1, [2]), Self.line(b + 1, [1, 2]),
            #"{"data":{"id":"\#(b + 2)","text":"of a sample"}}"#,
        ]
        try loader().settle(Self.batch(lines))
        let rules = [
            ["1", "t1", "s", "2025-03-01 10:00:00", "1"], ["2", "t2", "s", "2025-03-01 10:00:00", "1"],
            ["1", "t1", "s", "2025-03-01 11:00:00", "2"], ["2", "t2", "s", "2025-03-01 11:00:00", "1"],
        ]
        let streams = [["s", "2025-03-01 10:00:00", "1"], ["s", "2025-03-01 11:00:00", "3"]]
        #expect(try ruleHours == rules)
        #expect(try streamHours == streams)
        // Again at other places, as a replay brings them; by a loader that knows nothing, and by one that does.
        let second = try loader()
        try second.settle(Self.batch(lines, from: 10))
        try second.settle(Self.batch(lines, from: 20))
        #expect(try ruleHours == rules)
        #expect(try streamHours == streams)
        // One more rule for a post that is there, and an old post.
        try second.settle(Self.batch([Self.line(b, [1, 3]), Self.line(20, [1])], from: 30))
        #expect(
            try ruleHours == [["1", "t1", "s", "2010-11-04 00:00:00", "1"]] + rules
                + [["3", "t3", "s", "2025-03-01 11:00:00", "1"]])
        #expect(try streamHours == [["s", "2010-11-04 00:00:00", "1"]] + streams)
        try expectRight()
    }

    @Test("a post counts for each stream that delivers it, whatever their names; a timeline is none")
    func streams() throws {
        let id = try Self.id("2025-03-01T10:00:00Z")
        let names = ["cafe\u{301}", "café", "it's \"quoted\"\\"]
        for (place, name) in names.enumerated() {
            try loader().settle(
                Self.batch(
                    [Self.line(id, [1, place + 1]), Self.line(id + 1, [])], stream: name, from: Int64(place * 5)))
        }
        let timeline =
            #"{"data":{"id":"\#(id + 2)","text":"x"},"timeline":{"user_id":"7","kind":"home"}}"#
        try loader().settle(Self.batch([timeline], from: 50))
        #expect(try streamHours.map { [$0[0], $0[2]] } == names.map { [$0, "1"] })
        try expectRight()
    }

    @Test("tombstones take away what was counted, in their batch and later, for all versions of a tweet")
    func deletions() throws {
        let id = try Self.id("2025-03-01T10:59:59Z")
        let edit = #","edit_history_tweet_ids":["\#(id)","\#(id + 1)"]"#
        let lines = [Self.line(id, [1, 2]), Self.line(id + 1, [1], more: edit), Self.line(id + 2, [1])]
        try loader().settle(Self.batch(lines))
        try loader(1).settle(Self.batch([Self.line(id + 2, [1])], stream: "other", partition: 1))
        try loader().settle(Self.batch([nil], key: id, from: 10))
        #expect(try streamHours.map { [$0[0], $0[2]] } == [["other", "1"], ["s", "1"]])
        try expectRight()
        // A row that is new, one that is new for its stream, and all of them deleted at once.
        try loader(1).settle(
            Self.batch(
                [Self.line(id, [5]), Self.line(id + 2, [1, 6]), nil], stream: "third", key: id + 2, partition: 1,
                from: 10))
        #expect(try streamHours.map { [$0[0], $0[2]] } == [["third", "1"]])
        try expectRight()
        try loader().settle(Self.batch([nil, nil], key: id, from: 20))
        #expect(try streamHours == [] && ruleHours == [])
        try expectRight()
        // What was deleted may come again.
        try loader().settle(Self.batch(lines, from: 30))
        #expect(try streamHours.map { $0[2] } == ["3"])
        try expectRight()
    }

    @Test("lines that PostgreSQL rejects do not count, and count once when they are replayed")
    func rejects() throws {
        let id = try Self.id("2025-03-01T10:00:00Z")
        try database.query("ALTER TABLE tweets ADD CONSTRAINT odd CHECK (id % 2 = 0) NOT VALID")
        try loader().settle(Self.batch((0..<6 as Range<Int64>).map { Self.line(id + $0, [1, 2]) }))
        #expect(try streamHours.map { $0[2] } == ["3"])
        try expectRight()
        try database.query("ALTER TABLE tweets DROP CONSTRAINT odd")
        for isDryRun in [true, false, false] {
            var replay = RejectReplay(payload: .jsonb, isDryRun: isDryRun)
            _ = try replay.run(RejectSelection.parse([]), database.connect())
            #expect(try streamHours.map { $0[2] } == [isDryRun ? "3" : "6"])
            try expectRight()
        }
    }

    @Test("two writers that deliver, repeat and delete the same posts at once count each of them once")
    func twoWriters() throws {
        let id = try Self.id("2025-03-01T10:59:59Z")
        for round in 0..<6 as Range<Int64> {
            let url = database.url
            let writers = (0..<4 as Range<Int32>).map { partition in
                Background {
                    let place = TopicPartition("tweets", partition)
                    let loader = try Loader.claiming(url, [place], owner: "w\(partition)")
                    // Each begins elsewhere, and each brings rules that the others do not; two of them share a stream.
                    for turn in 0..<8 as Range<Int64> {
                        let part = (turn + Int64(partition) * 3) % 8
                        let posts = (0..<25 as Range<Int64>).map { id + round * 1000 + part * 25 + $0 }
                        let lines = posts.map { Self.line($0, [1, 10 + Int(partition)]) }
                        let stones: [String?] = turn % 3 == 2 ? [nil] : []
                        try loader.settle(
                            Self.batch(
                                lines + stones, stream: partition < 2 ? "s" : "o", key: id + round * 1000 + part,
                                partition: partition, from: round * 1000 + turn * 30))
                    }
                }
            }
            for writer in writers { try writer.join() }
            try expectRight()
        }
        #expect(try streamHours.count >= 2)
    }

    @Test("a recount mends the hours of its period, whichever time zone the session has, and no others")
    func recount() throws {
        let ids = try ["2025-03-01T09:59:59Z", "2025-03-01T10:00:00Z", "2025-03-01T11:00:00Z"].map(Self.id)
        try loader().settle(Self.batch(([20] + ids + [Int64.max]).map { Self.line($0, [1, 2]) }))
        try expectRight()
        let right = try database.query("TABLE hour_counts ORDER BY hour, rule_id")
        try database.query("UPDATE hour_counts SET posts = 77, tag = 'wrong'")
        let wrong = "SELECT hour AT TIME ZONE 'UTC' FROM hour_counts WHERE posts = 77 AND rule_id = 0 ORDER BY 1"
        for (number, zone) in ["UTC", "Asia/Kolkata"].enumerated() {
            let connection = try database.connect()
            try connection.execute("SET TimeZone = '\(zone)'")
            let from = "2025-03-01 1\(number):20Z"
            let counted = try connection.query(
                "SELECT recount_hours('\(from)', timestamptz '\(from)' + interval '2 min')", doing: "recount")
            #expect(counted.text(0, 0) == "3")
            #expect(
                try database.query(wrong).map { $0[0]?.suffix(8) }
                    == ["00:00:00", "09:00:00", "11:00:00", "17:00:00"].filter { number == 0 || $0 != "11:00:00" })
        }
        #expect(try database.query("SELECT recount_hours('2025-03-02Z', '2025-03-01Z')") == [["0"]])
        #expect(try database.query("SELECT recount_hours('-infinity', '2010-11-04Z')") == [["0"]])
        #expect(try database.query("SELECT recount_hours('-infinity', '2010-11-04 00:01Z')") == [["3"]])
        #expect(try database.query("SELECT recount_hours('-infinity', 'infinity')") == [["15"]])
        #expect(try database.query("TABLE hour_counts ORDER BY hour, rule_id") == right)
    }

    @Test("a recount beside a loader counts the loader's rows once, whichever commits first")
    func recountBesideLoader() throws {
        let id = try Self.id("2025-03-01T10:00:00Z")
        let url = database.url
        let loading = Background {
            let loader = try Loader.claiming(url, [TopicPartition("tweets", 0)])
            for turn in 0..<60 as Range<Int64> {
                let lines = (0..<20 as Range<Int64>).map { Self.line(id + turn * 20 + $0, [1]) }
                try loader.settle(Self.batch(lines, from: turn * 20))
            }
        }
        let connection = try database.connect()
        var recounts = 0
        while try database.query("SELECT count(*) FROM tweets") != [["1200"]] {
            _ = try connection.query("SELECT recount_hours('2025-03-01Z', '2025-03-02Z')", doing: "recount")
            recounts += 1
        }
        try loading.join()
        #expect(recounts > 0)
        #expect(try streamHours.map { $0[2] } == ["1200"])
        try expectRight()
    }

    @Test("a month that retention drops has no counts any more")
    func retention() throws {
        let ids = try ["2024-05-05T01:00:00Z", "2025-10-31T23:00:00Z", "2025-11-01T00:00:00Z"].map(Self.id)
        try loader().settle(Self.batch(([20] + ids).map { Self.line($0, [1]) }))
        let now = try #require(Timestamp("2026-11-21T04:00:00Z"))
        for isDryRun in [true, false] {
            _ = try Retention(KeptTime(argument: "12months"), at: now, isDryRun: isDryRun).run(database.connect())
            #expect(try streamHours.count == (isDryRun ? 4 : 1))
            try expectRight()
        }
    }

    @Test("a database of version 2 with rows gets the counts of all its months")
    func migration() throws {
        let old = try TestDatabase(migrated: false)
        let fixture = repository.appending(path: "Tests/Integration/Loader/Fixtures/schema-1.sql")
        let connection = try old.connect()
        try connection.execute(String(contentsOf: fixture, encoding: .utf8))
        let migration = repository.appending(path: "sql/migrations/0002.sql")
        try connection.execute(String(contentsOf: migration, encoding: .utf8))
        let ids = try ["2024-12-31T23:59:59Z", "2025-01-01T00:00:00Z", "2025-03-01T10:00:00Z"].map(Self.id)
        for id in [20] + ids {
            let partition = TweetPartition(containing: id)
            let (low, high) = (partition.lowerID.map(String.init) ?? "MINVALUE", partition.upperID.map(String.init))
            try old.query(
                """
                CREATE TABLE IF NOT EXISTS \(partition.rulesName) PARTITION OF tweet_rules
                FOR VALUES FROM (\(low)) TO (\(high ?? "MAXVALUE"))
                """)
            try old.query(
                "INSERT INTO tweet_rules VALUES (\(id), 1, 's', 'a'), (\(id), 2, 's', NULL), (\(id), 0, 'o', NULL)")
        }
        _ = try migrate(PostgresConninfo(old.url))
        #expect(try old.query(wrongHoursSQL) == [])
        #expect(try old.query("SELECT count(*), sum(posts) FROM hour_counts") == [["16", "16"]])
    }
}
