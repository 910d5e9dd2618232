import Core
import Foundation
import Postgres
import TestSupport
import Testing
import TweetFormat

@testable import TweetLoader

/// What analysts see: views and functions that read only the time asked for, and show what they say.
@Suite("Tables for analysts", .ownThreads, .timeLimit(.minutes(4)))
struct AnalystTablesTests {
    private let database: TestDatabase

    init() throws {
        database = try TestDatabase()
    }

    /// The first id at a time.
    private static func id(_ moment: String) throws -> Int64 {
        let moment = try #require(Timestamp(moment))
        return try #require(Snowflake.firstID(at: moment))
    }

    /// Twelve months with 200 tweets each; every tenth is an edit of the one before, every seventh a repost of an old one.
    private func fill() throws {
        let first = try Self.id("2025-01-01T00:00:00Z")
        let lines = try (1...12).flatMap { month -> [String?] in
            let start = try Self.id("2025-\(month < 10 ? "0" : "")\(month)-15T12:00:00Z")
            return (0..<200).map { number in
                let id = start + Int64(number)
                let edits = number % 10 == 9 ? #","edit_history_tweet_ids":["\#(id - 1)","\#(id)"]"# : ""
                let repost = number % 7 == 6 ? #","referenced_tweets":[{"type":"retweeted","id":"\#(first)"}]"# : ""
                return TestLines.tweet(id, extra: edits + repost)
            }
        }
        let original = TestLines.tweet(first, text: "1 &lt; 2 &amp;amp; 3 &gt; 2")
        try Loader.claiming(database.url).settle(TestLines.batch([original] + lines))
        try database.query("ANALYZE")
    }

    /// The partitions of `tweets` that a plan reads; those that it never executes do not count.
    private func read(_ sql: String) throws -> Set<String> {
        let connection = try database.connect()
        let plan = try connection.query("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) \(sql)", doing: "explain").rows.map {
            $0[0] ?? ""
        }
        let scans = plan.filter { $0.contains("Scan") && $0.contains(" on tweets_") && !$0.contains("never executed") }
        return Set(scans.compactMap { $0.firstMatch(of: /\son\s(tweets_\w+)/).map { String($0.1) } })
    }

    @Test(
        "a window is read from its months alone, whichever way it is asked for",
        arguments: [
            "SELECT * FROM tweets WHERE id >= tweet_id_at('2025-06-01Z') AND id < tweet_id_at('2025-07-01Z')",
            "SELECT count(*) FROM tweets_between('2025-06-01Z', '2025-07-01Z')",
            "SELECT created_at, author_id FROM tweets_between('2025-06-01Z', '2025-07-01Z') WHERE lang IS NULL",
            "SELECT * FROM public_tweets WHERE id >= tweet_id_at('2025-06-01Z') AND id < tweet_id_at('2025-07-01Z')",
            "SELECT * FROM matched_tweets WHERE id >= tweet_id_at('2025-06-01Z') AND id < tweet_id_at('2025-07-01Z')",
            "SELECT hashtag FROM tweet_hashtags WHERE tweet_id >= tweet_id_at('2025-06-01Z') AND tweet_id < tweet_id_at('2025-07-01Z')",
        ])
    func pruning(sql: String) throws {
        try fill()
        #expect(try read(sql) == ["tweets_y2025m06"])
        let answer = try database.query("SELECT count(*) FROM tweets_between('2025-06-01Z', '2025-07-01Z')")
        #expect(answer == [["200"]])
    }

