import Synchronization

/// Lines and events on their way to the thread that owns the journal: what a repair has found, or a watch has to tell.
package struct JournalChunk: Sendable {
    package var lines: [[UInt8]] = []
    /// Marks the lines.
    package var connection: Int64 = 0
    package var events: [PipelineEvent] = []

    /// - Parameters:
    ///   - lines: as X sent them.
    ///   - connection: marks them.
    ///   - events: come behind the lines.
    package init(lines: [[UInt8]] = [], connection: Int64 = 0, events: [PipelineEvent] = []) {
        self.lines = lines
        self.connection = connection
        self.events = events
    }
}

extension JournalChunk {
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
package enum ChunkDelivery: Equatable, Sendable {
    /// All of it is durable.
    case durable
    /// A limit of posts forbids more; nothing of it was taken.
    case limited(String)
    /// The service ends, or the disk refuses: none of it may be there.
    case failed
}

/// Where other threads leave chunks, one at a time, and wait until the reader has made them durable.
package final class JournalInbox: Sendable {
    private struct State {
        var chunk: JournalChunk?
        var isTaken = false
        var result: ChunkDelivery?
        var isClosed = false
        var wakers: [@Sendable () -> Void] = []
    }

    /// Held by the thread whose chunk is on its way.
    private let turn = Mutex(())
    private let state = Mutex(State())
    private let changed = Signal()

    package init() {}

    /// Hands a chunk over, after those of other threads, and waits for what becomes of it.
    package func deliver(_ chunk: JournalChunk) -> ChunkDelivery {
        turn.withLock { _ in handOver(chunk) }
    }

    private func handOver(_ chunk: JournalChunk) -> ChunkDelivery {
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
    func settle(_ body: (JournalChunk) throws -> ChunkDelivery) rethrows {
        let waiting = state.withLock { state -> JournalChunk? in
            guard !state.isTaken, let chunk = state.chunk else { return nil }
            state.isTaken = true
            return chunk
        }
        guard let waiting else { return }
        var result = ChunkDelivery.failed
        defer { finish(result) }
        result = try body(waiting)
    }

    /// The reader has ended: nothing will be taken any more.
    package func close() {
        state.withLock { $0.isClosed = true }
        finish(.failed)
    }

    private func finish(_ result: ChunkDelivery) {
        state.withLock { state in
            if state.chunk != nil { (state.chunk, state.result) = (nil, result) }
        }
        changed.notify()
    }
}
