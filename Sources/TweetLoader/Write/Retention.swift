import Core
import Postgres
import TweetFormat

/// Drops the months of tweets before a cut.
struct Retention {
    /// What was dropped, or would be.
    struct Result: Report {
        struct Month: Encodable {
            let partition: String
            /// As PostgreSQL estimates it; nil when the partition was never analyzed.
            let tweets: Int64?
            let bytes: Int64
        }

        let isDryRun: Bool
        /// Tweets posted before are dropped.
        let cut: String
        var months: [Month] = []
        /// Rows of other tables, by table.
        var rows: [String: Int64] = [:]

        func text(on terminal: Terminal?) -> String {
            guard !months.isEmpty || rows.values.contains(where: { $0 > 0 }) else {
                return "nothing to drop: no tweets from before \(cut)"
            }
            let table = FittingTable(
                header: ["month", "tweets (estimate)", "MB"],
                rows: months.map { [$0.partition, $0.tweets.map(String.init) ?? "?", "\($0.bytes / 1_000_000)"] }
            ).text(on: terminal)
            let others = rows.filter { $0.value > 0 }.sorted { $0.key < $1.key }.map { "\($0.value) rows of \($0.key)" }
            return ([isDryRun ? "would be dropped" : "dropped", table] + others).joined(separator: "\n")
        }
    }

    private let cut: Timestamp
    private let isDryRun: Bool
    /// How often a partition is tried that other sessions have locked.
    var attempts = 10

    /// Keeps the month of `now` and at least this number of months before.
    init(_ keep: KeptTime, at now: Timestamp, isDryRun: Bool) {
        let today = CivilDate(daysSince1970: now.milliseconds / 86_400_000)
        let month = today.year * 12 + Int64(today.month - 1 - keep.months)
        let first = CivilDate(year: month / 12, month: Int(month % 12) + 1, day: 1)
        cut = Timestamp(milliseconds: first.daysSince1970 * 86_400_000)
        self.isDryRun = isDryRun
    }

    /// Drops them, or finds out what would be dropped.
    ///
    /// - Parameter connection: to the database.
    /// - Returns: what was dropped, or would be.
    /// - Throws: `PostgresError`; `DatabaseError` (`retry`) when other sessions held locks in every attempt.
    func run(_ connection: borrowing PostgresConnection) throws -> Result {
        var result = Result(isDryRun: isDryRun, cut: cut.description)
        for partition in try partitions(connection) {
            result.months.append(try size(of: partition, connection))
            if !isDryRun { try drop(partition, connection) }
        }
        try connection.execute("BEGIN")
        for (table, condition) in conditions {
            let answer = try connection.query("DELETE FROM \(table) WHERE \(condition)", doing: "delete from \(table)")
            result.rows[table] = Int64(answer.affectedRows)
        }
        try connection.execute(isDryRun ? "ROLLBACK" : "COMMIT")
        return result
    }

    /// The partitions that hold nothing but tweets from before the cut, the oldest first.
    private func partitions(_ connection: borrowing PostgresConnection) throws -> [TweetPartition] {
        let answer = try connection.query(
            """
            SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            WHERE i.inhparent = 'tweets'::regclass
            """, doing: "look for partitions")
        let names = Set((0..<answer.rowCount).compactMap { answer.text($0, 0) })
        var partitions: [TweetPartition] = []
        var next: TweetPartition? = TweetPartition(containing: 0)
        while let partition = next, let upper = partition.upperID, upper <= cutID {
            if names.contains(partition.name) { partitions.append(partition) }
            next = partition.next
        }
        return partitions
    }

    /// What belongs to dropped tweets, in tables without months; nothing for a cut before the snowflakes.
    private var conditions: [(table: String, condition: String)] {
        guard cutID > Snowflake.lastCountedID + 1 else { return [] }
        return [
            ("tweet_versions", "tweet_id < \(cutID)"), ("tweet_errors", "tweet_id < \(cutID)"),
            ("media", "coalesce(tweet_id, seen_in) < \(cutID)"), ("polls", "coalesce(tweet_id, seen_in) < \(cutID)"),
            ("user_history", "seen_at < '\(cut)'"),
        ]
    }

    private var cutID: Int64 { Snowflake.firstID(at: cut) ?? .max }

    private func size(
        of partition: TweetPartition, _ connection: borrowing PostgresConnection
    ) throws -> Result.Month {
        let answer = try connection.query(
            """
            SELECT (SELECT reltuples::bigint FROM pg_class WHERE oid = tweets), pg_total_relation_size(tweets)
                + coalesce(pg_total_relation_size(to_regclass(partition_schema() || '.' || $2)), 0)
            FROM to_regclass(partition_schema() || '.' || $1) AS found (tweets)
            """, [partition.name, partition.rulesName], doing: "measure \(partition.name)")
        let rows = answer.integer(0, 0) ?? -1
        return Result.Month(
            partition: partition.name, tweets: rows < 0 ? nil : rows, bytes: answer.integer(0, 1) ?? 0)
    }

    /// Whoever waits for a lock of that strength keeps everybody waiting who comes after: so for a second at most, and again.
    private func drop(_ partition: TweetPartition, _ connection: borrowing PostgresConnection) throws {
        for _ in 1...attempts {
            if try isDropped(partition, connection) { return }
            Stop().wait(for: .seconds(1))
        }
        throw DatabaseError(
            .retry,
            "\(partition.name) was locked by other sessions in each of \(attempts) attempts: end long transactions that"
                + " read tweets, or try again later")
    }

    /// False when another session holds a lock.
    private func isDropped(
        _ partition: TweetPartition, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Bool {
        let statements = "\(Self.dropSQL(partition)); \(Self.uncountSQL(partition))"
        let sql = "BEGIN; SET LOCAL lock_timeout = '1s'; \(statements); COMMIT"
        do { try connection.execute(sql, doing: "drop \(partition.name)") } catch {
            try connection.execute("ROLLBACK")
            guard error.sqlstate == "55P03" else { throw error }
            return false
        }
        return true
    }

    /// Takes the counts of a month away; no loader counts posts of that month meanwhile, as it would wait for its rules.
    private static func uncountSQL(_ partition: TweetPartition) -> String {
        let bounds = [
            partition.lowerID.map { "hour >= utc_hour(\($0))" }, partition.upperID.map { "hour < utc_hour(\($0))" },
        ]
        return "DELETE FROM hour_counts WHERE \(bounds.compactMap { $0 }.joined(separator: " AND "))"
    }

    private static func dropSQL(_ partition: TweetPartition) -> String {
        [("tweets", partition.name), ("tweet_rules", partition.rulesName)].map { table, name in
            """
            DO $$
            DECLARE month regclass := to_regclass(partition_schema() || '.\(name)');
            BEGIN
                IF month IS NOT NULL THEN
                    EXECUTE format('ALTER TABLE \(table) DETACH PARTITION %s', month);
                    EXECUTE format('DROP TABLE %s', month);
                END IF;
            END $$
            """
        }.joined(separator: "; ")
    }
}
