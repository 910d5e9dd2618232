import Core
import Postgres
import Synchronization

/// Stores what many lines bring alike, ahead of the lines: states of users, media and other things, and included tweets.
///
/// All writers of a process take turns on one connection, so that none of them finds a key that another has written and not
/// committed. Each turn is a transaction that is committed before the one with the batch's lines and offsets begins. It does not
/// wait for the disk: PostgreSQL's log is in order, so the commit of the lines makes both durable. When that commit never comes,
/// Kafka brings the lines again, and what they share is there already.
final class SharedRows: Sendable {
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
    init(_ settings: LoaderSettings, stop: Stop) {
        let session = DatabaseSession(settings.conninfo, payload: settings.payload, stop: stop)
        state = Mutex(State(session: session))
    }

    /// Stores the shared rows of those messages of a batch that are not settled yet.
    ///
    /// - Parameters:
    ///   - batch: its monthly partitions exist.
    ///   - limit: of the number of messages.
    ///   - claims: of the writer, which are compared first: what is settled may have been deleted since.
    /// - Returns: the messages, and what became of their rows.
    /// - Throws: `PostgresError` that is not a matter of a row; `DatabaseError` for a schema that this binary does not know.
    func store(
        _ batch: Batch, limit: Int, _ claims: PartitionClaims
    ) throws -> (part: Batch, outcome: SharedWriting.Outcome) {
        try inTurn { state in
            guard batch.sharesRows else {
                let part = batch.first(limit)
                return (part, .stored(known: state.writing.known(in: part)))
            }
            do {
                return try state.session.attempt { connection in
                    try connection.execute("BEGIN; SET LOCAL synchronous_commit = off")
                    let locked = try claims.lock(batch.nextOffsets.keys, connection)
                    let part = batch.without(locked).first(limit)
                    return (part, try state.writing.write(part, connection))
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

extension Batch {
    /// What is ours to settle.
    fileprivate func without(_ locked: PartitionClaims.Locked) -> Batch {
        var part = self
        part.drop(locked.foreign)
        part.drop(below: locked.nextOffsets)
        return part
    }
}
