import Core
import Postgres

/// What the newest heartbeats say of the producers.
struct StreamFacts {
    let stream: String
    let journal: String
    /// When the heartbeat was written, in milliseconds since 1970, as are all moments here.
    let aliveAt: Int64
    let settledAt: Int64
    let dueAfter: Int64?
    let isConnected: Bool?
    let isPassive: Bool
    let receivedAt: Int64?
    let postAt: Int64?
    let unacknowledgedFrom: Int64?
    let postsToday: Int64?
    let postsOfCycle: Int64?
    let limitPerDay: Int64?
    let limitPerCycle: Int64?
    let journalBytes: Int64?
    let availableBytes: Int64?
    let rules: Int64?

    /// Reads the newest heartbeat of each producer, without journals that were dismissed.
    ///
    /// - Parameter session: to the database.
    /// - Returns: by stream, the newest first.
    /// - Throws: what the session throws.
    static func read(_ session: ConsoleSession) throws -> [StreamFacts] {
        let moments = ["alive_at", "settled_at", "last_received_at", "last_post_at", "unacknowledged_from"]
        return try session.rows(
            """
            SELECT stream, journal, \(moments.map(sqlMilliseconds).joined(separator: ", ")),
                (extract(epoch FROM due_after) * 1000)::bigint, connected, passive, posts_today, posts_of_cycle,
                limit_per_day, limit_per_cycle, journal_bytes, available_bytes, rules
            FROM stream_state
            WHERE NOT EXISTS (SELECT FROM dismissed d WHERE d.kind = 'journal' AND d.name = stream_state.journal)
            ORDER BY stream, alive_at DESC LIMIT 200
            """, doing: "read the heartbeats"
        ).map(StreamFacts.init)
    }

    private init(_ row: ConsoleRow) {
        (stream, journal) = (row.text(0), row.text(1))
        (aliveAt, settledAt) = (row.integer(2) ?? 0, row.integer(3) ?? 0)
        (receivedAt, postAt, unacknowledgedFrom) = (row.integer(4), row.integer(5), row.integer(6))
        dueAfter = row.integer(7)
        isConnected = row[8].map { $0 == "t" }
        isPassive = row.isTrue(9)
        (postsToday, postsOfCycle) = (row.integer(10), row.integer(11))
        (limitPerDay, limitPerCycle) = (row.integer(12), row.integer(13))
        (journalBytes, availableBytes, rules) = (row.integer(14), row.integer(15), row.integer(16))
    }
}

/// How far the loaders are, and what is missing.
struct LoadFacts {
    let partitions: Int64
    let committedAt: Int64?
    let rate: Int64
    let loaders: Int64
    let problem: String?
    let settled: Int64
    let last: Int64
    let openGaps: Int64
    let oldestGap: Int64?
    let openHoles: Int64
    /// More than `mostRejects` are not counted.
    let rejects: Int64

    static let mostRejects: Int64 = 10_000

    var unsettled: Int64 { last - settled }

    init(_ session: ConsoleSession) throws {
        let offsets = try session.rows(
            """
            SELECT count(*), \(sqlMilliseconds("max(committed_at)")), coalesce(sum(CASE
                WHEN committed_at > now() - interval '10 s' THEN rate ELSE 0 END), 0)::bigint
            FROM loader_offsets WHERE \(Dismissals.partitionCounts)
            """, doing: "read the offsets")[0]
        (partitions, committedAt, rate) = (offsets.integer(0) ?? 0, offsets.integer(1), offsets.integer(2) ?? 0)
        let running = try session.rows(
            """
            SELECT count(*), max(problem) FROM loaders
            WHERE ended_at IS NULL AND seen_at > now() - interval '\(LoaderPresence.silence.milliseconds) ms'
            """, doing: "read the loaders")[0]
        (loaders, problem) = (running.integer(0) ?? 0, running[1])
        (settled, last) = try session.work { connection in
            let dismissed = try Dismissals.journals(connection)
            let journals = try StreamLedger.read(connection).filter { !dismissed.contains($0.key.journal) }.values
            return (journals.reduce(0) { $0 + $1.count }, journals.reduce(0) { $0 + $1.last })
        }
        let gaps = try session.rows(
            "SELECT count(*), \(sqlMilliseconds("min(started_at)")) FROM stream_gaps WHERE \(LedgerFacts.isOpen)",
            doing: "count the gaps")[0]
        (openGaps, oldestGap) = (gaps.integer(0) ?? 0, gaps.integer(1))
        openHoles =
            try session.number(
                "SELECT count(*) FROM kafka_holes WHERE status = 'open' AND \(Dismissals.holeCounts)",
                doing: "count the holes") ?? 0
        rejects =
            try session.number(
                "SELECT count(*) FROM (SELECT FROM rejects LIMIT \(Self.mostRejects)) r", doing: "count the rejects")
            ?? 0
    }
}
