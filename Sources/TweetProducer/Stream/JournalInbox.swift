import Core
import Journal
import Synchronization
import TweetFormat

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
        try place(in: journal, receivedAt: receivedAt, openConnection: openConnection)
        try journal.sync()
    }

    /// Appends it; it is durable with the next group.
    func place(in journal: Journal, receivedAt: Timestamp, openConnection: Int64) throws(FileError) {
        for line in lines {
            try unsafe line.withBytes { (bytes) throws(FileError) in
                try unsafe journal.append(bytes, receivedAt: receivedAt, connection: connection)
            }
        }
        for event in events { try journal.append(event, connection: openConnection) }
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

/// Where other threads leave chunks, one at a time, and wait until they are durable.
///
/// Whoever waits gives signs of life, also behind another thread's chunk: the reader may be waiting for room on the disk,
/// for as long as that takes.
package final class JournalInbox: Sendable {
    private struct State {
        /// The turns of the threads that deliver: the next one to give, and the one whose chunk is on its way.
        var nextTurn = 0
        var turn = 0
        var chunk: JournalChunk?
        /// The number of the chunk's last line, once the reader has appended it.
        var lastSeq: Int64?
        var result: ChunkDelivery?
        var isClosed = false
    }

    private let state = Mutex(State())
    private let changed = Signal()
    private let wakers = Wakers()

    package init() {}

    /// Hands a chunk over, after those of other threads, and waits for what becomes of it.
    package func deliver(_ chunk: JournalChunk) -> ChunkDelivery {
        let own = state.withLock { state in
            defer { state.nextTurn += 1 }
            return state.nextTurn
        }
        wait { $0.turn == own }
        defer {
            state.withLock { $0.turn += 1 }
            changed.notify()
        }
        return handOver(chunk)
    }

    private func handOver(_ chunk: JournalChunk) -> ChunkDelivery {
        let isOpen = state.withLock { state in
            if !state.isClosed { (state.chunk, state.lastSeq, state.result) = (chunk, nil, nil) }
            return !state.isClosed
        }
        guard isOpen else { return .failed }
        wakers.wake()
        wait { $0.result != nil }
        return state.withLock { $0.result.take() } ?? .failed
    }

    private func wait(for isDone: (inout State) -> Bool) {
        var hasCome = false
        while !hasCome {
            hasCome = changed.wait(until: .now + .seconds(3600)) { state.withLock { isDone(&$0) } }
        }
    }

    /// Adds a function that makes the reader look here; it may run on any thread.
    func onDelivery(_ wake: @escaping @Sendable () -> Void) -> Registration { wakers.add(wake) }

    /// Says so when the chunk that was appended is durable.
    func settle(in journal: Journal) {
        if let lastSeq = state.withLock({ $0.lastSeq }), journal.source.tail.lastSeq >= lastSeq { finish(.durable) }
    }

    /// The reader appends the chunk that was left, if one was, and says what became of it once that is known.
    ///
    /// - Parameters:
    ///   - journal: where to; not waited for.
    ///   - body: appends the chunk, or names the limit that forbids it. When it throws, the chunk has failed.
    /// - Throws: what `body` throws.
    func settle(in journal: Journal, _ body: (JournalChunk) throws -> String?) throws {
        settle(in: journal)
        guard let chunk = state.withLock({ $0.lastSeq == nil ? $0.chunk : nil }) else { return }
        do {
            if let limit = try body(chunk) { return finish(.limited(limit)) }
        } catch {
            finish(.failed)
            throw error
        }
        state.withLock { $0.lastSeq = journal.lastSeq }
    }

    /// The journal was taken back to what is durable: a chunk that was only appended is lost.
    func abandon() {
        if state.withLock({ $0.lastSeq != nil }) { finish(.failed) }
    }

    /// The reader has ended: nothing will be taken any more.
    package func close() {
        state.withLock { $0.isClosed = true }
        finish(.failed)
    }

    private func finish(_ result: ChunkDelivery) {
        state.withLock { state in
            if state.chunk != nil { (state.chunk, state.lastSeq, state.result) = (nil, nil, result) }
        }
        changed.notify()
    }
}
