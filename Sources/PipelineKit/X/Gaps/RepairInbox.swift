import Synchronization

/// Lines and events on their way from a repair to the thread that owns the journal.
package struct RepairChunk: Sendable {
    package var lines: [[UInt8]] = []
    /// Marks the lines.
    package var connection: Int64 = 0
    package var events: [PipelineEvent] = []
}

extension RepairChunk {
    /// Appends it and makes it durable.
    ///
    /// - Parameters:
    ///   - journal: where to.
    ///   - receivedAt: when the lines came.
    ///   - openConnection: the stream's connection at this time, 0 for none: events count for it.
    /// - Throws: `FileError` when the disk refuses; none of it may be there then.
    package func append(to journal: Journal, receivedAt: Timestamp, openConnection: Int64) throws(FileError) {
        for line in lines {
            try unsafe line.withBytes { (bytes) throws(FileError) in
                try unsafe journal.append(bytes, receivedAt: receivedAt, connection: connection)
            }
        }
        for event in events { try journal.append(event, connection: openConnection) }
        try journal.sync()
    }
}

/// What became of a chunk.
package enum RepairDelivery: Equatable, Sendable {
    /// All of it is durable.
    case durable
    /// A limit of posts forbids more; nothing of it was taken.
    case limited(String)
    /// The service ends, or the disk refuses: none of it may be there.
    case failed
}

/// Where a repair leaves one chunk at a time, and waits until the reader has made it durable.
package final class RepairInbox: Sendable {
    private struct State {
        var chunk: RepairChunk?
        var isTaken = false
        var result: RepairDelivery?
        var isClosed = false
        var wakers: [@Sendable () -> Void] = []
    }

    private let state = Mutex(State())
    private let changed = Signal()

    package init() {}

    /// Hands a chunk over; for one thread at a time.
    package func deliver(_ chunk: RepairChunk) -> RepairDelivery {
        let wakers = state.withLock { state -> [@Sendable () -> Void]? in
            guard !state.isClosed else { return nil }
            (state.chunk, state.isTaken, state.result) = (chunk, false, nil)
            return state.wakers
        }
        guard let wakers else { return .failed }
        for wake in wakers { wake() }
        while true {
            changed.wait(until: .now + .seconds(3600)) { state.withLock { $0.result != nil } }
            if let result = state.withLock({ $0.result }) { return result }
        }
    }

    /// Adds a function that makes the reader look here; it may run on any thread.
    func onDelivery(_ wake: @escaping @Sendable () -> Void) {
        state.withLock { $0.wakers.append(wake) }
    }

    /// The reader takes the chunk that waits, if one does, and says what became of it.
    func settle(_ body: (RepairChunk) throws -> RepairDelivery) rethrows {
        let waiting = state.withLock { state -> RepairChunk? in
            guard !state.isTaken, let chunk = state.chunk else { return nil }
            state.isTaken = true
            return chunk
        }
        guard let waiting else { return }
        var result = RepairDelivery.failed
        defer { finish(result) }
        result = try body(waiting)
    }

    /// The reader has ended: nothing will be taken any more.
    package func close() {
        state.withLock { $0.isClosed = true }
        finish(.failed)
    }

    private func finish(_ result: RepairDelivery) {
        state.withLock { state in
            if state.chunk != nil { (state.chunk, state.result) = (nil, result) }
        }
        changed.notify()
    }
}
