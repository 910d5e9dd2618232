import Core
import Logging
import Postgres
import Synchronization

/// Stores what many lines bring alike, ahead of the lines: states of users, media and other things, and included tweets.
///
/// All writers of a process take turns on one connection, so that none of them finds a key that another has written and not
/// committed. Each turn is a transaction that is committed before the one with the batch's lines and offsets begins. It does not
/// wait for the disk: PostgreSQL's log is in order, so the commit of the lines makes both durable. When that commit never comes,
/// Kafka brings the lines again, and what they share is there already.
final class SharedRows: Sendable {
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

    private struct State {
        let session: DatabaseSession
        var writing = SharedWriting()
    }

    /// Held only by the one whose turn it is.
    private let state: Mutex<State>
    private let isTaken = Mutex(false)
    private let turn = Signal()

    /// - Parameters:
    ///   - settings: of the process.
    ///   - stop: ends a connection's attempt.
    ///   - logger: gets what weakens a connection.
    init(_ settings: LoaderSettings, stop: Stop, logger: Logger) {
        let session = DatabaseSession(settings.conninfo, payload: settings.payload, stop: stop, logger: logger)
        state = Mutex(State(session: session))
    }

    /// Stores the shared rows of those messages of a batch that are not settled yet.
    ///
    /// - Parameters:
    ///   - batch: its monthly partitions exist.
    ///   - limit: of the number of messages.
    ///   - claims: of the writer, which are compared first: what is settled may have been deleted since.
    /// - Returns: the messages, and what became of their rows.
    /// - Throws: `PostgresError` that is not a matter of a row; `Failure` for a schema that this binary does not know.
    func store(_ batch: Batch, limit: Int, _ claims: PartitionClaims) throws -> (part: Batch, outcome: Outcome) {
        try inTurn { state in
            do {
                return try state.session.attempt { connection in
                    try state.writing.store(batch, limit: limit, claims, connection)
                }
            } catch {
                // Another server may stand behind the next connection, and the last commits need not be on disk.
                state.writing.forget()
                throw error
            }
        }
    }

    /// Forgets what is stored: something was deleted.
    func forget() {
        inTurn { $0.writing.forget() }
    }

    /// Waits for the turn, with signs of life, and takes it.
    private func inTurn<Result: Sendable>(_ work: @Sendable (inout State) throws -> Result) rethrows -> Result {
        while !turn.wait(until: .now + .seconds(60), isDone: take) {}
        defer {
            isTaken.withLock { $0 = false }
            turn.notify()
        }
        return try state.withLock { state in try work(&state) }
    }

    private func take() -> Bool {
        isTaken.withLock { isTaken in
            defer { isTaken = true }
            return !isTaken
        }
    }
}

/// The statements of `SharedRows`, and what is known to be stored.
private struct SharedWriting {
    private var states = StatePartitions()
    /// Tweets that were included or found lately.
    private var tweets = RecentIDs()

    /// How often included tweets are copied before they are merged. Each time another process has committed some of them.
    private static let attempts = 3

    mutating func forget() {
        states.forget()
        tweets = RecentIDs()
    }

    mutating func store(
        _ batch: Batch, limit: Int, _ claims: PartitionClaims, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> (part: Batch, outcome: SharedRows.Outcome) {
        guard batch.sharesRows else { return (batch.first(limit), .stored(known: known(in: batch))) }
        try connection.execute("BEGIN; SET LOCAL synchronous_commit = off")
        let locked = try claims.lock(batch.nextOffsets.keys, connection)
        var part = batch
        part.drop(locked.foreign)
        part.drop(below: locked.nextOffsets)
        part = part.first(limit)
        do {
            let known = known(in: part)
            try write(part.rows, connection)
            return (part, .stored(known: known))
        } catch {
            guard error.disposition == .rejectRow else { throw error }
            forget()
            try connection.execute("ROLLBACK")
            return (part, .rejected)
        }
    }

    /// Tweets that a rule matched and a line has included lately.
    private func known(in batch: Batch) -> Set<Int64> {
        Set(batch.rows[.tweets].rows.lazy.filter { $0.isMatched && tweets.contains($0.key) }.map(\.key))
    }

    private mutating func write(
        _ rows: RelationRows, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        let tables = TableWriting(rows: rows)
        let included = TweetSelection(rows[.tweets].rows[...], isKnown: tweets.contains).included
        try write(included, tables, connection)
        let writing = StateWriting(tables, known: states)
        var stored: [(Relation, StatePartitions.Known)] = []
        for relation in Relation.allCases where relation.isState {
            stored.append((relation, try writing.write(rows[relation].rows[...], of: relation, connection)))
        }
        try connection.execute("COMMIT")
        tweets.insert(included.map(\.key))
        for (relation, known) in stored { states.insert(known, of: relation) }
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
    fileprivate var sharesRows: Bool {
        Relation.allCases.contains { $0.isState && !rows[$0].rows.isEmpty } || rows[.tweets].rows.contains { !$0.isMatched }
    }
}
