import Postgres

/// Writes what many lines bring alike, in a transaction of its own: states of users, media and other things, included tweets, and
/// versions of tweets.
struct SharedWriting {
    /// What became of the shared rows of a batch.
    enum Outcome: Sendable {
        /// They are stored.
        ///
        /// - Parameters:
        ///   - known: tweets of the batch that may be stored already, because a line has included them lately.
        ///   - awaited: what stores the included tweets that were left out.
        case stored(known: Set<Int64>, awaited: [UncommittedTweets])
        /// PostgreSQL rejects one of them: each line has to be written with all its rows.
        case rejected
    }

    private var states = StatePartitions()
    /// Tweets that were included or found lately.
    private var tweets = RecentIDs()
    /// Tweets that a rule matched and a writer has stored lately.
    private var matched = RecentIDs()

    /// How often included tweets are copied before they are merged. Each time another process has committed some of them.
    private static let attempts = 3

    /// Forgets what is stored.
    mutating func forget() {
        states.forget()
        tweets = RecentIDs()
        matched = RecentIDs()
    }

    /// Remembers tweets that a writer has stored: a line that includes one of them needs no statement for it.
    mutating func remember(_ stored: Set<Int64>) {
        matched.insert(stored)
    }

    /// Writes the shared rows of a batch, and ends the transaction.
    ///
    /// - Parameters:
    ///   - batch: its monthly partitions exist.
    ///   - others: tweets that other transactions are about to store; they are left out.
    ///   - connection: with a transaction that has begun.
    /// - Returns: what became of them.
    /// - Throws: `PostgresError` that is not a matter of a row.
    mutating func write(
        _ batch: Batch, leaving others: [UncommittedTweets], _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Outcome {
        let known = known(in: batch)
        do {
            return .stored(known: known, awaited: try write(batch.rows, leaving: others, connection))
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
        _ rows: RelationRows, leaving others: [UncommittedTweets], _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> [UncommittedTweets] {
        let tables = TableWriting(rows: rows)
        let all = TweetSelection(rows[.tweets].rows[...]) { tweets.contains($0) || matched.contains($0) }.included
        let awaited = others.filter { other in all.contains { other.contains($0.key) } }
        let included = all.filter { tweet in !awaited.contains { $0.contains(tweet.key) } }
        try write(included, tables, connection)
        try tables.merge(RowFilter(rows[.tweetVersions].rows).rows, into: .tweetVersions, connection)
        let stored = try writeStates(tables, connection)
        try connection.execute("COMMIT")
        tweets.insert(included.map(\.key))
        for (relation, known) in stored { states.insert(known, of: relation) }
        return awaited
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
        Relation.allCases.contains { ($0.isState || $0 == .tweetVersions) && !rows[$0].rows.isEmpty }
            || rows[.tweets].rows.contains { !$0.isMatched }
    }
}
