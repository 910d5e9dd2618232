import Core
import Synchronization

/// Brings what was written of a segment to the disk, on a thread of its own, so that the thread that reads X need not wait
/// for it: a disk takes a third of the time of a busy reader, and now and then seconds.
///
/// One group at a time. Owned by the thread that writes the journal, which asks what became of it.
final class GroupSync: Sendable {
    /// What became of a group.
    struct Outcome: Sendable {
        /// Why it is not on the disk; nil when it is.
        let failure: FileError?
        let duration: Duration
    }

    private struct Work: Sendable {
        let files: SegmentFiles
        let end: JournalTail.End
        let begin = ContinuousClock.now
        #if DEBUG
            let fault = FailPoint.fault
        #endif
    }

    private struct State {
        var work: Work?
        var outcome: Outcome?
        var errands: [@Sendable () -> Void] = []
        var isEnded = false
    }

    private let tail: JournalTail
    private let heart: Heartbeat
    private let state = Mutex(State())
    private let changed = Signal()
    private let thread = Mutex<JoinableThread?>(nil)

    /// - Parameters:
    ///   - tail: gets the durable position as soon as it changes, and wakes the writer.
    ///   - heart: gives the thread's signs of life.
    init(_ tail: JournalTail, heart: Heartbeat) {
        self.tail = tail
        self.heart = heart
    }

    /// Begins with what was written so far; the group before must be settled.
    ///
    /// - Parameters:
    ///   - files: the segment's.
    ///   - end: what is durable afterwards.
    func begin(_ files: SegmentFiles, until end: JournalTail.End) {
        startThread()
        state.withLock { $0.work = Work(files: files, end: end) }
        changed.notify()
    }

    /// Does something small that waits for a disk as well, in order, behind the group at hand.
    func later(_ errand: @escaping @Sendable () -> Void) {
        startThread()
        state.withLock { $0.errands.append(errand) }
        changed.notify()
    }

    /// Says what became of the group, once.
    ///
    /// - Parameter isWaiting: whether to wait for it.
    /// - Returns: nil while nothing has.
    func takeOutcome(waiting isWaiting: Bool) -> Outcome? {
        while isWaiting, !isDone {
            changed.wait(until: .now + .seconds(3600)) { state.withLock { $0.outcome != nil } }
        }
        return state.withLock { $0.outcome.take() }
    }

    /// Whether a group was brought to the disk, or could not be, and nobody has asked yet.
    var isDone: Bool { state.withLock { $0.outcome != nil } }

    /// Ends the thread when it has finished its group and its errands.
    func end() {
        state.withLock { $0.isEnded = true }
        changed.notify()
        if let thread = thread.withLock({ $0.take() }) { thread.join() }
    }

    private func startThread() {
        thread.withLock { thread in
            guard thread == nil else { return }
            thread = JoinableThread(name: "sync") { [self, heart] in
                Heartbeat.$current.withValue(heart) { run() }
            }
        }
    }

    private func run() {
        while let (work, errands) = nextWork() {
            defer { for errand in errands { errand() } }
            guard let work else { continue }
            let failure = Self.synchronize(work)
            if failure == nil { tail.publish(work.end) }
            state.withLock { state in
                state.work = nil
                state.outcome = Outcome(failure: failure, duration: work.begin.duration(to: .now))
            }
            changed.notify()
            tail.wakeWriter()
        }
    }

    private func nextWork() -> (Work?, [@Sendable () -> Void])? {
        while true {
            changed.wait(until: .now + .seconds(3600)) {
                state.withLock { $0.work != nil || !$0.errands.isEmpty || $0.isEnded }
            }
            let (work, errands, isEnded) = state.withLock { state in
                defer { state.errands = [] }
                return (state.work, state.errands, state.isEnded)
            }
            if work != nil || !errands.isEmpty { return (work, errands) }
            if isEnded { return nil }
        }
    }

    private static func synchronize(_ work: Work) -> FileError? {
        do throws(FileError) {
            #if DEBUG
                try FailPoint.with(work.fault) { () throws(FileError) in try work.files.synchronize() }
            #else
                try work.files.synchronize()
            #endif
            return nil
        } catch {
            return error
        }
    }
}

/// A segment's file and its index, open as long as anybody keeps them.
final class SegmentFiles: Sendable {
    let lines: JournalFile
    let index: SegmentIndex

    init(_ segment: Segment) throws(FileError) {
        lines = try JournalFile(appendingTo: segment.path)
        index = try SegmentIndex(segment)
    }

    /// Returns when everything that was written is on the disk: the index first, so that every line that is durable has its
    /// entry; an entry without its lines is cut off by recovery.
    func synchronize() throws(FileError) {
        FailPoint.fsync.pass()
        try index.synchronize()
        try FailPoint.fsync.pass(on: lines.path)
        try lines.synchronize()
        FailPoint.fsync.pass()
    }
}
