import Core
import Synchronization

/// How far the journal is durable and acknowledged, and what other threads ask of the one that writes it.
///
/// The reader thread appends and publishes the end; the publisher and the archiver follow.
package final class JournalTail: Sendable {
    /// The end of what is durable.
    package struct End: Sendable, Equatable {
        /// The sequence number after the last durable line.
        var seq: Int64
        /// First sequence number of the segment that the end lies in.
        var segment: Int64
        /// The byte in that segment after the last durable line.
        var offset: Int64

        package init(seq: Int64, segment: Int64, offset: Int64) {
            self.seq = seq
            self.segment = segment
            self.offset = offset
        }
    }

    private struct State {
        var end: End
        var isClosed = false
        var acknowledged: Int64
        var delivered: Int64
        var isRollRequested = false
        var drop: ClosedRange<Int64>?
        var droppedThrough: Int64 = 0
    }

    private let state: Mutex<State>
    private let signal = Signal()
    private let wakers = Wakers()

    init(_ end: End, acknowledged: Int64) {
        state = Mutex(State(end: end, acknowledged: acknowledged, delivered: acknowledged))
    }

    var end: End { state.withLock { $0.end } }

    /// The first sequence number of the segment that is open.
    package var segment: Int64 { end.segment }

    /// The sequence number of the last durable line; 0 when there is none.
    package var lastSeq: Int64 { end.seq - 1 }

    /// Whether nothing will be appended any more.
    package var isClosed: Bool { state.withLock { $0.isClosed } }

    /// The checkpoint on the disk: segments up to here are needed for nothing but the archive.
    package var acknowledged: Int64 { state.withLock { $0.acknowledged } }

    /// The last line up to which Kafka has everything; the checkpoint follows.
    package var delivered: Int64 { state.withLock { $0.delivered } }

    func publish(_ end: End) {
        state.withLock { $0.end = end }
        signal.notify()
    }

    /// Says that a checkpoint is on the disk.
    package func publish(acknowledged: Int64) {
        state.withLock { $0.acknowledged = acknowledged }
    }

    /// Says that Kafka has every line up to this one.
    package func publish(delivered: Int64) {
        state.withLock { $0.delivered = delivered }
    }

    /// Says that nothing will be appended any more.
    package func close() {
        state.withLock { $0.isClosed = true }
        signal.notify()
    }

    /// Waits until a line with sequence number `seq` is durable, the tail is closed, or `duration` has passed.
    package func wait(for seq: Int64, atMost duration: Duration) {
        signal.wait(until: .now + duration) { state.withLock { $0.end.seq > seq || $0.isClosed } }
    }

    // MARK: Requests to the thread that writes

    /// Asks for a new segment, as logrotate asks with SIGHUP; from any thread.
    package func requestRoll() {
        request { $0.isRollRequested = true }
    }

    private func request(_ change: (inout State) -> Void) {
        state.withLock { change(&$0) }
        wakers.wake()
    }

    /// Makes the writing thread look at `Journal.timeToSync` again.
    func wakeWriter() {
        request { _ in }
    }

    /// Adds a function that makes the writing thread look at `Journal.timeToSync` again; it may run on any thread.
    ///
    /// - Returns: what keeps it registered.
    package func onRequest(_ wake: @escaping @Sendable () -> Void) -> Registration { wakers.add(wake) }

    /// How many functions are registered.
    var registrations: Int { wakers.count }

    var isRollRequested: Bool { state.withLock { $0.isRollRequested } }

    func settleRollRequest() {
        state.withLock { $0.isRollRequested = false }
    }

    /// Asks that the loss of these lines be journalled, so that they may be removed.
    func requestDrop(_ seqs: ClosedRange<Int64>) {
        request { state in
            // It may have been journalled since the one who asks has looked.
            if state.droppedThrough < seqs.upperBound { state.drop = seqs }
        }
    }

    /// Lines whose loss is to be journalled.
    var dropRequest: ClosedRange<Int64>? { state.withLock { $0.drop } }

    /// Says that the loss of lines is journalled.
    func settleDropRequest(_ seqs: ClosedRange<Int64>) {
        state.withLock { state in
            state.droppedThrough = max(state.droppedThrough, seqs.upperBound)
            if state.drop == seqs { state.drop = nil }
        }
    }

    /// The last line whose loss is journalled; 0 for none.
    var droppedThrough: Int64 { state.withLock { $0.droppedThrough } }
}
