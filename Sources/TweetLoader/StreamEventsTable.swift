import PipelineKit

/// Writes what happened to the streams, and the gaps that follow from it.
enum StreamEventsTable {
    /// Inserts the events; those that PostgreSQL refuses alone are returned as rejects.
    ///
    /// - Throws: `TweetWriter.EveryRowRefused` when it takes no event at all; `PostgresError` that is not a matter of a row.
    static func insert(
        of batch: borrowing Batch, _ connection: borrowing PostgresConnection
    ) throws -> [Batch.Reject] {
        guard !batch.events.isEmpty else { return [] }
        let rows = batch.events.map { EventRow($0, batch.messages[$0.message], batch.raw) }
        let refused = try connection.isolating(rows[...]) { piece throws(PostgresError) in
            try insert(Array(piece), connection)
        }
        if let first = refused.first, !(try takesProbe(connection)) {
            throw TweetWriter.EveryRowRefused(error: first.error)
        }
        try StreamGapsTable.update(with: rows, connection)
        try Dismissals.apply(rows, connection)
        return refused.map { row, error in
            Batch.Reject(
                message: row.index, reason: "database", sqlstate: error.sqlstate, detail: error.serverMessage)
        }
    }

    /// Whether PostgreSQL takes an event that is good; nothing of it stays.
    private static func takesProbe(_ connection: borrowing PostgresConnection) throws(PostgresError) -> Bool {
        try connection.execute("SAVEPOINT probe")
        var isTaken = true
        do {
            try connection.execute(
                "INSERT INTO stream_events (type, kafka_topic, kafka_partition, kafka_offset) VALUES ('probe', '', -1, -1)"
            )
        } catch {
            guard error.disposition == .rejectRow else { throw error }
            isTaken = error.isUniqueViolation
        }
        try connection.execute("ROLLBACK TO SAVEPOINT probe; RELEASE SAVEPOINT probe")
        return isTaken
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
    /// What a repair did; nil for every other event.
    let repair: Repair?

    struct Repair {
        /// The sequence number of the event that opened the gap.
        let gap: Int64
        /// Nil when the gap stays open.
        let isExact: Bool?
        let posts: Int64
    }

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
            repair = Repair(event)
        case .control(let control):
            let problem = control.problems.first
            type = "x_message"
            at = source?.receivedAt
            connection = source.flatMap { $0.connection == 0 ? nil : $0.connection }
            cause = (problem?.disconnectType ?? problem?.connectionIssue ?? problem?.title).map(storable)
            detail = problem?.detail.map(storable)
            lastReceivedAt = nil
            newestID = nil
            repair = nil
        }
    }
}

extension EventRow.Repair {
    fileprivate init?(_ event: PipelineEvent) {
        guard event.type == .repaired || event.type == .repairFailed, let gap = event.seq else { return nil }
        self.gap = gap
        isExact = event.type == .repaired ? event.exact ?? false : nil
        posts = event.lines ?? 0
    }
}
