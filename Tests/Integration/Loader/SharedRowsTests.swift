import Core
import KafkaClient
import Postgres
import TestSupport
import Testing

@testable import TweetLoader

@Suite("Loader: rows that lines share", .ownThreads, .timeLimit(.minutes(5)))
struct SharedRowsTests {
    private let database: TestDatabase
    private static let first = TestLines.firstID
    /// Included by each line.
    private static let popular = first + 5000

    init() throws {
        database = try TestDatabase()
    }

    /// Lines that bring a user each, and all of them one tweet.
    private static func lines(_ ids: Range<Int64>) -> [String?] {
        ids.map { id in
            RelationsTests.line(
                first + id,
                RelationsTests.user(id % 20 + 1, "name")
                    + #","tweets":[{"id":"\#(popular)","text":"popular","author_id":"1"}]"#)
        }
    }

    /// Makes the month's partition of the tables.
    private func prepare() throws {
        try Loader.claiming(database.url, [TopicPartition("tweets", 9)], owner: "9").settle(
            RelationsTests.batch([TestLines.tweet(Self.first + 9000)], partition: 9))
    }

    /// The id of a tweet that another transaction has written and not committed.
    private func hold(_ number: Int64, _ connection: borrowing PostgresConnection) throws {
        try connection.execute(
            """
            BEGIN; INSERT INTO tweets (id, text, kafka_topic, kafka_partition, kafka_offset, text_altered, matched)
            VALUES (\(Self.first + number), 'other', 't', 0, 0, false, true)
            """)
    }

    private static let counts = """
        SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM user_history),
            (SELECT count(*) FROM tweets WHERE NOT matched), (SELECT count(*) FROM tweets WHERE text = 'x'),
            (SELECT count(*) FROM rejects)
        """

    @Test("they are committed before their lines; a connection that is lost in between costs nothing")
    func ahead() throws {
        try prepare()
        let holder = try database.connect()
        try hold(7, holder)
        let url = database.url
        let loading = Background { try Loader.claiming(url).settle(RelationsTests.batch(Self.lines(0..<40))) }
        try database.waitForBlocked()
        #expect(try database.query(Self.counts) == [["20", "0", "1", "0", "0"]])
        _ = try database.superuser(
            """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0
            """)
        try holder.execute("ROLLBACK")
        try loading.join()
        #expect(try database.query(Self.counts) == [["20", "0", "1", "40", "0"]])
    }

    @Test("a writer that waits keeps no other from storing lines with the same users and included tweets")
    func independent() throws {
        try prepare()
        let holder = try database.connect()
        try hold(7, holder)
        let shared = SharedRows(try .test(database.url), stop: Stop())
        let url = database.url
        let loading = Background {
            try Loader.claiming(url, sharedRows: shared).settle(RelationsTests.batch(Self.lines(0..<40)))
        }
        try database.waitForBlocked()
        let second = try Loader.claiming(url, [TopicPartition("tweets", 1)], owner: "second", sharedRows: shared)
        try second.settle(RelationsTests.batch(Self.lines(40..<80), partition: 1, at: 40))
        #expect(try database.query(Self.counts) == [["20", "0", "1", "40", "0"]])
        try holder.execute("ROLLBACK")
        try loading.join()
        #expect(try database.query(Self.counts) == [["20", "0", "1", "80", "0"]])
    }

    /// Lines with these ids that include the tweet of line 20, which another writer brings itself.
    private static func including(_ ids: Range<Int64>) -> [String?] {
        ids.map { id in
            RelationsTests.line(
                first + id,
                RelationsTests.user(id, "name") + #","tweets":[{"id":"\#(first + 20)","text":"x","author_id":"1"}]"#)
        }
    }

    /// A writer whose transaction cannot end, as another one holds the key of its line 7; and one with lines 40 to 80.
    private func writers(
        _ holder: borrowing PostgresConnection, patience: Duration
    ) throws -> (held: Background, including: Background) {
        try prepare()
        try hold(7, holder)
        let (url, shared) = (database.url, SharedRows(try .test(database.url), patience: patience, stop: Stop()))
        let held = Background {
            try Loader.claiming(url, sharedRows: shared).settle(RelationsTests.batch(Self.lines(0..<40)))
        }
        try database.waitForBlocked()
        let including = Background {
            try Loader.claiming(url, [TopicPartition("tweets", 1)], owner: "second", sharedRows: shared).settle(
                RelationsTests.batch(Self.including(40..<80), partition: 1, at: 40))
        }
        return (held, including)
    }

    /// Lines that are stored, and what line 20 is.
    private static let stored = """
        SELECT count(*) FILTER (WHERE matched), count(*) FILTER (WHERE id = \(first + 20) AND matched),
            count(*) FILTER (WHERE id = \(first + 20) AND NOT matched) FROM tweets WHERE text = 'x'
        """

    @Test("an included tweet that another writer is about to store is left to it, and stored once")
    func leftToOthers() throws {
        let holder = try database.connect()
        let writers = try writers(holder, patience: .seconds(60))
        // It has written its own lines, and waits with its transaction open.
        #expect(
            try eventually {
                try database.query(
                    """
                    SELECT count(*) FROM pg_stat_activity
                    WHERE datname = current_database() AND state = 'idle in transaction'
                        AND query = 'RELEASE SAVEPOINT piece' AND state_change < clock_timestamp() - interval '200 ms'
                    """) == [["1"]]
            })
        #expect(try database.query(Self.stored) == [["0", "0", "0"]])
        try holder.execute("ROLLBACK")
        try writers.held.join()
        try writers.including.join()
        #expect(try database.query(Self.stored) == [["80", "1", "0"]])
        #expect(try database.query(Self.counts) == [["60", "0", "1", "80", "0"]])
    }

    @Test("a writer that waits in vain for another one stores what its lines include itself")
    func notLeftForever() throws {
        let holder = try database.connect()
        let writers = try writers(holder, patience: .milliseconds(200))
        try writers.including.join()
        #expect(try database.query(Self.stored) == [["40", "0", "1"]])
        try holder.execute("ROLLBACK")
        try writers.held.join()
        #expect(try database.query(Self.stored) == [["80", "1", "0"]])
    }

    @Test(
        "when the transaction of the other writer fails, the tweets that it was to store are stored by who includes them"
    )
    func otherFails() throws {
        let holder = try database.connect()
        let writers = try writers(holder, patience: .seconds(60))
        #expect(try eventually { try database.query("SELECT count(*) FROM users") == [["60"]] })
        _ = try database.superuser(
            """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0
            """)
        try writers.including.join()
        #expect(try database.query(Self.stored) == [["40", "0", "1"]])
        try holder.execute("ROLLBACK")
        try writers.held.join()
        #expect(try database.query(Self.stored) == [["80", "1", "0"]])
    }

    @Test("what was deleted after its line was settled is not restored when the line comes again")
    func settledBefore() throws {
        let batch = RelationsTests.batch(Self.lines(0..<40))
        try Loader.claiming(database.url).settle(batch)
        try database.connect().execute("DELETE FROM tweets WHERE NOT matched; DELETE FROM users")
        try Loader.claiming(database.url).settle(batch)
        #expect(try database.query(Self.counts) == [["0", "0", "0", "40", "0"]])
    }

    @Test("a tombstone removes an included tweet, which a later line may bring again")
    func deleted() throws {
        let loader = try Loader.claiming(database.url)
        try loader.settle(RelationsTests.batch(Self.lines(0..<10)))
        var batch = Batch()
        var decoder = TweetDecoder()
        let record = RecordInfo(headers: nil, topicPartition: TestLines.partition, offset: 10)
        batch.add(record, key: Array("\(Self.popular)".utf8), value: nil, decoder: &decoder, payload: .jsonb)
        try loader.settle(batch)
        #expect(try database.query(Self.counts) == [["10", "0", "0", "10", "0"]])
        try loader.settle(RelationsTests.batch(Self.lines(11..<20), firstOffset: 11, at: 11))
        #expect(try database.query(Self.counts) == [["19", "0", "1", "19", "0"]])
    }

    @Test("a shared row that PostgreSQL rejects makes rejects of its lines, and only of them")
    func rejected() throws {
        try database.query("ALTER TABLE users ADD CONSTRAINT no_bad CHECK (id <> 5)")
        try Loader.claiming(database.url).settle(RelationsTests.batch(Self.lines(0..<40)))
        #expect(try database.query(Self.counts) == [["19", "0", "1", "38", "2"]])
        #expect(
            try database.query("SELECT sqlstate, seq FROM rejects ORDER BY seq") == [["23514", "5"], ["23514", "25"]])
    }
}
