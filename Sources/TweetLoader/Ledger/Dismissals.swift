import Postgres

/// What an operator no longer wants counted: gaps that are accepted, and topics and journals that nothing uses any more.
enum Dismissals {
    /// Condition on `stream_gaps`: its journal counts.
    static let gapCounts =
        "NOT EXISTS (SELECT FROM dismissed d WHERE d.kind = 'journal' AND d.name = stream_gaps.journal)"

    /// Condition on `loader_offsets`: its topic counts. A topic that was committed to after its dismissal counts again.
    static let partitionCounts = """
        NOT EXISTS (SELECT FROM dismissed d WHERE d.kind = 'topic' AND d.name = loader_offsets.topic
            AND coalesce(loader_offsets.committed_at, d.dismissed_at) <= d.dismissed_at)
        """

    /// Condition on `kafka_holes`: its topic counts.
    static let holeCounts = "NOT EXISTS (SELECT FROM dismissed d WHERE d.kind = 'topic' AND d.name = kafka_holes.topic)"

    /// The ids of the journals that do not count.
    static func journals(_ connection: borrowing PostgresConnection) throws(PostgresError) -> Set<String> {
        let answer = try connection.query(
            "SELECT name FROM dismissed WHERE kind = 'journal'", doing: "read what was dismissed")
        return Set((0..<answer.rowCount).compactMap { answer.text($0, 0) })
    }

    /// Records that a topic or journal no longer counts.
    static func dismiss(
        _ kind: String, _ name: String, reason: String, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        _ = try connection.query(
            """
            INSERT INTO dismissed AS d (kind, name, reason) VALUES ($1, $2, $3)
            ON CONFLICT (kind, name) DO NOTHING
            """, [kind, name, reason], doing: "dismiss a \(kind)")
    }
}
