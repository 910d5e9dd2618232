import Core
import Postgres
import TweetFormat

/// Writes what happened to the streams, and what follows from it. Of heartbeats only the newest is kept, in `stream_state`.
enum StreamEventsTable {
    /// What follows from events besides their rows. Every new consequence of an event is a line here.
    ///
    /// `rows` is any part of a batch's events, all of them in `stream_events` already. What PostgreSQL rejects is found by
    /// halving: an event with which nothing of this can be done keeps its row, with the reason in `problem`.
    private static func apply(_ rows: [EventRow], _ connection: borrowing PostgresConnection) throws(PostgresError) {
        try StreamGapsTable.update(with: rows, connection)
        try RulesTable.record(rows, connection)
        try Dismissals.apply(rows, connection)
    }

    /// Inserts the events and applies them; those that PostgreSQL refuses alone are returned as rejects.
    ///
    /// - Throws: `TweetWriter.EveryRowRefused` when it accepts no event at all; `PostgresError` that is not a matter of a row.
    static func insert(
        of batch: borrowing Batch, _ connection: borrowing PostgresConnection
    ) throws -> [Batch.Reject] {
        guard !batch.events.isEmpty else { return [] }
        let all = batch.events.map { EventRow($0, batch.messages[$0.message], batch.raw) }
        let (heartbeats, rows) = (all.filter(StreamStateTable.holds), all.filter { !StreamStateTable.holds($0) })
        var refused = try Self.refused(of: heartbeats, connection) { piece throws(PostgresError) in
            try StreamStateTable.update(with: Array(piece), connection)
        }
        refused += try Self.refused(of: rows, connection) { piece throws(PostgresError) in
            try insert(Array(piece), connection)
        }
        let gone = Set(refused.map(\.item.index))
        try applyEach(rows.filter { !gone.contains($0.index) }, connection)
        return refused.map { row, error in
            Batch.Reject(
                message: row.index, reason: "database", sqlstate: error.sqlstate, detail: error.serverMessage)
        }
    }

    /// Writes rows, and returns those that PostgreSQL rejects although it has accepted the probe. A row that was rejected before
    /// the probe proves nothing: an operator may have fixed the table in between.
    private static func refused(
        of rows: [EventRow], _ connection: borrowing PostgresConnection,
        _ write: (ArraySlice<EventRow>) throws(PostgresError) -> Void
    ) throws -> [(item: EventRow, error: PostgresError)] {
        let once = try connection.isolating(rows[...], write)
        guard let first = once.first else { return [] }
        guard try takesProbe(connection) else { throw TweetWriter.EveryRowRefused(error: first.error) }
        return try connection.isolating(once.map(\.item)[...], write)
    }

    /// Applies what can be applied, and notes with the other events why they could not.
    private static func applyEach(
        _ rows: [EventRow], _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        let failed = try connection.isolating(rows[...]) { piece throws(PostgresError) in
            try apply(Array(piece), connection)
        }
        guard !failed.isEmpty else { return }
        let places = failed.map(\.item.message)
        _ = try connection.query(
            """
            UPDATE stream_events e SET problem = concat_ws('; ', e.problem, f.problem)
            FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::text[]) AS f (topic, partition, message, problem)
            WHERE e.kafka_topic = f.topic AND e.kafka_partition = f.partition AND e.kafka_offset = f.message
            """,
            [
                arrayLiteral(places.map(\.partition.topic)), arrayLiteral(places.map { Int64($0.partition.partition) }),
                arrayLiteral(places.map(\.offset)),
                arrayLiteral(failed.map { "not applied: \(storable($0.error.serverMessage))" }),
            ], doing: "note events that could not be applied")
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
            INSERT INTO stream_events (type, connection, cause, detail, payload, gap_seq, lines, problem,
                stream, journal, seq, at, kafka_topic, kafka_partition, kafka_offset)
            SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::jsonb[], $6::bigint[], $7::bigint[],
                $8::text[], $9::text[], $10::text[], $11::bigint[], $12::timestamptz[], $13::text[], $14::integer[],
                $15::bigint[])
            ON CONFLICT DO NOTHING
            """,
            [
                arrayLiteral(rows.map(\.type)),
                arrayLiteral(rows.map(\.connection)),
                arrayLiteral(rows.map(\.cause)),
                arrayLiteral(rows.map(\.detail)),
                arrayLiteral(rows.map(\.payload)),
                arrayLiteral(rows.map { $0.repair?.gap }),
                arrayLiteral(rows.map(\.lines)),
                arrayLiteral(rows.map(\.problem)),
            ] + sourceColumns(rows.map(\.message), at: rows.map { $0.at?.description }),
            doing: "insert stream events")
    }
}
