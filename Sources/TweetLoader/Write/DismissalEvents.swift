import Postgres
import TweetFormat

extension Dismissals {
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
}
