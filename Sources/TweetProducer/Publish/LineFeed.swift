import Core
import Journal
import Logging
import Synchronization
import TweetFormat
import XAPI

/// A line and its Kafka key.
struct KeyedLine {
    let line: JournalLine
    /// Nil for what is no tweet.
    let key: Int64?
}

/// Lines in the order of the journal, on their way from the thread that has read them to the one that publishes them.
///
/// Sendable because only one thread has it at a time, and the bytes that it points to are never written again while it keeps
/// their block (`ByteBlock`).
struct KeyedBatch: @unchecked Sendable {
    var lines: [KeyedLine] = []
    /// Lines that will never come, because they were dropped to make room.
    var skipped: [ClosedRange<Int64>] = []
    fileprivate var bytes = 0
}

/// Reads the journal and finds the keys of its lines, ahead of the publisher and on a thread of its own: with both on one
/// thread, that would be the slowest.
///
/// The publisher says where to begin: at its start, and whenever lines have to be sent again.
final class LineFeed: Sendable {
    private struct State {
        /// Counts how often the publisher has said where to begin.
        var run = 0
        /// The first line of this run, until the reading thread has taken note of it.
        var begin: Int64?
        var batches: [KeyedBatch] = []
        /// Of the lines in `batches`.
        var bytes = 0
        var failure: (any Error)?
        var isEnded = false
    }

    private let source: JournalSource
    private let matches: RuleMatches?
    private let batchSize: Int
    private let batchLinger: Duration
    private let logger: Logger
    private let state = Mutex(State())
    private let changed = Signal()

    /// What is read ahead: enough that neither thread waits for the other's pauses, and small enough to stay in a cache.
    private static let mostBytes = 2 << 20
    /// How long to look away from what the publisher asks while waiting for lines.
    private static let glance = Duration.milliseconds(100)

    /// Reads `source`; `matches` counts the posts of each rule.
    init(
        _ source: JournalSource, batchSize: Int, batchLinger: Duration, matches: RuleMatches?, logger: Logger
    ) {
        self.source = source
        self.batchSize = batchSize
        self.batchLinger = batchLinger
        self.matches = matches
        self.logger = logger
    }

    // MARK: For the publisher

    /// Begins at a line, and forgets what was read before.
    func begin(at seq: Int64) {
        state.withLock { state in
            state.run += 1
            (state.begin, state.batches, state.bytes) = (seq, [], 0)
        }
        changed.notify()
    }

    /// The next lines; nil when there are none within `duration`.
    ///
    /// - Throws: what reading the journal throws; nothing comes after that.
    func next(within duration: Duration) throws -> KeyedBatch? {
        changed.wait(until: .now + duration) { state.withLock { !$0.batches.isEmpty || $0.failure != nil } }
        let (batch, failure) = state.withLock { state -> (KeyedBatch?, (any Error)?) in
            guard !state.batches.isEmpty else { return (nil, state.failure) }
            let batch = state.batches.removeFirst()
            state.bytes -= batch.bytes
            return (batch, nil)
        }
        if let failure { throw failure }
        if batch != nil { changed.notify() }
        return batch
    }

    /// Lets `read()` return.
    func end() {
        state.withLock { $0.isEnded = true }
        changed.notify()
    }

    // MARK: For the reading thread

    /// Reads until `end()` is called.
    func read() {
        var key = TweetKey(findsRules: matches != nil)
        while let (run, seq) = nextRun() {
            do { try read(run, from: seq, &key) } catch {
                state.withLock { $0.failure = error }
                changed.notify()
            }
        }
    }

    /// Waits until the publisher says where to begin; nil when it says that this is the end.
    private func nextRun() -> (run: Int, begin: Int64)? {
        while true {
            changed.wait(until: .now + .seconds(3600)) { state.withLock { $0.isEnded || $0.begin != nil } }
            let (isEnded, run, begin) = state.withLock { ($0.isEnded, $0.run, $0.begin.take()) }
            if isEnded { return nil }
            if let begin { return (run, begin) }
        }
    }

    private func isCurrent(_ run: Int) -> Bool {
        state.withLock { $0.run == run && !$0.isEnded }
    }

    private func read(_ run: Int, from seq: Int64, _ key: inout TweetKey) throws {
        var isStarved = false
        guard var reader = try open(at: seq, in: run, &isStarved) else { return }
        while isCurrent(run) {
            waitForBatch(from: reader.nextSeq, in: run)
            var batch = KeyedBatch()
            try bearStarvation(in: run, &isStarved) {
                _ = try reader.read(limit: batchSize, bytes: Self.mostBytes) { add($0, to: &batch, &key) }
            }
            batch.skipped = reader.takeSkipped()
            give(batch, of: run)
            if batch.lines.isEmpty, source.tail.isClosed {
                // Nothing more comes, unless the publisher wants something once more.
                changed.wait(until: .now + Self.glance) { !isCurrent(run) }
            }
        }
    }

    /// Goes to a line; nil when the run is over before there is a file descriptor.
    private func open(at seq: Int64, in run: Int, _ isStarved: inout Bool) throws -> JournalReader? {
        while isCurrent(run) {
            var reader: JournalReader?
            try bearStarvation(in: run, &isStarved) { reader = try JournalReader(source, from: seq, isOnce: true) }
            if let reader { return reader }
        }
        return nil
    }

    /// Without file descriptors the next segment has to wait, and all else goes on.
    private func bearStarvation(in run: Int, _ isStarved: inout Bool, _ body: () throws -> Void) throws {
        do {
            try body()
            isStarved = false
        } catch let error
            where (error as? JournalError)?.disposition == .retry || (error as? FileError)?.isOutOfDescriptors == true
        {
            if !isStarved {
                logger.error("the journal cannot be read for the moment", metadata: ["reason": "\(error)"])
            }
            isStarved = true
            changed.wait(until: .now + .milliseconds(200)) { !isCurrent(run) }
        }
    }

    /// Waits until a whole batch is there, or something is there and the linger is over.
    private func waitForBatch(from seq: Int64, in run: Int) {
        source.tail.wait(for: seq, atMost: Self.glance)
        let deadline = ContinuousClock.now + batchLinger
        let last = seq + Int64(batchSize) - 1
        while (seq..<last).contains(source.tail.lastSeq), !source.tail.isClosed, isCurrent(run) {
            let left = ContinuousClock.now.duration(to: deadline)
            guard left > .zero else { return }
            source.tail.wait(for: last, atMost: min(left, Self.glance))
        }
    }

    private func add(_ line: JournalLine, to batch: inout KeyedBatch, _ key: inout TweetKey) {
        var chain: Int64?
        if !line.isDamaged {
            chain = unsafe key.key(of: line.bytes)
            matches?.count(key.matchingRules, at: line.receivedAt)
        }
        batch.lines.append(KeyedLine(line: line, key: chain))
        batch.bytes += unsafe line.bytes.count
    }

    /// Waits until there is room for a batch, and leaves it to the publisher, unless that wants other lines by now.
    private func give(_ batch: KeyedBatch, of run: Int) {
        Heartbeat.beat()
        guard !batch.lines.isEmpty || !batch.skipped.isEmpty else { return }
        while isCurrent(run) {
            let isGiven = state.withLock { state in
                guard state.run == run, state.bytes < Self.mostBytes else { return false }
                state.batches.append(batch)
                state.bytes += batch.bytes
                return true
            }
            if isGiven { return changed.notify() }
            changed.wait(until: .now + .seconds(3600)) {
                state.withLock { $0.run != run || $0.isEnded || $0.bytes < Self.mostBytes }
            }
        }
    }
}
