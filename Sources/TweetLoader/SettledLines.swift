import PipelineKit

/// The lines that PostgreSQL has settled, as its ledger said when partitions were claimed: they are passed over unread when
/// Kafka brings them again under other offsets, as after a producer's kill or when `loader_offsets` was lost.
///
/// What was settled since then is not in it; such a line is merged like any other that comes twice.
struct SettledLines {
    private var journals: [JournalName: SequenceSet] = [:]
    private var last: (name: JournalName, numbers: SequenceSet)?

    init() {}

    /// Reads the ledger.
    init(_ connection: borrowing PostgresConnection) throws {
        journals = try StreamLedger.read(connection)
    }

    /// Whether the line with these headers is settled.
    mutating func contains(_ headers: RecordHeaders) -> Bool {
        guard !journals.isEmpty else { return false }
        if let last, last.name.journal == headers.journal, last.name.stream == headers.stream {
            return last.numbers.contains(headers.seq)
        }
        let name = JournalName(headers)
        guard let numbers = journals[name] else { return false }
        last = (name, numbers)
        return numbers.contains(headers.seq)
    }
}
