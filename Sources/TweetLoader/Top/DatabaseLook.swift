import Core
import Postgres
import TweetFormat

/// What PostgreSQL knows of the pipeline, which is what loaders have written into it.
struct DatabaseLook: Sendable {
    /// The newest heartbeat of a producer.
    struct Heartbeat: Sendable {
        var stream: String
        var journal: String
        /// How old it is.
        var age: Double
        var isConnected: Bool?
        var isPassive: Bool?
        var secondsSinceByte: Double?
        var secondsSincePost: Double?
        var secondsUnacknowledged: Double?
        var postsToday, postsOfCycle, limitPerDay, limitPerCycle, journalBytes, availableBytes, rules: Double?
    }

    /// A partition that was claimed.
    struct Partition: Sendable {
        var topic: String
        var partition: Int
        var next: Double?
        /// Messages a second, as the loader keeps it.
        var rate: Double
        var secondsSinceCommit: Double?
    }

    var at = Timestamp.now()
    var heartbeats: [Heartbeat]
    var partitions: [Partition]
    var rules: [TopFacts.Rule]
    var gaps: [TopFacts.Gap]
    var loaders: Int
    var unsettled: Double
    var rejects: Double
    var holes: Double
    var openGaps: Double

    /// Asks PostgreSQL.
    ///
    /// - Parameters:
    ///   - conninfo: where it is.
    ///   - patience: for each question.
    /// - Returns: what it knows.
    /// - Throws: `DatabaseError` when it cannot be asked, or has not the schema.
    static func read(_ conninfo: PostgresConninfo, patience: Duration) throws -> DatabaseLook {
        var conninfo = conninfo
        conninfo.statementTimeout = patience
        do {
            let connection = try PostgresConnection.connect(conninfo, role: .any)
            try Migration.check(connection)
            try connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            let look = try DatabaseLook(connection)
            try connection.execute("COMMIT")
            return look
        } catch let error as PostgresError {
            throw DatabaseError(error, conninfo)
        }
    }

    private init(_ connection: borrowing PostgresConnection) throws {
        heartbeats = try Self.heartbeats(connection)
        partitions = try Self.partitions(connection)
        rules = try Self.rules(connection, at: .now())
        gaps = try Self.gaps(connection)
        loaders = Int(try connection.number(Self.runningSQL))
        let dismissed = try Dismissals.journals(connection)
        let ledger = try StreamLedger.read(connection).filter { !dismissed.contains($0.key.journal) }
        unsettled = ledger.reduce(0) { $0 + Double($1.value.missing.count) }
        rejects = try connection.number("SELECT count(*) FROM rejects")
        holes = try connection.number(
            "SELECT count(*) FROM kafka_holes WHERE status = 'open' AND \(Dismissals.holeCounts)")
        openGaps = try connection.number("SELECT count(*) FROM stream_gaps WHERE \(LedgerFacts.isOpen)")
    }

    private static let runningSQL = """
        SELECT count(DISTINCT split_part(owner, '/', 1) || '/' || split_part(owner, '/', 2)) FROM loaders
        WHERE ended_at IS NULL AND seen_at > now() - interval '\(LoaderPresence.silence.milliseconds / 1000) seconds'
        """

    private static func heartbeats(_ connection: borrowing PostgresConnection) throws(PostgresError) -> [Heartbeat] {
        let ages = ["alive_at", "last_received_at", "last_post_at", "unacknowledged_from"]
            .map { "extract(epoch FROM clock_timestamp() - \($0))" }
        let answer = try connection.query(
            """
            SELECT stream, journal, \(ages.joined(separator: ", ")), connected, passive, posts_today, posts_of_cycle,
                limit_per_day, limit_per_cycle, journal_bytes, available_bytes, rules
            FROM stream_state
            WHERE NOT EXISTS (SELECT FROM dismissed d WHERE d.kind = 'journal' AND d.name = stream_state.journal)
            ORDER BY stream, alive_at DESC LIMIT 200
            """, doing: "read the newest heartbeats")
        return (0..<answer.rowCount).map { row in
            Heartbeat(
                stream: answer.text(row, 0) ?? "", journal: answer.text(row, 1) ?? "",
                age: max(0, answer.double(row, 2) ?? 0), isConnected: answer.text(row, 6).map { $0 == "t" },
                isPassive: answer.text(row, 7).map { $0 == "t" }, secondsSinceByte: answer.double(row, 3),
                secondsSincePost: answer.double(row, 4), secondsUnacknowledged: answer.double(row, 5) ?? 0,
                postsToday: answer.double(row, 8), postsOfCycle: answer.double(row, 9),
                limitPerDay: answer.double(row, 10), limitPerCycle: answer.double(row, 11),
                journalBytes: answer.double(row, 12), availableBytes: answer.double(row, 13),
                rules: answer.double(row, 14))
        }
    }

