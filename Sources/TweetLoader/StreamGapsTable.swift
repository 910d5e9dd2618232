import PipelineKit

/// The gap ledger: what the events say about the times in which nothing was received.
enum StreamGapsTable {
    /// Opens a gap for each first `disconnected` or `stopped` after a `connected`, and ends it at the next `connected`.
    ///
    /// Worked out from `stream_events` by sequence number, so that an event that comes twice changes nothing.
    static func update(with events: [EventRow], _ connection: borrowing PostgresConnection) throws(PostgresError) {
        let openings = events.filter { $0.message.headers != nil && ["disconnected", "stopped"].contains($0.type) }
        if !openings.isEmpty { try open(openings, connection) }
        let journals = Set(events.compactMap { $0.message.headers.map { JournalName($0) } }).sorted()
        if !journals.isEmpty { try end(journals, connection) }
    }

    private static func open(_ events: [EventRow], _ connection: borrowing PostgresConnection) throws(PostgresError) {
        let headers = events.compactMap(\.message.headers)
        _ = try connection.query(
            """
            INSERT INTO stream_gaps (stream, journal, opened_seq, started_at, cause, connection, newest_id)
            SELECT e.* FROM unnest($1::text[], $2::text[], $3::bigint[], $4::timestamptz[], $5::text[], $6::bigint[],
                $7::bigint[]) AS e (stream, journal, seq, started_at, cause, connection, newest_id)
            WHERE coalesce((
                SELECT before.type FROM stream_events before
                WHERE before.stream = e.stream AND before.journal = e.journal AND before.seq < e.seq
                    AND before.type IN ('connected', 'disconnected', 'stopped')
                ORDER BY before.seq DESC LIMIT 1), 'connected') = 'connected'
            ON CONFLICT DO NOTHING
            """,
            [
                arrayLiteral(headers.map(\.stream)), arrayLiteral(headers.map(\.journal)),
                arrayLiteral(headers.map(\.seq)),
                arrayLiteral(
                    zip(events, headers).map { ($0.lastReceivedAt ?? $0.at ?? $1.receivedAt).description }),
                arrayLiteral(events.map { $0.cause ?? $0.type }),
                arrayLiteral(events.map(\.connection)),
                arrayLiteral(events.map(\.newestID)),
            ], doing: "open gaps")
    }

    private static func end(_ journals: [JournalName], _ connection: borrowing PostgresConnection) throws(PostgresError)
    {
        _ = try connection.query(
            """
            UPDATE stream_gaps g SET ended_at = c.at, ended_seq = c.seq
            FROM unnest($1::text[], $2::text[]) AS j (stream, journal), LATERAL (
                SELECT o.opened_seq, e.at, e.seq
                FROM stream_gaps o CROSS JOIN LATERAL (
                    SELECT e.at, e.seq FROM stream_events e
                    WHERE e.stream = o.stream AND e.journal = o.journal AND e.seq > o.opened_seq AND e.type = 'connected'
                    ORDER BY e.seq LIMIT 1) e
                WHERE o.stream = j.stream AND o.journal = j.journal AND o.ended_at IS NULL) c
            WHERE g.stream = j.stream AND g.journal = j.journal AND g.opened_seq = c.opened_seq
            """, [arrayLiteral(journals.map(\.stream)), arrayLiteral(journals.map(\.journal))], doing: "end gaps")
    }
}
