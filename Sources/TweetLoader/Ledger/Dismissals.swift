import Postgres
import TweetFormat

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

    /// Applies events of `tweet-producer gaps close` and `journal forget`; one that comes twice changes nothing.
    static func apply(_ rows: [EventRow], _ connection: borrowing PostgresConnection) throws(PostgresError) {
        for row in rows where row.type == PipelineEvent.Kind.gapClosed.rawValue {
            guard let headers = row.message.headers, let event = PipelineEvent(line: Array(row.payload.utf8)),
                let gap = event.seq
            else { continue }
            _ = try connection.query(
                """
                UPDATE stream_gaps SET status = 'accepted', accepted_at = $4, accepted_reason = $5
                WHERE stream = $1 AND journal = $2 AND opened_seq = $3 AND status = 'open'
                """,
                [headers.stream, headers.journal, String(gap), row.at?.description, row.detail], doing: "accept a gap")
        }
        for row in rows where row.type == PipelineEvent.Kind.journalForgotten.rawValue {
            guard row.message.headers != nil, let id = row.cause, !id.isEmpty else { continue }
            try dismiss("journal", id, reason: row.detail ?? "", connection)
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
