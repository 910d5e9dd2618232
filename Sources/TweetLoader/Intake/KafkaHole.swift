import KafkaClient
import Logging
import Postgres

/// Messages that Kafka no longer has, although they were not loaded.
struct KafkaHole {
    let partition: TopicPartition
    /// The offset to continue with, which Kafka does not have.
    let wanted: Int64
    /// The oldest offset that Kafka has, and the one that the next message will get.
    let kept: (low: Int64, high: Int64)

    /// Whether another log stands in the place of the one that was loaded: the topic was created again, or the cluster restored.
    let isReplaced: Bool

    /// A hole between `wanted` and what Kafka kept; `isReplaced` is what a look at the log has shown, and offsets that end below
    /// `wanted` show the same.
    init(_ partition: TopicPartition, wanted: Int64, in kept: (low: Int64, high: Int64), isReplaced: Bool = false) {
        self.partition = partition
        self.wanted = wanted
        self.kept = kept
        self.isReplaced = isReplaced || wanted > kept.high
    }

    /// The offset after the last missing one; nil when the log was replaced.
    private var end: Int64? { wanted < kept.low && !isReplaced ? kept.low : nil }

    /// Whether Kafka has the offset after all, as after the return of a leader, or when only the remembered message was deleted.
    private var isNone: Bool { !isReplaced && (kept.low...kept.high).contains(wanted) }

    /// Whether the partition can be loaded again.
    func isGone(under policy: HolePolicy) -> Bool { isNone || policy == .continue }

    /// Stores the hole, and with `continue` the offset to continue with, if the partition is still ours.
    func record(
        _ claims: PartitionClaims, _ policy: HolePolicy, _ connection: borrowing PostgresConnection
    ) throws {
        // What was remembered of the log is not there any more: without it, the partition starts at the next offset.
        if isNone { return try claims.forgetIdentity(of: partition, connection) }
        try connection.execute("BEGIN")
        guard try claims.lock([partition], connection).nextOffsets[partition] == wanted else {
            return try connection.execute("ROLLBACK")
        }
        let place = [partition.topic, "\(partition.partition)", "\(wanted)"]
        _ = try connection.query(
            """
            INSERT INTO kafka_holes AS h (topic, partition, first_offset, end_offset, passed_at, cause, messages)
            VALUES ($1, $2::integer, $3::bigint, $4::bigint, CASE WHEN $5::boolean THEN now() END, $6, $4::bigint - $3::bigint)
            ON CONFLICT (topic, partition, first_offset)
                DO UPDATE SET end_offset = excluded.end_offset, passed_at = excluded.passed_at, status = 'open',
                    cause = excluded.cause, messages = excluded.messages
            """,
            place + [end.map(String.init), "\(policy == .continue)", isReplaced ? "replaced" : "deleted"],
            doing: "record a hole")
        if policy == .continue {
            try claims.store([partition: kept.low], [:], connection)
            try claims.forgetIdentity(of: partition, connection)
        }
        try connection.execute("COMMIT")
    }

    /// Adds offsets that a compacted topic does not have any more to the one open hole of their partition.
    static func record(
        jumps: [(partition: TopicPartition, offsets: Range<Int64>)], _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        guard !jumps.isEmpty else { return }
        let values: [String?] = [
            arrayLiteral(jumps.map(\.partition.topic)), arrayLiteral(jumps.map { Int64($0.partition.partition) }),
            arrayLiteral(jumps.map(\.offsets.lowerBound)), arrayLiteral(jumps.map(\.offsets.upperBound)),
        ]
        _ = try connection.query(
            """
            WITH jumped AS (
                SELECT topic, partition, min(low) AS low, max(high) AS high, sum(high - low) AS messages
                FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[]) AS j (topic, partition, low, high)
                GROUP BY topic, partition
            ), added AS (
                UPDATE kafka_holes h SET end_offset = greatest(h.end_offset, j.high), messages = h.messages + j.messages
                FROM jumped j
                WHERE h.topic = j.topic AND h.partition = j.partition AND h.cause = 'compacted' AND h.status = 'open'
                RETURNING h.topic, h.partition
            )
            INSERT INTO kafka_holes (topic, partition, first_offset, end_offset, passed_at, cause, messages)
            SELECT j.topic, j.partition, j.low, j.high, now(), 'compacted', j.messages FROM jumped j
            WHERE NOT EXISTS (SELECT FROM added a WHERE a.topic = j.topic AND a.partition = j.partition)
            ON CONFLICT DO NOTHING
            """, values, doing: "record what compaction has deleted")
    }

    /// Logs what is missing, and what to do.
    func tell(_ policy: HolePolicy, _ logger: Logger) {
        if isNone { return }
        let lost = end.map { "\(wanted) to \($0 - 1): \($0 - wanted) messages" } ?? "unknown"
        var facts: Logger.Metadata = [
            "partition": .stringConvertible(partition), "lost": "\(lost)", "kept": "\(kept.low) to \(kept.high - 1)",
            "why": isReplaced
                ? "the topic was created again, or the cluster was restored"
                : "the topic's retention is shorter than the loader was behind",
        ]
        if policy == .stop {
            facts["remedy"] = "restart the loader with --on-hole continue to continue with the oldest message in Kafka"
            return logger.error(
                isReplaced
                    ? "a topic's messages are not those that were loaded; this partition is stopped (ON_HOLE=stop)"
                    : "Kafka deleted messages before they were loaded; this partition is stopped (ON_HOLE=stop)",
                metadata: facts)
        }
        logger.error(
            isReplaced
                ? "a topic's messages are not those that were loaded; loading all of them (ON_HOLE=continue)"
                : "Kafka deleted messages before they were loaded; continuing with the oldest one left (ON_HOLE=continue)",
            metadata: facts)
    }
}
