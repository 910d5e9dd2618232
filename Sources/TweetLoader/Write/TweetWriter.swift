import Postgres

/// Brings a batch's rows into `tweets` and the tables beside it, inside the batch's transaction.
///
/// COPY straight into the table is the fast way for tweets and for new users, media, polls and places, and nearly always right. A
/// row that is there already makes PostgreSQL reject the whole COPY; then, or when a repetition is known beforehand, the rows go
/// through a staging table and are merged. A line is written whole, in all its tables, or rejected whole.
struct TweetWriter {
    /// What became of a batch's lines.
    struct Outcome {
        var inserted = 0
        var duplicates = 0
        /// Whether a tweet was there already that was thought to be new.
        var isSurprised = false
        /// Lines with a row that PostgreSQL refuses even alone, while others are taken.
        var refused: [(line: Batch.Line, error: PostgresError)] = []
        /// What is stored of things that were not known before.
        var states: [(relation: Relation, stored: StatePartitions.Known)] = []
        /// All rejects of the batch, by reason.
        var rejects: [String: Int] = [:]
        /// Events and deletions that became rejects.
        var refusedEvents = 0
        var refusedDeletions = 0

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
    private var states = StatePartitions()
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
        forgetRows()
    }

    private mutating func forgetRows() {
        recent = RecentIDs()
        states.forget()
    }

    /// Writes the rows.
    ///
    /// - Throws: `EveryRowRefused`; `PostgresError` that is not a matter of a row.
    mutating func write(_ batch: borrowing Batch, _ connection: borrowing PostgresConnection) throws -> Outcome {
        guard !batch.lines.isEmpty else { return Outcome() }
        let (rows, lines) = (batch.rows, batch.lines)
        do { return try writeAll(rows, lines, connection) } catch  where error.disposition == .rejectRow {
            try partitions.recheck(after: error)
            guard try probe.isTaken(connection) else { throw EveryRowRefused(error: error) }
            return try writeGood(rows, lines, connection)
        }
    }

    private func writeAll(
        _ rows: RelationRows, _ lines: [Batch.Line], _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Outcome {
        if !expectsDuplicates {
            do { return try write(rows, lines, mayCopy: true, connection) } catch {
                // Something is there already that was thought to be new.
                guard error.isUniqueViolation else { throw error }
            }
        }
        return try write(rows, lines, mayCopy: false, connection)
    }

    private func write(
        _ rows: RelationRows, _ lines: [Batch.Line], mayCopy: Bool, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Outcome {
        let writing = LineWriting(rows, recent: recent, states: states, mayCopy: mayCopy)
        return try connection.inSavepoint { () throws(PostgresError) in try writing.write(lines[...], connection) }
    }

    /// Writes the lines that PostgreSQL takes, and finds those that it does not.
    private func writeGood(
        _ rows: RelationRows, _ lines: [Batch.Line], _ connection: borrowing PostgresConnection
    ) throws -> Outcome {
        let writing = LineWriting(rows, recent: recent, states: states, mayCopy: false)
        var outcome = Outcome()
        let refused = try connection.isolating(lines[...]) { piece throws(PostgresError) in
            let part = try writing.write(piece, connection)
            try connection.execute(LineWriting.clearStagingSQL, doing: "clear the staging tables")
            outcome.inserted += part.inserted
            outcome.duplicates += part.duplicates
            outcome.states += part.states
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
        guard batch.deletions.isEmpty else { return forgetRows() }
        recent.insert(batch.rows[.tweets].rows.lazy.filter { !refused.contains($0.line) }.map(\.key))
        for (relation, stored) in outcome.states { states.insert(stored, of: relation) }
    }
}