    @Test("readable tweets of a window read its months, and the month of an original where a repost needs it")
    func readable() throws {
        try fill()
        let window = "id >= tweet_id_at('2025-06-01Z') AND id < tweet_id_at('2025-07-01Z')"
        #expect(try read("SELECT id, rules FROM readable_tweets WHERE \(window)") == ["tweets_y2025m06"])
        #expect(try read("SELECT id FROM readable_between('2025-06-01Z', '2025-07-01Z')") == ["tweets_y2025m06"])
        #expect(
            try read("SELECT id, text FROM readable_tweets WHERE \(window)") == ["tweets_y2025m06", "tweets_y2025m01"])
        #expect(
            try database.query(
                "SELECT count(*), count(*) FILTER (WHERE kind = 'repost') FROM readable_tweets WHERE \(window)")
                == [["180", "\((0..<200).count { $0 % 7 == 6 && $0 % 10 != 8 })"]])
        // A condition on created_at reads all: that is why the functions exist.
        #expect(try read("SELECT id FROM tweets WHERE created_at > '2025-06-01Z'").count >= 12)
    }

    @Test("the newest readable tweets are no long query to the planner, which would compile it for seconds")
    func estimate() throws {
        try fill()
        let plan = try database.query(
            """
            EXPLAIN (FORMAT json) SELECT created_at, username, text, rules FROM readable_tweets
            WHERE id >= tweet_id_at('2025-06-01Z') ORDER BY id DESC LIMIT 50
            """)
        let cost = try #require(plan.compactMap { $0[0] }.joined().firstMatch(of: /"Total Cost": ([0-9.]+)/)).1
        // jit_above_cost; without the limits in the view it is 200,000.
        #expect(try #require(Double(cost)) < 20_000)
    }

    @Test("text has no HTML entities, and what was escaped twice is unescaped once")
    func entities() throws {
        try fill()
        let first = try Self.id("2025-01-01T00:00:00Z")
        let text = "1 < 2 &amp; 3 > 2"
        #expect(try database.query("SELECT text FROM readable_tweets WHERE id = \(first)") == [[text]])
        #expect(try database.query("SELECT t.full_text FROM tweets t WHERE id = \(first)") == [[text]])
        #expect(
            try database.query("SELECT DISTINCT text FROM readable_tweets WHERE refers_to = \(first)") == [[text]])
    }

    @Test("the tweet of a medium is the one that it is attached to, as in the other views")
    func media() throws {
        let attached = #","attachments":{"media_keys":["3_9"]},"entities":{"hashtags":[{"tag":"a"}]}"#
        let line = { (id: Int64) in
            #"{"data":{"id":"\#(id)","text":"x"\#(attached)},"includes":{"media":[{"media_key":"3_9","type":"photo"}]}}"#
        }
        try Loader.claiming(database.url).settle(
            TestLines.batch([line(TestLines.firstID), line(TestLines.firstID + 1)]))
        #expect(
            try database.query(
                "SELECT tweet_id, first_tweet_id, type, matched FROM tweet_media JOIN tweet_hashtags USING (tweet_id, matched)"
                    + " ORDER BY 1")
                == (0...1 as ClosedRange<Int64>).map {
                    ["\(TestLines.firstID + $0)", "\(TestLines.firstID)", "photo", "t"]
                })
    }

    @Test(
        "a rule's matches are counted by the day in UTC on which the tweets were posted, in any time zone of the session"
    )
    func days() throws {
        let ids = try ["2025-03-01T23:59:59Z", "2025-03-02T00:00:00Z", "2025-03-02T00:00:01Z"].map(Self.id)
        try Loader.claiming(database.url).settle(TestLines.batch(ids.map { TestLines.tweet($0) }))
        for zone in ["UTC", "America/Los_Angeles"] {
            let connection = try database.connect()
            try connection.execute("SET TimeZone = '\(zone)'")
            let days = try connection.query(
                "SELECT day, tweets, pg_typeof(day) FROM rule_matches ORDER BY 1", doing: "count"
            ).rows
            #expect(days == [["2025-03-01", "1", "date"], ["2025-03-02", "2", "date"]])
        }
    }

    @Test("partitions are in a schema of their own, and lists of tables stay short")
    func partitionSchema() throws {
        try fill()
        let months = "SELECT count(*) > 12 FROM pg_tables WHERE tablename LIKE 'tweets\\_y%' AND schemaname = "
        #expect(try database.query(months + "'public_partitions'") == [["t"]])
        #expect(try database.query(months + "'public'") == [["f"]])
        #expect(try database.query("SELECT partition_schema()") == [["public_partitions"]])
    }

    @Test("a role that may not create schemas has its partitions beside the tables")
    func withoutSchema() throws {
        let database = try TestDatabase(migrated: false)
        let role = "plain_\(database.name)"
        _ = try database.superuser("CREATE ROLE \(role) LOGIN; GRANT CREATE ON SCHEMA public TO \(role)")
        let url = database.url.replacing("tweets@", with: "\(role)@")
        let connection = try PostgresConnection.connect(PostgresConninfo(url))
        _ = try Migration.apply(to: connection)
        try connection.execute(TweetPartition(containing: TestLines.firstID).createSQL)
        let answer = try connection.query("SELECT partition_schema(), 'tweets_y2022m03'::regclass", doing: "test")
        #expect(answer.rows[0][0] == "public")
    }

    @Test("a reader reads every table and view of the project but tokens and timelines, no others, and changes nothing")
    func reader() throws {
        try fill()
        let name = "reader_\(database.name)"
        let conninfo = try PostgresConninfo(database.url)
        let missing = #expect(throws: DatabaseError.self) { try migrate(conninfo, reader: name) }
        #expect(missing?.description.contains("CREATE ROLE \(name) LOGIN") == true)
        _ = try database.superuser("CREATE ROLE \(name) LOGIN; CREATE TABLE public.secret AS SELECT 1 AS x")
        #expect(try migrate(conninfo, reader: name).contains("\(name) may read "))
        _ = try migrate(conninfo, reader: name)
        _ = try database.superuser(
            "SET ROLE \(name); SELECT count(*) FROM readable_tweets; SELECT count(*) FROM rejects")
        for sql in [
            "DELETE FROM tweets", "SELECT * FROM secret", "SELECT * FROM x_tokens", "SELECT * FROM home_timeline(1)",
            "CREATE TABLE public_partitions.x ()",
        ] {
            #expect(throws: (any Error).self) { try database.superuser("SET ROLE \(name); \(sql)") }
        }
        let bare = try database.query(
            """
            SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v')
                AND relname NOT IN ('secret', 'x_tokens', 'timeline_entries')
                AND NOT has_table_privilege('\(name)', oid, 'SELECT')
            """)
        #expect(bare.isEmpty, "\(bare)")
    }

    /// The documented statement of docs/timelines.md.
    @Test("a role without the right to the tables of posts reads the views, which have no posts of protected authors")
    func readerOfViews() throws {
        try fill()
        let name = "analyst_\(database.name)"
        _ = try database.superuser("CREATE ROLE \(name) LOGIN")
        _ = try migrate(try PostgresConninfo(database.url), reader: name)
        let document = try String(contentsOf: repository.appending(path: "docs/timelines.md"), encoding: .utf8)
        let statement = try #require(document.firstMatch(of: /REVOKE SELECT ON .* FROM analyst;/).map { String($0.0) })
        try database.query(statement.replacing("analyst", with: name))
        for view in ["public_tweets", "matched_tweets", "readable_tweets", "tweet_media", "tweet_hashtags"] {
            _ = try database.superuser("SET ROLE \(name); SELECT count(*) FROM \(view)")
        }
        _ = try database.superuser(
            "SET ROLE \(name); SELECT count(*) FROM readable_between('2025-06-01Z', '2025-07-01Z')")
        for table in ["tweets", "media", "polls", "rejects", "tweets_between('2025-06-01Z', '2025-07-01Z')"] {
            #expect(throws: (any Error).self) { try database.superuser("SET ROLE \(name); SELECT FROM \(table)") }
        }
    }
}
