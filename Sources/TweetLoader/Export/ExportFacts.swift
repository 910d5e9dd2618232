import Core
import Postgres

/// What a reader of an export has to know of its window: rules, gaps, holes and rejects.
struct ExportFacts: Encodable, Sendable {
    /// A rule that was at X within the window.
    struct Rule: Encodable, Sendable {
        let ruleID: String
        let stream: String
        let tag: String?
        let value: String
        let seenFrom: String
        /// Nil while X has it.
        let seenUntil: String?
    }

    /// A time without a connection that overlaps the window.
    struct Gap: Encodable, Sendable {
        let stream: String
        let journal: String
        let startedAt: String
        /// Nil while the stream is not connected.
        let endedAt: String?
        let cause: String?
        let status: String
        let repairedPosts: Int64?
    }

    /// Messages that Kafka deleted before they were loaded.
    struct Hole: Encodable, Sendable {
        let topic: String
        let partition: Int64
        let firstOffset: Int64
        let endOffset: Int64?
        let foundAt: String
        let cause: String
        let status: String
    }

    let rules: [Rule]
    let gaps: [Gap]
    let holes: [Hole]
    /// Messages received in the window that did not become rows.
    let rejects: Int64

    /// Gaps that no repair has filled exactly.
    var incompleteGaps: Int { gaps.filter { !["repaired_exactly", "covered"].contains($0.status) }.count }

    /// Reads them, in the transaction of the export.
    init(_ selection: ExportSelection, _ connection: borrowing PostgresConnection) throws(PostgresError) {
        let window = [selection.since?.description, selection.until?.description]
        let streams = selection.streams.isEmpty ? nil : arrayLiteral(selection.streams.map(Optional.some))
        let names = selection.rules.isEmpty ? nil : arrayLiteral(selection.rules.map(Optional.some))
        rules = try Self.rules(window + [streams, names], connection)
        gaps = try Self.gaps(window + [streams], connection)
        holes = try Self.holes(window, connection)
        let answer = try connection.query(
            """
            SELECT count(*) FROM rejects WHERE ($1::timestamptz IS NULL OR coalesce(received_at, rejected_at) >= $1::timestamptz)
                AND ($2::timestamptz IS NULL OR coalesce(received_at, rejected_at) < $2::timestamptz)
                AND ($3::text[] IS NULL OR stream IS NULL OR stream = ANY ($3::text[]))
            """, window + [streams], doing: "count rejects")
        rejects = answer.integer(0, 0) ?? 0
    }

    private static func rules(
        _ parameters: [String?], _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> [Rule] {
        let answer = try connection.query(
            """
            SELECT rule_id, stream, tag, value, \(rfc3339("seen_from")), \(rfc3339("seen_until")) FROM rules
            WHERE ($1::timestamptz IS NULL OR coalesce(seen_until, 'infinity') >= $1::timestamptz)
                AND ($2::timestamptz IS NULL OR seen_from < $2::timestamptz)
                AND ($3::text[] IS NULL OR stream = ANY ($3::text[]))
                AND ($4::text[] IS NULL OR tag = ANY ($4::text[]) OR rule_id::text = ANY ($4::text[]))
            ORDER BY stream, seen_from, rule_id
            """, parameters, doing: "read rules")
        return answer.rows.map { row in
            Rule(
                ruleID: row[0] ?? "", stream: row[1] ?? "", tag: row[2], value: row[3] ?? "", seenFrom: row[4] ?? "",
                seenUntil: row[5])
        }
    }

    private static func gaps(
        _ parameters: [String?], _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> [Gap] {
        let answer = try connection.query(
            """
            SELECT stream, journal, \(rfc3339("started_at")), \(rfc3339("ended_at")), cause, status, repaired_posts
            FROM stream_gaps WHERE ($1::timestamptz IS NULL OR coalesce(ended_at, 'infinity') >= $1::timestamptz)
                AND ($2::timestamptz IS NULL OR started_at < $2::timestamptz)
                AND ($3::text[] IS NULL OR stream = ANY ($3::text[])) AND \(Dismissals.gapCounts)
            ORDER BY started_at, stream, journal
            """, parameters, doing: "read gaps")
        return (0..<answer.rowCount).map { row in
            Gap(
                stream: answer.text(row, 0) ?? "", journal: answer.text(row, 1) ?? "",
                startedAt: answer.text(row, 2) ?? "", endedAt: answer.text(row, 3), cause: answer.text(row, 4),
                status: answer.text(row, 5) ?? "", repairedPosts: answer.integer(row, 6))
        }
    }

    /// A hole has no times of its own: what was deleted had been received before it was found, and not later than the window.
    private static func holes(
        _ window: [String?], _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> [Hole] {
        let answer = try connection.query(
            """
            SELECT topic, partition, first_offset, end_offset, \(rfc3339("found_at")), cause, status FROM kafka_holes
            WHERE ($1::timestamptz IS NULL OR found_at >= $1::timestamptz) AND \(Dismissals.holeCounts)
            ORDER BY found_at, topic, partition, first_offset
            """, [window[0]], doing: "read holes")
        return (0..<answer.rowCount).map { row in
            Hole(
                topic: answer.text(row, 0) ?? "", partition: answer.integer(row, 1) ?? 0,
                firstOffset: answer.integer(row, 2) ?? 0, endOffset: answer.integer(row, 3),
                foundAt: answer.text(row, 4) ?? "", cause: answer.text(row, 5) ?? "", status: answer.text(row, 6) ?? "")
        }
    }
}
