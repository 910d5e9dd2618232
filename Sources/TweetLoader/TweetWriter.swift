import PipelineKit

/// Brings a batch's rows into `tweets`, inside the batch's transaction.
///
/// COPY straight into the table is the fast way, and nearly always right. A row that is there already refuses the whole
/// COPY; then, or when a repetition is known beforehand, the rows go through a staging table and are merged.
struct TweetWriter {
    /// What became of a batch's rows.
    struct Outcome {
        var inserted = 0
        var duplicates = 0
        /// Rows that PostgreSQL refuses even alone, while others are taken.
        var refused: [(row: Batch.Row, error: PostgresError)] = []
    }

    /// Every row is refused, also one that was good before: the table is not what it was, and no row is to blame.
    struct EveryRowRefused: Error, CustomStringConvertible {
        let error: PostgresError
        var description: String { "PostgreSQL refuses every row, so none is rejected: \(error)" }
    }

    private var recent = RecentIDs()
    private var partitions = KnownPartitions()
    private var expectsDuplicates = false
    private var probe = ProbeRow()

    /// Creates the monthly partitions that a batch needs; before its transaction, so that no lock is held for long.
    mutating func prepare(_ batch: borrowing Batch, _ connection: borrowing PostgresConnection) throws(PostgresError) {
        try partitions.ensure(for: batch.rows.map(\.id), connection)
    }

    /// Forgets what is known of the table: another server may stand behind a new connection.
    mutating func forgetTable() {
        partitions.forget()
    }

    /// Writes the rows.
    ///
    /// - Throws: `EveryRowRefused`; `PostgresError` that is not a matter of a row.
    mutating func write(_ batch: borrowing Batch, _ connection: borrowing PostgresConnection) throws -> Outcome {
        guard !batch.rows.isEmpty else { return Outcome() }
        do { return try writeAll(batch, connection) } catch let error as PostgresError
            where error.disposition == .rejectRow
        {
            try partitions.recheck(after: error)
            guard try probe.isTaken(connection) else { throw EveryRowRefused(error: error) }
            return try writeGood(batch, connection)
        }
    }

    /// Remembers a batch whose transaction is committed.
    mutating func committed(_ batch: borrowing Batch, _ outcome: Outcome) {
        recent.insert(batch.rows.map(\.id))
        expectsDuplicates = outcome.duplicates > 0
        let refused = Set(outcome.refused.map(\.row.message))
        if let good = batch.rows.last(where: { !refused.contains($0.message) }) {
            probe.remember(batch.buffer.storage[good.bytes])
        }
    }

    private func writeAll(_ batch: borrowing Batch, _ connection: borrowing PostgresConnection) throws -> Outcome {
        let rows = batch.rows
        if !mayRepeat(rows), let inserted = try copyStraight(batch, connection) { return Outcome(inserted: inserted) }
        try connection.execute(TweetRow.createStagingSQL, doing: "create the staging table")
        let bytes = batch.buffer.storage
        let inserted = try connection.inSavepoint { () throws(PostgresError) in
            try Self.merge(rows[...], bytes, connection)
        }
        return Outcome(inserted: inserted, duplicates: rows.count - inserted)
    }

    /// Copies into `tweets` itself; nil when one of the tweets is there already, and nothing was written.
    private func copyStraight(
        _ batch: borrowing Batch, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Int? {
        let (bytes, rows) = (batch.buffer.storage, batch.rows)
        do {
            return try connection.inSavepoint { () throws(PostgresError) -> Int in
                try connection.copy(
                    into: "tweets", columns: TweetRow.columns, bytes: bytes, rows: rows.lazy.map(\.bytes))
            }
        } catch {
            guard error.isUniqueViolation else { throw error }
            return nil
        }
    }

    /// Writes what PostgreSQL takes, and finds what it does not.
    private func writeGood(_ batch: borrowing Batch, _ connection: borrowing PostgresConnection) throws -> Outcome {
        let (bytes, rows) = (batch.buffer.storage, batch.rows)
        var inserted = 0
        try connection.execute(TweetRow.createStagingSQL, doing: "create the staging table")
        let refused = try connection.isolating(rows[...]) { piece throws(PostgresError) in
            inserted += try Self.merge(piece, bytes, connection)
            try connection.execute("DELETE FROM \(TweetRow.staging)")
        }
        return Outcome(
            inserted: inserted, duplicates: rows.count - refused.count - inserted,
            refused: refused.map { ($0.item, $0.error) })
    }

    private static func merge(
        _ rows: ArraySlice<Batch.Row>, _ bytes: [UInt8], _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Int {
        try connection.copy(
            into: TweetRow.staging, columns: TweetRow.columns, bytes: bytes, rows: rows.lazy.map(\.bytes))
        let inserted = try connection.query(TweetRow.insertSQL, doing: "merge into tweets").affectedRows
        if inserted < rows.count { try connection.execute(TweetRow.uniteRulesSQL, doing: "unite the rules of tweets") }
        return inserted
    }

    /// Whether a repetition is known without asking: within the batch, or of a tweet stored lately.
    private func mayRepeat(_ rows: [Batch.Row]) -> Bool {
        if expectsDuplicates { return true }
        var ids = Set<Int64>(minimumCapacity: rows.count)
        return rows.contains { !ids.insert($0.id).inserted || recent.contains($0.id) }
    }
}
