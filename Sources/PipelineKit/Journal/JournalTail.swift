import Synchronization

/// How far the journal is durable: written by the reader thread that appends, watched by the publisher thread.
package final class JournalTail: Sendable {
    /// The end of what is durable.
    struct End: Sendable, Equatable {
        /// The sequence number after the last durable line.
        var seq: Int64
        /// First sequence number of the segment that the end lies in.
        var segment: Int64
        /// The byte in that segment after the last durable line.
        var offset: Int64
    }

    private let state: Mutex<(end: End, isClosed: Bool)>
    private let signal = Signal()

    init(_ end: End) {
        state = Mutex((end, false))
    }

    var end: End { state.withLock { $0.end } }

    /// The sequence number of the last durable line; 0 when there is none.
    package var lastSeq: Int64 { end.seq - 1 }

    /// Whether nothing will be appended any more.
    package var isClosed: Bool { state.withLock { $0.isClosed } }

    func publish(_ end: End) {
        state.withLock { $0.end = end }
        signal.notify()
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
}

/// What a reader needs to follow a journal that another thread writes.
package struct JournalSource: Sendable {
    package let stream: String
    /// Names the journal folder for ever, in 8 hexadecimal digits: sequence numbers are dense per stream and journal.
    package let journal: String
    /// The folder of this stream.
    package let folder: String
    /// How far the journal is durable.
    package let tail: JournalTail
}
