import Postgres

/// Brings a batch's rows into `tweets` and the tables beside it, inside the batch's transaction.
///
/// COPY straight into the table is the fast way, and nearly always right. A row that is there already makes PostgreSQL reject the
/// whole COPY; then, or when repetitions are expected, all tweets are looked up first. What lines share is stored ahead
/// (`SharedWriting`); otherwise a line is written whole, in all its tables, or rejected whole.
struct TweetWriter {
    /// What became of a batch's lines.
    struct Outcome {
        var inserted = 0
        var duplicates = 0
        /// Whether a tweet was there already that was thought to be new.
        var isSurprised = false
        /// What the transaction adds to the posts by hour.
        var hours = HourCounts()
        /// Lines with a row that PostgreSQL refuses even alone, while others are taken.
        var refused: [(line: Batch.Line, error: PostgresError)] = []
        /// The same as rejects.
        var refusedRows: [Batch.Reject] {
            refused.map { line, error in
                Batch.Reject(
                    message: line.message, reason: "database", sqlstate: error.sqlstate, detail: error.serverMessage)
            }
        }
        /// All rejects of the batch, by reason.
        var rejects: [String: Int] = [:]
        /// Events and deletions that became rejects.
        var refusedEvents = 0
        var refusedDeletions = 0
        /// Tweets that deletions have removed, all versions.
        var deletedTweets = 0

        /// Takes note of all rejects of a batch.
        ///
        /// - Parameters:
        ///   - rejects: all of them.
        ///   - events: how many of them are events that PostgreSQL rejected.
        ///   - deletions: how many of them are deletions.
        mutating func note(_ rejects: [Batch.Reject], events: Int, deletions: Int) {
            (refusedEvents, refusedDeletions) = (events, deletions)
            for reject in rejects { self.rejects[reject.reason, default: 0] += 1 }
        }
    }

    /// Every row is refused, also one that was good before: the table is not what it was, and no row is to blame.
    struct EveryRowRefused: Error, CustomStringConvertible {
        let error: PostgresError
        var description: String { "PostgreSQL rejects every row, so no row becomes a reject: \(error)" }
    }

    private var recent = RecentIDs()
    private var partitions = KnownPartitions()
    private var expectsDuplicates = false
    private var probe = ProbeRow()

    /// Creates the monthly partitions that a batch needs; before its transaction, so that no lock is held for long.
    mutating func prepare(_ batch: borrowing Batch, _ connection: borrowing PostgresConnection) throws(PostgresError) {
        try partitions.ensure(for: batch.rows[.tweets].rows.map(\.key), connection)
    }

    /// Forgets what is known of the tables: another server may stand behind a new connection.
    mutating func forgetTable() {
        partitions.forget()
        recent = RecentIDs()
    }

    /// Writes the rows.
    ///
    /// - Parameters:
    ///   - batch: its monthly partitions exist.
    ///   - shared: what became of the rows that its lines share.
    ///   - connection: with a transaction that has begun.
    /// - Returns: what became of the lines.
    /// - Throws: `EveryRowRefused`; `PostgresError` that is not a matter of a row.
    mutating func write(
        _ batch: borrowing Batch, _ shared: SharedWriting.Outcome, _ connection: borrowing PostgresConnection
    ) throws -> Outcome {
        guard !batch.lines.isEmpty else { return Outcome() }
        let (rows, lines) = (batch.rows, batch.lines)
        do { return try writeAll(rows, lines, shared, connection) } catch  where error.disposition == .rejectRow {
            try partitions.recheck(after: error)
            guard try probe.isTaken(connection) else { throw EveryRowRefused(error: error) }
            return try writeGood(rows, lines, connection)
        }
    }

    private func writeAll(
        _ rows: RelationRows, _ lines: [Batch.Line], _ shared: SharedWriting.Outcome,
        _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Outcome {
        for way in expectsDuplicates ? [.copyAbsent] : [LineWriting.Way.copyUnknown, .copyAbsent] {
            do { return try write(rows, lines, shared, way, connection) } catch {
                // Something is there already that was thought to be new.
                guard error.isUniqueViolation else { throw error }
            }
        }
        return try write(rows, lines, shared, .merge, connection)
    }

    private func write(
        _ rows: RelationRows, _ lines: [Batch.Line], _ shared: SharedWriting.Outcome, _ way: LineWriting.Way,
        _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Outcome {
        let writing = LineWriting(rows, recent: recent, shared: shared, way)
        return try connection.inSavepoint { () throws(PostgresError) in try writing.write(lines[...], connection) }
    }

    /// Writes the lines that PostgreSQL takes, and finds those that it does not.
    private func writeGood(
        _ rows: RelationRows, _ lines: [Batch.Line], _ connection: borrowing PostgresConnection
    ) throws -> Outcome {
        let writing = LineWriting(rows, recent: recent, shared: .rejected, .merge)
        var outcome = Outcome()
        let refused = try connection.isolating(lines[...]) { piece throws(PostgresError) in
            let part = try writing.write(piece, connection)
            try connection.execute(LineWriting.clearStagingSQL, doing: "clear the staging tables")
            outcome.inserted += part.inserted
            outcome.duplicates += part.duplicates
            outcome.hours.add(part.hours)
        }
        outcome.refused = refused.map { ($0.item, $0.error) }
        return outcome
    }

    /// Remembers a batch whose transaction is committed.
    mutating func committed(_ batch: borrowing Batch, _ outcome: Outcome) {
        expectsDuplicates = outcome.isSurprised
        let refused = Set(outcome.refused.map(\.line.message))
        if let good = batch.lines.last(where: { !refused.contains($0.message) }) {
            probe.remember(batch.rows, of: good.message)
        }
        // What a tombstone deleted may arrive again.
        guard batch.deletions.isEmpty else { return recent = RecentIDs() }
        recent.insert(batch.rows[.tweets].rows.lazy.filter { !refused.contains($0.line) }.map(\.key))
    }
}
