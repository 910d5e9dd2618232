import Core
import Glibc
import Synchronization

/// What was appended and is not on the disk yet, and what else is asked of the thread that writes.
///
/// The one lock of the journal: it is held for a copy in memory, never for the disk. Thread-safe.
final class JournalBuffer: Sendable {
    /// What the writer has to do next.
    struct Turn {
        /// Lines to bring to the disk, in order.
        var lines: [PendingLines] = []
        /// Callers of `sync()` up to this number are served by it.
        var ticket = 0
        /// Whether to write, and to look whether a segment ends; else there are errands alone.
        var isWriting = false
        /// Whether to make the journal usable again after a failure.
        var isRecovery = false
        var errands: [@Sendable () -> Void] = []
        #if FAIL_POINTS
            var fault: FailPoint.Fault?
        #endif
    }

    private let state: Mutex<State>
    private let options: JournalOptions
    /// Wakes the writer.
    private let work = Signal()
    /// Wakes those who wait for it.
    private let settled = Signal()

    /// So many times the bytes of a group may wait for a slow disk before who appends waits, too.
    private static let mostGroups: Int64 = 8

    /// - Parameters:
    ///   - nextSeq: the number of the line that comes next.
    ///   - size: of the open segment, in bytes.
    ///   - last: how the stream stood.
    ///   - options: when lines are to be made durable.
    init(from nextSeq: Int64, size: Int64, last: LastLine, options: JournalOptions) {
        self.options = options
        state = Mutex(State(from: nextSeq, size: size, last: last))
    }

    // MARK: Appending

    /// Appends under the lock; waits for room first.
    ///
    /// - Parameter body: places lines, or throws when they cannot be accepted.
    /// - Returns: the place of the last one.
    /// - Throws: the failure that has stopped the journal, or what `body` throws.
    func append(
        _ body: (inout State, JournalOptions) throws(FileError) -> Void
    ) throws(FileError) -> JournalPosition {
        while true {
            let (position, isNews) = try state.withLock { (state) throws(FileError) -> (JournalPosition?, Bool) in
                if let failure = state.failure { throw failure }
                if state.isClosed { throw FileError("append", "a closed journal", code: ESHUTDOWN) }
                guard state.unsynced < Self.mostGroups * Int64(options.syncBytes) else { return (nil, false) }
                try body(&state, options)
                return (state.position, state.takeNews(options))
            }
            if isNews { work.notify() }
            if let position { return position }
            wait { $0.failure != nil || $0.unsynced < Self.mostGroups * Int64(options.syncBytes) }
        }
    }

    /// Looks at the state, or changes it.
    func withState<Result: Sendable>(_ body: (inout State) -> Result) -> Result { state.withLock { body(&$0) } }

    // MARK: Waiting for the disk

    /// Returns when everything appended before is on the disk and a segment that was due has begun.
    ///
    /// - Throws: `FileError` when the disk refuses.
    func sync() throws(FileError) {
        let asked = try state.withLock { (state) throws(FileError) -> (ticket: Int, epoch: Int) in
            if let failure = state.failure { throw failure }
            state.takeFault()
            state.asked += 1
            state.news += 1
            state.isJustRecovered = false
            return (state.asked, state.epoch)
        }
        work.notify()
        wait { $0.epoch != asked.epoch || $0.served >= asked.ticket }
        if let failure = state.withLock({ $0.epoch == asked.epoch ? nil : $0.lastFailure }) { throw failure }
    }

    /// Waits until something that was appended is on the disk; who waits gives signs of life.
    ///
    /// - Returns: false when the journal has lost it to a failure, or is closed before.
    func isDurable(_ position: JournalPosition) -> Bool {
        wait { $0.fate(of: position) != nil }
        return state.withLock { $0.fate(of: position) } ?? false
    }

    /// Waits until chunks are accepted; false when they never will be any more.
    func waitUntilResumed() -> Bool {
        wait { $0.isClosed || !$0.isPaused }
        return state.withLock { !$0.isClosed }
    }

    /// Asks the writer to make the journal usable again, and waits for the outcome.
    ///
    /// - Throws: `FileError` while the disk refuses.
    func recover() throws(FileError) {
        state.withLock { state in
            state.takeFault()
            (state.isRecovery, state.recoveryFailure) = (true, nil)
            state.news += 1
        }
        work.notify()
        wait { !$0.isRecovery }
        if let failure = state.withLock({ $0.recoveryFailure }) { throw failure }
    }

    private func wait(for isDone: (inout State) -> Bool) {
        while !settled.wait(until: .now + .seconds(3600), isDone: { state.withLock { isDone(&$0) } }) {}
    }

    /// Chunks wait, or need wait no longer.
    func setPaused(_ isPaused: Bool) {
        state.withLock { $0.isPaused = isPaused }
        settled.notify()
    }

    /// Nothing will be appended any more.
    func close() {
        state.withLock { $0.isClosed = true }
        settled.notify()
    }

    // MARK: The writer's side

    /// Makes the writer look again at what is to be done.
    func wakeWriter() {
        state.withLock { $0.news += 1 }
        work.notify()
    }

    /// Does something small on the writer's thread, in order.
    func later(_ errand: @escaping @Sendable () -> Void) {
        state.withLock { state in
            state.errands.append(errand)
            state.news += 1
        }
        work.notify()
    }

    /// The writer is to end when it has done its turn.
    func end() {
        state.withLock { state in
            state.isEnded = true
            state.news += 1
        }
        work.notify()
    }

    /// Waits for something to do.
    ///
    /// - Parameter rollDue: when a new segment is due, or something else than lines is asked for; nil for never.
    /// - Returns: what to do; nil at the end.
    func nextTurn(rollDue: () -> ContinuousClock.Instant?) -> Turn? {
        while true {
            // Before the look at what is due: what is asked for behind it is news then, and ends the wait.
            let news = state.withLock { $0.news }
            let due = rollDue()
            let (turn, isEnded, deadline) = state.withLock { state in
                let deadline = state.writeDue(options, rollDue: due)
                return (state.takeTurn(isDue: deadline <= .now), state.isEnded, deadline)
            }
            if let turn { return turn }
            if isEnded { return nil }
            work.wait(until: deadline) { state.withLock { $0.news != news } }
        }
    }

    /// Takes what is pending out.
    func take() -> [PendingLines] { state.withLock { $0.takeLines() } }

    /// Lines are on the disk.
    func settle(_ lines: consuming PendingLines) {
        state.withLock { [lines] in $0.settle(lines) }
        settled.notify()
    }

    /// A turn is done.
    func finish(_ ticket: Int) {
        state.withLock { $0.served = ticket }
        settled.notify()
    }

    /// The disk has refused: nothing that is not on it counts, and nothing more is accepted.
    func fail(_ failure: FileError) {
        state.withLock { $0.fail(failure) }
        settled.notify()
    }

    /// A recovery is done: lines go on with this number in an empty segment.
    func finishRecovery(_ outcome: Result<Int64, FileError>) {
        state.withLock { state in
            state.isRecovery = false
            switch outcome {
            case .success(let seq): state.restart(from: seq)
            case .failure(let failure): state.recoveryFailure = failure
            }
        }
        settled.notify()
    }
}
