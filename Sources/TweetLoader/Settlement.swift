import FoundationEssentials
import PipelineKit

/// Writes the rejects of a batch, each with its bytes; one that is there already stays as it is.
enum RejectsTable {
    static func insert(
        _ rejects: [Batch.Reject], of batch: borrowing Batch, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        guard !rejects.isEmpty else { return }
        let messages = rejects.map { batch.messages[$0.message] }
        let (raw, heads) = (batch.raw, rejects.map(\.head))
        let values = zip(heads, messages).map { head, message in
            head.map { byteaLiteral($0) } ?? message.value.map { byteaLiteral(raw[$0]) }
        }
        _ = try connection.query(
            """
            INSERT INTO rejects (reason, sqlstate, detail, value, key, stream, journal, seq, received_at,
                kafka_topic, kafka_partition, kafka_offset)
            SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::bytea[], $6::text[], $7::text[],
                $8::bigint[], $9::timestamptz[], $10::text[], $11::integer[], $12::bigint[])
            ON CONFLICT DO NOTHING
            """,
            [
                arrayLiteral(rejects.map(\.reason)),
                arrayLiteral(rejects.map(\.sqlstate)),
                arrayLiteral(rejects.map { $0.detail.map(storable) }),
                arrayLiteral(values),
                arrayLiteral(messages.map { $0.key.map { byteaLiteral(raw[$0]) } }),
            ] + sourceColumns(messages, at: messages.map { $0.headers?.receivedAt.description }),
            doing: "insert rejects")
    }
}

/// Stream, journal, number, time and place in Kafka, in the order of both tables.
func sourceColumns(_ messages: [Batch.Message], at times: [String?]) -> [String?] {
    [
        arrayLiteral(messages.map { $0.headers?.stream }),
        arrayLiteral(messages.map { $0.headers?.journal }),
        arrayLiteral(messages.map { $0.headers?.seq }),
        arrayLiteral(times),
        arrayLiteral(messages.map(\.partition.topic)),
        arrayLiteral(messages.map { Int64($0.partition.partition) }),
        arrayLiteral(messages.map(\.offset)),
    ]
}

/// Text that PostgreSQL can hold: NUL becomes U+FFFD.
func storable(_ text: String) -> String {
    text.utf8.contains(0) ? String(text.map { $0 == "\0" ? "\u{FFFD}" : $0 }) : text
}

/// Writes what happened to the streams, and the gaps that follow from it.
enum StreamEventsTable {
    /// Inserts the events; those that PostgreSQL refuses alone are returned as rejects.
    static func insert(
        of batch: borrowing Batch, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> [Batch.Reject] {
        guard !batch.events.isEmpty else { return [] }
        let rows = batch.events.map { EventRow($0, batch.messages[$0.message], batch.raw) }
        let refused = try connection.isolating(rows[...]) { piece throws(PostgresError) in
            try insert(Array(piece), connection)
        }
        try StreamGapsTable.update(with: rows, connection)
        return refused.map { row, error in
            Batch.Reject(
                message: row.index, reason: "database", sqlstate: error.sqlstate, detail: error.serverMessage)
        }
    }

    private static func insert(_ rows: [EventRow], _ connection: borrowing PostgresConnection) throws(PostgresError) {
        _ = try connection.query(
            """
            INSERT INTO stream_events (type, connection, cause, detail, payload, stream, journal, seq, at,
                kafka_topic, kafka_partition, kafka_offset)
            SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::jsonb[], $6::text[], $7::text[],
                $8::bigint[], $9::timestamptz[], $10::text[], $11::integer[], $12::bigint[])
            ON CONFLICT DO NOTHING
            """,
            [
                arrayLiteral(rows.map(\.type)),
                arrayLiteral(rows.map(\.connection)),
                arrayLiteral(rows.map(\.cause)),
                arrayLiteral(rows.map(\.detail)),
                arrayLiteral(rows.map(\.payload)),
            ] + sourceColumns(rows.map(\.message), at: rows.map { $0.at?.description }),
            doing: "insert stream events")
    }
}

/// One event as it is stored.
struct EventRow {
    let index: Int
    let message: Batch.Message
    let type: String
    let at: Timestamp?
    let connection: Int64?
    let cause: String?
    let detail: String?
    let payload: String
    let lastReceivedAt: Timestamp?
    let newestID: Int64?

    init(_ event: Batch.Event, _ message: Batch.Message, _ raw: [UInt8]) {
        index = event.message
        self.message = message
        var cleaned: [UInt8] = []
        unsafe raw[message.value ?? 0..<0].withUnsafeBytes { _ = unsafe CleanText.clean($0, into: &cleaned) }
        payload = String(decoding: cleaned, as: UTF8.self)
        let source = message.headers
        switch event.content {
        case .pipeline(let event):
            type = event.type.rawValue
            at = Timestamp(event.at) ?? source?.receivedAt
            connection = event.connection.flatMap { Int64($0) }
            cause = event.cause.map(storable)
            detail = event.detail.map(storable)
            lastReceivedAt = event.lastReceivedAt.flatMap { Timestamp($0) }
            newestID = event.newestID.flatMap { Int64($0) }
        case .control(let control):
            let problem = control.problems.first
            type = "x_message"
            at = source?.receivedAt
            connection = source.flatMap { $0.connection == 0 ? nil : $0.connection }
            cause = (problem?.disconnectType ?? problem?.connectionIssue ?? problem?.title).map(storable)
            detail = problem?.detail.map(storable)
            lastReceivedAt = nil
            newestID = nil
        }
    }
}

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
