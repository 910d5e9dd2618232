import Postgres

/// The gap ledger: what the events say about the times in which nothing was received.
enum StreamGapsTable {
    /// Opens a gap for each first `disconnected` or `stopped` after a `connected`, and ends it at the next `connected`; where
    /// several producers share the stream, `handed_over` opens one as well, and `handed_over` and `passive` end one.
    ///
    /// A host whose clock was set back meanwhile has gaps of no length, not negative ones. Worked out from `stream_events` by sequence number, so that an event that comes twice changes nothing.
    static func update(with events: [EventRow], _ connection: borrowing PostgresConnection) throws(PostgresError) {
        let openings = events.filter {
            $0.message.headers != nil && ["disconnected", "stopped", "handed_over"].contains($0.type)
        }
        if !openings.isEmpty { try open(openings, connection) }
        let journals = Set(events.compactMap { $0.message.headers.map { JournalName($0) } }).sorted()
        if !journals.isEmpty { try end(journals, connection) }
        let repairs = events.filter { $0.repair != nil && $0.message.headers != nil }
        if !repairs.isEmpty { try repair(repairs, connection) }
        let streams = Set(journals.map(\.stream))
        if !streams.isEmpty { try StreamCoverage.update(streams, connection) }
    }

    private static func open(_ events: [EventRow], _ connection: borrowing PostgresConnection) throws(PostgresError) {
        let headers = events.compactMap(\.message.headers)
        _ = try connection.query(
            """
            INSERT INTO stream_gaps (stream, journal, opened_seq, started_at, cause, connection, newest_id)
            SELECT e.stream, e.journal, e.seq, e.started_at, e.cause, e.connection, e.newest_id
            FROM unnest($1::text[], $2::text[], $3::bigint[], $4::timestamptz[], $5::text[], $6::bigint[],
                $7::bigint[], $8::boolean[]) AS e (stream, journal, seq, started_at, cause, connection, newest_id, is_handover)
            WHERE e.is_handover OR coalesce((
                SELECT before.type FROM stream_events before
                WHERE before.stream = e.stream AND before.journal = e.journal AND before.seq < e.seq
                    AND before.type IN ('connected', 'disconnected', 'stopped', 'handed_over', 'passive')
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
                arrayLiteral(events.map { $0.type == "handed_over" ? "t" : "f" }),
            ], doing: "open gaps")
    }

    private static func end(_ journals: [JournalName], _ connection: borrowing PostgresConnection) throws(PostgresError)
    {
        _ = try connection.query(
            """
            UPDATE stream_gaps g SET ended_at = greatest(c.at, g.started_at), ended_seq = c.seq
            FROM unnest($1::text[], $2::text[]) AS j (stream, journal), LATERAL (
                SELECT o.opened_seq, e.at, e.seq
                FROM stream_gaps o CROSS JOIN LATERAL (
                    SELECT e.at, e.seq FROM stream_events e
                    WHERE e.stream = o.stream AND e.journal = o.journal AND e.seq > o.opened_seq
                        AND e.type IN ('connected', 'handed_over', 'passive')
                    ORDER BY e.seq LIMIT 1) e
                WHERE o.stream = j.stream AND o.journal = j.journal AND o.ended_at IS NULL) c
            WHERE g.stream = j.stream AND g.journal = j.journal AND g.opened_seq = c.opened_seq
            """, [arrayLiteral(journals.map(\.stream)), arrayLiteral(journals.map(\.journal))], doing: "end gaps")
    }

    /// Says of gaps how they were filled, or why not.
    ///
    /// Posts are summed over the stored events, so that an event that comes twice changes nothing; a gap that is filled
    /// stays filled.
    private static func repair(_ events: [EventRow], _ connection: borrowing PostgresConnection) throws(PostgresError) {
        let headers = events.compactMap(\.message.headers)
        let repairs = events.compactMap(\.repair)
        _ = try connection.query(
            repairSQL,
            [
                arrayLiteral(headers.map(\.stream)), arrayLiteral(headers.map(\.journal)),
                arrayLiteral(headers.map(\.seq)), arrayLiteral(repairs.map(\.gap)),
                arrayLiteral(
                    repairs.map { $0.isExact.map { $0 ? "repaired_exactly" : "repaired_approximately" } }),
                arrayLiteral(events.map(\.cause)), arrayLiteral(events.map { $0.at?.description }),
                arrayLiteral(events.map(\.connection)), arrayLiteral(events.map(\.detail)),
            ], doing: "note repairs of gaps")
    }

    /// The newest event of a gap counts; posts are summed over all of them.
    private static let repairSQL = """
        UPDATE stream_gaps g SET
            status = coalesce(e.status, g.status),
            repaired_by = e.method, repaired_at = e.at, repair_connection = e.connection, repair_detail = e.detail,
            repaired_posts = (
                SELECT least(sum(s.lines), 9223372036854775807) FROM stream_events s
                WHERE s.stream = g.stream AND s.journal = g.journal AND s.type IN ('repaired', 'repair_failed')
                    AND s.gap_seq = g.opened_seq)
        FROM (
            SELECT stream, journal, gap,
                (array_agg(status ORDER BY seq DESC) FILTER (WHERE status IS NOT NULL))[1] AS status,
                (array_agg(method ORDER BY seq DESC))[1] AS method, (array_agg(at ORDER BY seq DESC))[1] AS at,
                (array_agg(connection ORDER BY seq DESC))[1] AS connection,
                (array_agg(detail ORDER BY seq DESC))[1] AS detail
            FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::text[],
                $7::timestamptz[], $8::bigint[], $9::text[])
                AS r (stream, journal, seq, gap, status, method, at, connection, detail)
            GROUP BY stream, journal, gap) e
        WHERE g.stream = e.stream AND g.journal = e.journal AND g.opened_seq = e.gap
            AND (g.repaired_at IS NULL OR g.repaired_at <= e.at)
        """
}
