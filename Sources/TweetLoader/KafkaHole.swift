import Logging
import PipelineKit

/// Messages that Kafka no longer has, although they were not loaded.
struct KafkaHole {
    let partition: TopicPartition
    /// The offset to go on with, which Kafka does not have.
    let wanted: Int64
    /// The oldest offset that Kafka has, and the one that the next message will get.
    let kept: (low: Int64, high: Int64)

    init(_ partition: TopicPartition, wanted: Int64, in kept: (low: Int64, high: Int64)) {
        self.partition = partition
        self.wanted = wanted
        self.kept = kept
    }

    /// The offset after the last that is gone; nil when Kafka's offsets began anew below `wanted`.
    private var end: Int64? { wanted < kept.low ? kept.low : nil }

    /// Whether Kafka has the offset after all, as after a leader came back.
    private var isNone: Bool { (kept.low...kept.high).contains(wanted) }

    /// Whether the partition can be loaded again.
    func isGone(under policy: HolePolicy) -> Bool { isNone || policy == .continue }

    /// Writes the hole, and with `continue` the offset to go on with, if the partition is still ours.
    func record(
        _ claims: PartitionClaims, _ policy: HolePolicy, _ connection: borrowing PostgresConnection
    ) throws {
        if isNone { return }
        try connection.execute("BEGIN")
        guard try claims.lock([partition], connection).nextOffsets[partition] == wanted else {
            return try connection.execute("ROLLBACK")
        }
        let place = [partition.topic, "\(partition.partition)", "\(wanted)"]
        _ = try connection.query(
            """
            INSERT INTO kafka_holes AS h (topic, partition, first_offset, end_offset, passed_at)
            VALUES ($1, $2::integer, $3::bigint, $4::bigint, CASE WHEN $5::boolean THEN now() END)
            ON CONFLICT (topic, partition, first_offset)
                DO UPDATE SET end_offset = excluded.end_offset, passed_at = excluded.passed_at, status = 'open'
            """, place + [end.map(String.init), "\(policy == .continue)"], doing: "record a hole")
        if policy == .continue { try claims.store([partition: kept.low], connection) }
        try connection.execute("COMMIT")
    }

    /// Says what is gone, and what to do.
    func tell(_ policy: HolePolicy, _ logger: Logger) {
        if isNone { return }
        let lost = end.map { "\(wanted) to \($0 - 1): \($0 - wanted) messages" } ?? "unknown: offsets began anew"
        var facts: Logger.Metadata = [
            "partition": "\(partition)", "lost": "\(lost)", "Kafka has": "\(kept.low) to \(kept.high - 1)",
            "why": "retention has overtaken the loader, or the topic was made anew",
        ]
        if policy == .stop {
            facts["remedy"] = "start the loader with --on-hole continue, which goes on with the oldest that Kafka has"
            return logger.error(
                "Kafka has deleted messages before they were loaded: this partition stands still", metadata: facts)
        }
        logger.error("Kafka has deleted messages before they were loaded: going on behind them", metadata: facts)
    }
}
