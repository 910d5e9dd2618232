import Core
import Foundation
import Postgres
import TestSupport
import Testing

@testable import TweetLoader

/// How long pages take on a large archive: `CONSOLE_SCALE_ROWS=20000000` for the real size, which takes 16 minutes and 10 GB.
@Suite("The console on a large archive", .ownThreads, .timeLimit(.minutes(120)))
struct ConsoleScaleTests {
    private static let rows = ProcessInfo.processInfo.environment["CONSOLE_SCALE_ROWS"].flatMap { Int($0) } ?? 20_000

    /// Tweets of twelve months up to now, at equal distances, each matched by one of 20 rules, and their counts by hour.
    private func fill(_ database: TestDatabase) throws {
        var conninfo = try PostgresConninfo(database.url)
        conninfo.statementTimeout = nil
        let connection = try PostgresConnection.connect(conninfo)
        let now = Timestamp.now().milliseconds
        // Half months: none is passed over.
        for half in 0...25 {
            let moment = Timestamp(milliseconds: now - Int64(half) * 15 * 86_400_000)
            try connection.execute(TweetPartition(at: moment).createSQL)
        }
        try connection.execute("SET synchronous_commit = off")
        let step = 360 * 86_400_000 / Int64(Self.rows)
        try connection.execute(
            """
            INSERT INTO tweets (id, created_at, author_id, author_username, text, lang, stream, journal, seq, received_at,
                kafka_topic, kafka_partition, kafka_offset, text_altered, matched)
            SELECT tweet_id_at(t.at) + n % 4096, t.at, n % 100000, 'user' || n % 100000,
                'post number ' || n || ' about ' || CASE n % 1000 WHEN 0 THEN 'something rare' ELSE 'the usual' END || repeat(' x', 40),
                'en', 'main', '0a1b2c3d', n, t.at, 'tweets', 0, n, false, true
            FROM generate_series(1, \(Self.rows)) n,
                LATERAL (SELECT to_timestamp((\(now) - n::bigint * \(step)) / 1000.0) AS at) t
            """, doing: "fill tweets")
        try connection.execute(
            """
            INSERT INTO tweet_rules (tweet_id, rule_id, stream, tag, matched_at)
            SELECT id, 1 + seq % 20, 'main', 'tag' || seq % 20, received_at FROM tweets;
            INSERT INTO hour_counts (hour, stream, rule_id, posts, tag)
            SELECT utc_hour(tweet_id), stream, rule_id, count(*), max(tag) FROM tweet_rules GROUP BY 1, 2, 3
            UNION ALL SELECT utc_hour(tweet_id), stream, 0, count(*), NULL FROM tweet_rules GROUP BY 1, 2;
            ANALYZE tweets; ANALYZE tweet_rules; ANALYZE hour_counts
            """, doing: "fill rules and counts")
    }

    @Test func pagesAreQuick() throws {
        let database = try TestDatabase()
        try fill(database)
        let console = try TestConsole(database.url)
        let isLarge = Self.rows >= 1_000_000
        for (path, limit) in [
            ("/", 300), ("/?window=90d", 300), ("/rules", 500), ("/rules?tag=tag3&window=90d", 500), ("/tweets", 500),
            ("/tweets?window=7d", 500), ("/tweets?window=7d&rule=tag3", 500), ("/tail", 500),
        ] {
            _ = try console.page(path)
            let times = try (0..<3).map { _ in
                try ContinuousClock().measure { _ = try console.page(path) }.milliseconds
            }
            if isLarge { print("\(path): \(times.min() ?? 0) ms of \(Self.rows) tweets") }
            // On a busy machine only the order of magnitude is sure.
            #expect((times.min() ?? 0) < (isLarge ? Int64(limit) : 10_000), "\(path): \(times) ms")
        }
    }
}
