import KafkaClient
import Postgres

/// The lines that the ledger had settled when partitions were claimed: the loader skips them unread when Kafka has them again
/// under other offsets, as after a producer's kill or when `loader_offsets` was lost.
///
/// What was settled since then is not in it; such a line is merged like any other that comes twice.
struct SettledLines {
    private var journals: [JournalName: RangeSet<Int64>] = [:]
    /// Lines that Kafka had rejected: a replay may still publish them, and then they become rows.
    private var rejected: [JournalName: RangeSet<Int64>] = [:]
    private var last: (name: JournalName, numbers: RangeSet<Int64>)?

    init() {}

    /// Reads the ledger.
    init(_ connection: borrowing PostgresConnection) throws {
        journals = try StreamLedger.read(connection)
        let answer = try connection.query(
            """
            SELECT stream, journal, range_agg(int8range(seq, seq + 1)) FROM rejects
            WHERE reason = 'refused_by_kafka' AND seq IS NOT NULL GROUP BY 1, 2
            """, doing: "read the rejects of Kafka")
        for row in 0..<answer.rowCount {
            guard let stream = answer.text(row, 0), let journal = answer.text(row, 1) else { continue }
            let numbers = answer.text(row, 2).flatMap { RangeSet(multirange: $0) }
            rejected[JournalName(stream: stream, journal: journal)] = numbers
        }
    }

    /// Whether the line with these headers is settled.
    mutating func contains(_ headers: RecordHeaders) -> Bool {
        guard !journals.isEmpty else { return false }
        if !rejected.isEmpty, rejected[JournalName(headers)]?.contains(headers.seq) == true { return false }
        if let last, last.name.journal == headers.journal, last.name.stream == headers.stream {
            return last.numbers.contains(headers.seq)
        }
        let name = JournalName(headers)
        guard let numbers = journals[name] else { return false }
        last = (name, numbers)
        return numbers.contains(headers.seq)
    }
}
