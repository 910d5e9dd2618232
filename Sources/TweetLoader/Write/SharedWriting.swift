import Postgres

/// Writes what many lines bring alike, in a transaction of its own: states of users, media and other things, and included tweets.
struct SharedWriting {
    /// What became of the shared rows of a batch.
    enum Outcome: Sendable {
        /// They are stored.
        ///
        /// - Parameters:
        ///   - known: tweets of the batch that may be stored already, because a line has included them lately.
        case stored(known: Set<Int64>)
        /// PostgreSQL rejects one of them: each line has to be written with all its rows.
        case rejected
    }

    private var states = StatePartitions()
    /// Tweets that were included or found lately.
    private var tweets = RecentIDs()

    /// How often included tweets are copied before they are merged. Each time another process has committed some of them.
    private static let attempts = 3

    /// Forgets what is stored.
    mutating func forget() {
        states.forget()
        tweets = RecentIDs()
    }

    /// Writes the shared rows of a batch, and ends the transaction.
    ///
    /// - Parameters:
    ///   - batch: its monthly partitions exist.
    ///   - connection: with a transaction that has begun.
    /// - Returns: what became of them.
    /// - Throws: `PostgresError` that is not a matter of a row.
    mutating func write(
        _ batch: Batch, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Outcome {
        let known = known(in: batch)
        do {
            try write(batch.rows, connection)
            return .stored(known: known)
        } catch {
            guard error.disposition == .rejectRow else { throw error }
            forget()
            try connection.execute("ROLLBACK")
            return .rejected
        }
    }

    /// Tweets that a rule matched and a line has included lately.
    func known(in batch: Batch) -> Set<Int64> {
        Set(batch.rows[.tweets].rows.lazy.filter { $0.isMatched && tweets.contains($0.key) }.map(\.key))
    }

    private mutating func write(
        _ rows: RelationRows, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        let tables = TableWriting(rows: rows)
        let included = TweetSelection(rows[.tweets].rows[...], isKnown: tweets.contains).included
        try write(included, tables, connection)
        let stored = try writeStates(tables, connection)
        try connection.execute("COMMIT")
        tweets.insert(included.map(\.key))
        for (relation, known) in stored { states.insert(known, of: relation) }
    }

    /// What is stored now of the things whose states were written.
    private func writeStates(
        _ tables: TableWriting, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> [(Relation, StatePartitions.Known)] {
        var stored: [(Relation, StatePartitions.Known)] = []
        for relation in Relation.allCases where relation.isState {
            let writing = StateWriting(tables, relation, known: states[relation])
            stored.append((relation, try writing.write(tables.rows[relation].rows[...], connection)))
        }
        return stored
    }

    /// Copies the included tweets that are not stored.
    private func write(
        _ included: [RelationRows.Row], _ tables: TableWriting, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        for _ in 0..<Self.attempts {
            let stored = try StoredTweets(among: included, connection)
            let new = RowFilter(included.filter { !stored.contains($0.key) }).rows
            if new.isEmpty { return }
            do {
                return try connection.inSavepoint { () throws(PostgresError) in
                    try tables.copy(new, into: .tweets, connection)
                }
            } catch {
                guard error.isUniqueViolation else { throw error }
            }
        }
        try tables.merge(RowFilter(included).rows, into: .tweets, connection)
    }
}

extension Batch {
    /// Whether lines bring rows that others bring too.
    var sharesRows: Bool {
        Relation.allCases.contains { $0.isState && !rows[$0].rows.isEmpty }
            || rows[.tweets].rows.contains { !$0.isMatched }
    }
}
