import ArgumentParser
import Core
import Postgres
import TestSupport
import Testing
import TweetFormat

@testable import TweetLoader

@Suite("Retention", .ownThreads, .timeLimit(.minutes(4)))
struct RetentionTests {
    private let database: TestDatabase
    private static let now = Timestamp("2026-11-21T04:00:00Z")

    /// A tweet in each of some months, with everything that hangs on it.
    init() throws {
        database = try TestDatabase()
        let moments = ["2024-05-05", "2025-10-31", "2025-11-01", "2026-11-20"]
        let lines = try moments.map { day in
            let id = try Self.id("\(day)T12:00:00Z")
            return #"{"data":{"id":"\#(id)","text":"x","edit_history_tweet_ids":["\#(id - 1)","\#(id)"],"#
                + #""attachments":{"media_keys":["3_\#(id)"]}},"includes":{"media":[{"media_key":"3_\#(id)"}],"#
                + #""users":[{"id":"\#(id)","username":"u"}]},"errors":[{"title":"t"}],"matching_rules":[{"id":"1"}]}"#
        }
        try Loader.claiming(database.url).settle(TestLines.batch(lines + [TestLines.tweet(20)]))
    }

    private static func id(_ moment: String) throws -> Int64 {
        let moment = try #require(Timestamp(moment))
        return try #require(Snowflake.firstID(at: moment))
    }

    private func run(_ keep: String, isDryRun: Bool = false) throws -> Retention.Result {
        let now = try #require(Self.now)
        return try Retention(KeptTime(argument: keep), at: now, isDryRun: isDryRun).run(database.connect())
    }

    private var counts: [[String?]] {
        get throws {
            try database.query(
                """
                SELECT (SELECT count(*) FROM tweets), (SELECT count(*) FROM tweet_rules),
                    (SELECT count(*) FROM tweet_versions), (SELECT count(*) FROM tweet_errors),
                    (SELECT count(*) FROM media), (SELECT count(*) FROM users)
                """)
        }
    }

    @Test("months that ended before the time to keep go, with what hangs on them, and loading goes on")
    func keep() throws {
        let all = [["5", "5", "8", "4", "4", "4"]]
        let planned = try run("12months", isDryRun: true)
        #expect(planned.months.map(\.partition) == ["tweets_oldest", "tweets_y2024m05", "tweets_y2025m10"])
        #expect(planned.rows == ["tweet_versions": 4, "tweet_errors": 2, "media": 2, "polls": 0, "user_history": 0])
        #expect(planned.text.hasPrefix("would be dropped"))
        #expect(try counts == all)
        let done = try run("12months")
        #expect(done.months.map(\.partition) == planned.months.map(\.partition))
        #expect(done.cut == "2025-11-01T00:00:00.000Z")
        #expect(try counts == [["2", "2", "4", "2", "2", "4"]])
        #expect(try run("1year").text == "nothing to drop: no tweets from before 2025-11-01T00:00:00.000Z")
        #expect(
            try database.query("SELECT count(*) FROM pg_class WHERE relname LIKE 'tweet%y2024m05%'") == [["0"]])
        // An old tweet that comes again, as an included one may, makes its month anew.
        let loader = try Loader.claiming(database.url)
        try loader.settle(TestLines.batch([TestLines.tweet(20)], firstOffset: 5))
        #expect(try run("12months").months.map(\.partition) == ["tweets_oldest"])
    }

    @Test("a loader that runs while its month is dropped makes it again and rejects nothing")
    func underLoader() throws {
        let loader = try Loader.claiming(database.url)
        let id = try Self.id("2024-05-06T00:00:00Z")
        try loader.settle(TestLines.batch([TestLines.tweet(id)], firstOffset: 5))
        _ = try run("12months")
        try loader.settle(TestLines.batch([TestLines.tweet(id + 1)], firstOffset: 6))
        #expect(try database.query("SELECT count(*) FROM rejects") == [["0"]])
        #expect(try database.query("SELECT count(*) FROM tweets WHERE id = \(id + 1)") == [["1"]])
    }

    @Test("a lock that somebody holds ends in another attempt later, and nobody waits long behind it")
    func locked() throws {
        let reader = try database.connect()
        try reader.execute("BEGIN; SELECT count(*) FROM tweets")
        let url = database.url
        let keep = try KeptTime(argument: "12months")
        let now = try #require(Self.now)
        let dropping = Background {
            _ = try Retention(keep, at: now, isDryRun: false).run(PostgresConnection.connect(PostgresConninfo(url)))
        }
        #expect(
            try eventually {
                try database.query("SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'")
                    == [["1"]]
            })
        try reader.execute("COMMIT")
        try dropping.join()
        #expect(try counts[0][0] == "2")
    }

    @Test("a lock that stays held is a matter of trying again, and nothing is dropped")
    func staysLocked() throws {
        let before = try counts
        let reader = try database.connect()
        try reader.execute("BEGIN; SELECT count(*) FROM tweets")
        var retention = Retention(
            try KeptTime(argument: "12months"), at: try #require(Self.now), isDryRun: false)
        retention.attempts = 1
        let error = #expect(throws: DatabaseError.self) { try retention.run(database.connect()) }
        #expect(error?.disposition == .retry)
        #expect(error?.description.contains("tweets_oldest was locked") == true, "\(error as Any)")
        try reader.execute("COMMIT")
        #expect(try counts == before)
    }

    @Test("times that make no sense are refused", arguments: ["", "12", "months", "0months", "12weeks", "99999years"])
    func mistakes(text: String) {
        #expect(throws: ValidationError.self) { _ = try KeptTime(argument: text) }
    }
}