    private static func partitions(_ connection: borrowing PostgresConnection) throws(PostgresError) -> [Partition] {
        let answer = try connection.query(
            """
            SELECT topic, partition, next_offset, seconds,
                CASE WHEN seconds <= 10 THEN rate * exp(-greatest(seconds - 1, 0)::double precision / 10) ELSE 0 END
            FROM loader_offsets,
                LATERAL (SELECT extract(epoch FROM clock_timestamp() - committed_at)) AS since (seconds)
            WHERE \(Dismissals.partitionCounts) ORDER BY topic, partition
            """, doing: "read offsets")
        return (0..<answer.rowCount).map { row in
            Partition(
                topic: answer.text(row, 0) ?? "", partition: Int(answer.integer(row, 1) ?? 0),
                next: answer.double(row, 2), rate: answer.double(row, 4) ?? 0,
                secondsSinceCommit: answer.double(row, 3).map { max(0, $0) })
        }
    }

    /// What the rules have matched in the last 10 minutes, by tag: the primary key begins with the id, which is a time.
    private static func rules(
        _ connection: borrowing PostgresConnection, at now: Timestamp
    ) throws(PostgresError) -> [TopFacts.Rule] {
        let minutes = 10
        let first = Snowflake.firstID(at: now.advanced(by: .seconds(-60 * minutes))) ?? .max
        let answer = try connection.query(
            """
            SELECT coalesce(tag, '_untagged'), count(*), extract(epoch FROM clock_timestamp() - max(tweet_time(tweet_id)))
            FROM tweet_rules WHERE tweet_id >= \(first) GROUP BY 1 ORDER BY 2 DESC LIMIT 200
            """, doing: "count the posts of the rules")
        return (0..<answer.rowCount).map { row in
            let posts = answer.double(row, 1) ?? 0
            return TopFacts.Rule(
                tag: answer.text(row, 0) ?? "", postsPerSecond: posts / Double(60 * minutes), posts: posts,
                secondsSincePost: answer.double(row, 2).map { max(0, $0) })
        }
    }

    private static func gaps(_ connection: borrowing PostgresConnection) throws(PostgresError) -> [TopFacts.Gap] {
        let answer = try connection.query(
            """
            SELECT stream, \(rfc3339("started_at")), extract(epoch FROM ended_at - started_at), cause
            FROM stream_gaps WHERE \(LedgerFacts.isOpen) ORDER BY started_at DESC LIMIT 200
            """, doing: "read open gaps")
        return (0..<answer.rowCount).map { row in
            TopFacts.Gap(
                stream: answer.text(row, 0) ?? "", startedAt: answer.text(row, 1), seconds: answer.double(row, 2),
                cause: answer.text(row, 3))
        }
    }
}

extension PostgresConnection {
    /// The one number that a statement answers.
    fileprivate func number(_ sql: String) throws(PostgresError) -> Double {
        let answer = try query(sql, doing: "read the status")
        return answer.rowCount == 1 ? answer.double(0, 0) ?? 0 : 0
    }
}

extension PostgresResult {
    /// A number; nil for NULL, and for what no clock shows, such as the time since `infinity`.
    fileprivate func double(_ row: Int, _ column: Int) -> Double? {
        text(row, column).flatMap { Double($0) }.flatMap { $0.magnitude < 1e15 ? $0 : nil }
    }
}
