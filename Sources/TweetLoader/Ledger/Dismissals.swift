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

    /// One topic or journal that was dismissed.
    struct Entry: Encodable {
        var kind: String
        var name: String
        var reason: String
        var dismissedAt: String
    }

    /// Reads what was dismissed, by kind and name.
    ///
    /// - Parameters:
    ///   - inEffect: without the topics that were committed to after their dismissal, which count again.
    ///   - connection: to PostgreSQL.
    /// - Returns: topics and journals with the reasons.
    /// - Throws: `PostgresError` when they cannot be read.
    static func entries(
        inEffect: Bool, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> [Entry] {
        let condition = """
            kind = 'journal' OR NOT EXISTS (SELECT FROM loader_offsets o
                WHERE o.topic = dismissed.name AND o.committed_at > dismissed.dismissed_at)
            """
        let answer = try connection.query(
            """
            SELECT kind, name, reason, \(rfc3339("dismissed_at")) FROM dismissed
            WHERE \(inEffect ? condition : "true") ORDER BY kind, name
            """, doing: "read what was dismissed")
        return (0..<answer.rowCount).map { row in
            Entry(
                kind: answer.text(row, 0) ?? "", name: answer.text(row, 1) ?? "", reason: answer.text(row, 2) ?? "",
                dismissedAt: answer.text(row, 3) ?? "")
        }
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
