import Core
import Postgres
import Synchronization

/// Stores what many lines bring alike, ahead of the lines: states of users, media and other things, and included tweets.
///
/// All writers of a process take turns on one connection, so that none of them finds a key that another has written and not
/// committed. Each turn is a transaction that is committed before the one with the batch's lines and offsets begins. It does not
/// wait for the disk: PostgreSQL's log is in order, so the commit of the lines makes both durable. When that commit never comes,
/// Kafka brings the lines again, and what they share is there already.
///
/// An included tweet may be one that a rule matched, in a batch that another writer has in hand. That writer stores it; the one
/// whose line includes it waits for the end of that transaction before its own. Storing it twice would make the COPY of the
/// other one fail as a whole: of 70 batches of two writers, that happened to 50. Writers wait only for batches whose turn was
/// earlier, and while they hold no lock that such a batch may need: so never in a circle.
final class SharedRows: Sendable {
    private struct State {
        let session: DatabaseSession
        var writing = SharedWriting()
        /// Tweets of the batches in hand, in the order of their turns.
        var uncommitted: [UncommittedTweets] = []
    }

    /// What a writer goes on with after its turn.
    struct Turn: Sendable {
        /// The messages whose shared rows were stored; the writer may drop some.
        var part: Batch
        /// What became of the shared rows.
        let outcome: SharedWriting.Outcome
        /// Set by the writer when its transaction has stored every tweet of the part.
        var areTweetsStored = false
        /// The part's own tweets.
        fileprivate let uncommitted: UncommittedTweets
        fileprivate let patience: Duration

        /// Waits for the transactions that store what lines of this part include.
        ///
        /// - Throws: an error for `storing` when one of them did not.
        func awaitIncluded() throws {
            guard case .stored(_, let awaited) = outcome else { return }
            let deadline = ContinuousClock.now + patience
            for tweets in awaited where !tweets.areStored(by: deadline) { throw NotStored() }
        }
    }

    /// A transaction that was to store included tweets did not, or takes too long.
    fileprivate struct NotStored: Error {}

    /// Held only by the one whose turn it is.
    private let state: Mutex<State>
    private let patience: Duration
    private let isTaken = Mutex(false)
    private let turn = Signal()

    /// - Parameters:
    ///   - settings: of the process.
    ///   - patience: how long a writer waits for the transaction of another one: an outage of one connection must not stop the
    ///     others.
    ///   - stop: ends a connection's attempt.
    init(_ settings: LoaderSettings, patience: Duration = .seconds(5), stop: Stop) {
        self.patience = patience
        let session = DatabaseSession(settings.conninfo, payload: settings.payload, stop: stop)
        state = Mutex(State(session: session))
    }

    /// Stores the shared rows of those messages of a batch that are not settled yet, then has the writer store the messages.
    ///
    /// - Parameters:
    ///   - batch: its monthly partitions exist.
    ///   - limit: of the number of messages.
    ///   - claims: of the writer, which are compared first: what is settled may have been deleted since.
    ///   - rollback: ends the writer's transaction when it has waited in vain: its locks would stop the turn that follows.
    ///   - body: the writer's transaction, from its beginning to its end; runs again after `rollback`.
    /// - Returns: what `body` returns.
    /// - Throws: what `body` throws; `PostgresError` that is not a matter of a row; `DatabaseError` for a schema that this binary
    ///   does not know.
    func storing<Result>(
        _ batch: Batch, limit: Int, _ claims: PartitionClaims, rollback: () throws -> Void,
        then body: (inout Turn) throws -> Result
    ) throws -> Result {
        do { return try use(try takeTurn(batch, limit, claims, isRepeated: false), body) } catch is NotStored {
            try rollback()
            return try use(try takeTurn(batch, limit, claims, isRepeated: true), body)
        }
    }

    private func use<Result>(_ start: Turn, _ body: (inout Turn) throws -> Result) throws -> Result {
        var turn = start
        let count = turn.part.count
        var areStored = false
        defer { turn.uncommitted.end(areStored: areStored) }
        let result = try body(&turn)
        areStored = turn.areTweetsStored && turn.part.count == count
        return result
    }

    /// Takes the turn. A repeated one leaves nothing to others.
    private func takeTurn(_ batch: Batch, _ limit: Int, _ claims: PartitionClaims, isRepeated: Bool) throws -> Turn {
        try inTurn { state in
            for tweets in state.uncommitted where tweets.areAllStored { state.writing.remember(tweets.ids) }
            state.uncommitted.removeAll { $0.hasEnded }
            let others = isRepeated ? [] : state.uncommitted
            let (part, outcome) = try Self.store(batch, limit, claims, &state, others)
            let uncommitted = UncommittedTweets(part)
            state.uncommitted.append(uncommitted)
            return Turn(
                part: part, outcome: outcome, uncommitted: uncommitted, patience: patience)
        }
    }

    private static func store(
        _ batch: Batch, _ limit: Int, _ claims: PartitionClaims, _ state: inout State, _ others: [UncommittedTweets]
    ) throws -> (part: Batch, outcome: SharedWriting.Outcome) {
        guard batch.sharesRows else {
            let part = batch.first(limit)
            return (part, .stored(known: state.writing.known(in: part), awaited: []))
        }
        do {
            return try state.session.attempt { connection in
                try connection.execute("BEGIN; SET LOCAL synchronous_commit = off")
                let locked = try claims.lock(batch.nextOffsets.keys, connection)
                let part = batch.without(locked).first(limit)
                return (part, try state.writing.write(part, leaving: others, connection))
            }
        } catch {
            // Another server may stand behind the next connection, and the last commits need not be on disk.
            state.writing.forget()
            throw error
        }
    }

    /// Forgets what is stored: something was deleted.
    func forget() {
        inTurn { state in
            state.writing.forget()
            state.uncommitted.removeAll { $0.hasEnded }
        }
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

extension Batch {
    /// What is ours to settle.
    fileprivate func without(_ locked: PartitionClaims.Locked) -> Batch {
        var part = self
        part.drop(locked.foreign)
        part.drop(below: locked.nextOffsets)
        return part
    }
}
