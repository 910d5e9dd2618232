import KafkaClient
import TestSupport
import Testing

@testable import TweetLoader

@Suite("Loader: rows", .ownThreads, .timeLimit(.minutes(5)))
struct LoaderTests {
    private let database: TestDatabase

    init() throws {
        database = try TestDatabase()
    }

    private var ids: [Int64] {
        get throws { try database.query("SELECT id FROM tweets ORDER BY id").compactMap { Int64($0[0] ?? "") } }
    }

    @Test("rows, ledger and offset are committed together")
    func together() throws {
        let loader = try Loader.claiming(database.url)
        try loader.settle(TestLines.batch(TestLines.tweets(100)))
        #expect(try ids == (0..<100).map { TestLines.firstID + $0 })
        #expect(
            try database.query("SELECT next_offset, fence, owner, committed_at IS NOT NULL FROM loader_offsets")
                == [["100", "1", "test", "t"]])
        #expect(try database.query("SELECT settled FROM stream_ledger_pending") == [["{[1,101)}"]])
        #expect(loader.batch.isEmpty)
    }

    @Test("tweets that come again, in a batch or later, are one row with the rules of both")
    func duplicates() throws {
        let log = LogRecorder()
        let loader = try Loader.claiming(database.url, log: log)
        let id = TestLines.firstID
        let again = #"{"data":{"id":"\#(id)","text":"again"},"matching_rules":[{"id":"2","tag":"s"}]}"#
        try loader.settle(TestLines.batch(TestLines.tweets(5) + [again, TestLines.tweet(id + 2)]))
        #expect(try ids.count == 5)
        #expect(
            try database.query(
                "SELECT text, array_agg(rule_id) FROM tweets, tweet_rules WHERE id = \(id) AND tweet_id = id GROUP BY 1"
            )
                == [["hello", "{1,2}"]])
        // A new loader knows nothing of the old one's rows: COPY is refused first, then merged.
        let second = try Loader.claiming(database.url, log: log)
        try second.settle(TestLines.batch(TestLines.tweets(8), firstOffset: 7))
        #expect(try ids.count == 8)
        #expect(try database.query("SELECT next_offset FROM loader_offsets") == [["15"]])
        #expect(try database.query("SELECT count(*) FROM rejects") == [["0"]])
    }

    @Test(
        "bad rows among 1,000 are found in about 2 log n statements, and only they are rejected",
        arguments: [[417], [0, 500, 999]])
    func bisection(bad: [Int]) throws {
        try database.query("ALTER TABLE tweets ADD CONSTRAINT no_bad CHECK (text <> 'bad')")
        _ = try database.superuser("ALTER DATABASE \(database.name) SET log_statement = 'all'")
        let loader = try Loader.claiming(database.url)
        let lines = (0..<1000).map {
            TestLines.tweet(TestLines.firstID + Int64($0), text: bad.contains($0) ? "bad" : "good")
        }
        try loader.settle(TestLines.batch(lines))
        #expect(try ids.count == 1000 - bad.count)
        let rejects = try database.query(
            "SELECT reason, sqlstate, convert_from(value, 'UTF8'), convert_from(key, 'UTF8'), seq, kafka_offset FROM rejects ORDER BY seq"
        )
        #expect(rejects == bad.map { ["database", "23514", lines[$0], "42", "\($0 + 1)", "\($0)"] })
        #expect(try database.query("SELECT settled FROM stream_ledger_pending") == [["{[1,1001)}"]])
        let copies = try database.serverLog(of: loader).count {
            $0.contains(" statement: ") && ($0.contains("COPY tweets (") || $0.contains("COPY tweets_staging"))
        }
        // The whole at first, the probe, the whole again, and two for each of log2(1000) halvings of each bad row.
        #expect(copies <= 3 + 20 * bad.count)
        #expect(copies > 10)
    }

    @Test("a row that is alone in its batch is rejected when the probe is taken")
    func aloneInBatch() throws {
        try database.query("ALTER TABLE tweets ADD CONSTRAINT no_bad CHECK (text <> 'bad')")
        let loader = try Loader.claiming(database.url)
        try loader.settle(TestLines.batch([TestLines.tweet(TestLines.firstID, text: "bad")]))
        #expect(try database.query("SELECT reason, sqlstate FROM rejects") == [["database", "23514"]])
        try loader.settle(TestLines.batch(TestLines.tweets(3), firstOffset: 1))
        #expect(try ids.count == 3)
    }

    @Test("when every row is refused nothing is rejected, and loading goes on by itself once it is mended")
    func everyRowRefused() throws {
        try database.query("ALTER TABLE tweets ADD CONSTRAINT never CHECK (false) NOT VALID")
        let (url, log) = (database.url, LogRecorder())
        let loading = Background {
            try Loader.claiming(url, log: log).settle(TestLines.batch(TestLines.tweets(50)))
        }
        #expect(log.wait(for: "rejects every row"))
        #expect(
            try database.query("SELECT (SELECT count(*) FROM rejects), (SELECT count(*) FROM tweets)") == [["0", "0"]])
        #expect(log.texts.filter { $0.hasPrefix("error") }.count == 1)
        #expect(log.count(containing: "check_violation, table") == 1)
        try database.query("ALTER TABLE tweets DROP CONSTRAINT never")
        try loading.join()
        #expect(try ids.count == 50)
        #expect(try database.query("SELECT count(*) FROM rejects") == [["0"]])
        #expect(log.count(containing: "PostgreSQL accepts rows again; loading continues") == 1)
    }

    @Test("a dropped column is a schema problem, not 50 rejects")
    func columnDropped() throws {
        let (url, log) = (database.url, LogRecorder())
        try database.query("ALTER TABLE tweets RENAME COLUMN lang TO language")
        let loading = Background {
            try Loader.claiming(url, log: log).settle(TestLines.batch(TestLines.tweets(50)))
        }
        #expect(log.wait(for: "lang"))
        #expect(try database.query("SELECT count(*) FROM rejects") == [["0"]])
        try database.query("ALTER TABLE tweets RENAME COLUMN language TO lang")
        try loading.join()
        #expect(try ids.count == 50)
    }

    @Test("a loader that lost its partition cannot commit it, but its other partitions")
    func fence() throws {
        let other = TopicPartition("tweets", 1)
        let log = LogRecorder()
        let old = try Loader.claiming(database.url, [TestLines.partition, other], owner: "old", log: log)
        _ = try Loader.claiming(database.url, [TestLines.partition], owner: "new")
        var batch = TestLines.batch(TestLines.tweets(3))
        var decoder = TweetDecoder()
        let record = RecordInfo(headers: TestLines.headers(1, journal: "ffffffff"), topicPartition: other, offset: 9)
        batch.add(record, key: nil, value: Array(TestLines.tweet(99).utf8), decoder: &decoder, payload: .jsonb)
        try old.settle(batch)
        #expect(try ids == [99])
        #expect(
            try database.query("SELECT partition, next_offset, owner FROM loader_offsets ORDER BY partition")
                == [["0", nil, "new"], ["1", "10", "old"]])
        #expect(try database.query("SELECT journal, settled FROM stream_ledger_pending") == [["ffffffff", "{[1,2)}"]])
        #expect(log.count(containing: "another loader has claimed a partition; leaving it to that loader") == 1)
        #expect(log.count(containing: "\"owner\": new") == 1)
        #expect(old.claims.held.keys.sorted() == [other])
    }

    @Test("messages below the stored offset are skipped")
    func settledAlready() throws {
        let first = try Loader.claiming(database.url)
        try first.settle(TestLines.batch(TestLines.tweets(10)))
        try database.query("DELETE FROM tweets")
        // The same messages and three more, as after a COMMIT whose answer was lost.
        try first.settle(TestLines.batch(TestLines.tweets(13)))
        #expect(try ids.count == 3)
        #expect(try database.query("SELECT next_offset FROM loader_offsets") == [["13"]])
    }

    @Test("a tombstone deletes its tweet; one without an id is a reject")
    func tombstone() throws {
        let loader = try Loader.claiming(database.url)
        try loader.settle(TestLines.batch([TestLines.tweet(42), TestLines.tweet(43)]))
        try loader.settle(TestLines.batch([nil], firstOffset: 2))
        #expect(try ids == [43])
        var batch = Batch()
        var decoder = TweetDecoder()
        for (offset, key) in [nil, "", "4x", "99999999999999999999"].enumerated() {
            let record = RecordInfo(headers: nil, topicPartition: TestLines.partition, offset: 3 + Int64(offset))
            batch.add(record, key: key.map { Array($0.utf8) }, value: nil, decoder: &decoder, payload: .jsonb)
        }
        try loader.settle(batch)
        #expect(try database.query("SELECT count(*) FROM rejects WHERE reason = 'tombstone_without_id'") == [["4"]])
        #expect(try ids == [43])
    }

    @Test("a partition that was dropped behind our back is made again, and no row is to blame")
    func partitionDropped() throws {
        let loader = try Loader.claiming(database.url)
        try loader.settle(TestLines.batch(TestLines.tweets(2)))
        try database.query("DROP TABLE public_partitions.\(TweetPartition(containing: TestLines.firstID).name)")
        try loader.settle(TestLines.batch(TestLines.tweets(5), firstOffset: 2))
        #expect(
            try database.query("SELECT (SELECT count(*) FROM tweets), (SELECT count(*) FROM rejects)") == [["5", "0"]])
    }

    @Test("this month's and next month's partitions are made ahead")
    func ahead() throws {
        let loader = try Loader.claiming(database.url)
        try loader.settle(TestLines.batch(TestLines.tweets(1)))
        let current = TweetPartition(at: .now())
        for partition in [current, try #require(current.next), TweetPartition(containing: TestLines.firstID)] {
            let found = "SELECT to_regclass('public_partitions.' || $1) IS NOT NULL"
            #expect(try database.query(found, [partition.name]) == [["t"]])
        }
    }

    @Test("a long transaction that reads tweets does not keep a new month from being loaded")
    func readerHoldsLock() throws {
        let reader = try database.connect()
        try reader.execute("BEGIN; SELECT count(*) FROM tweets")
        let loader = try Loader.claiming(database.url)
        try loader.settle(TestLines.batch(TestLines.tweets(5)))
        #expect(try ids.count == 5)
        try reader.execute("COMMIT")
    }

    @Test("two loaders that need the same new partition at once both succeed")
    func partitionRace() throws {
        let url = database.url
        let loaders = (0..<4).map { number in
            Background {
                let loader = try Loader.claiming(url, [TopicPartition("tweets", Int32(number))], owner: "\(number)")
                for month in 0..<6 {
                    let first = TestLines.firstID + Int64(month) << 54 + Int64(number) * 100
                    try loader.settle(
                        TestLines.batch(
                            TestLines.tweets(10, from: first), partition: TopicPartition("tweets", Int32(number)),
                            firstOffset: Int64(month) * 10))
                }
            }
        }
        for loader in loaders { try loader.join() }
        #expect(try ids.count == 240)
    }
}
