package import Core
package import Journal
internal import KafkaClient
package import Logging
import TweetFormat

/// Publishes the journal to Kafka, in order, until every line is acknowledged. Owned by one thread.
///
/// Journal → key → `Delivery` → checkpoint. What cannot be delivered is sent again from the journal, beginning with the first
/// line that Kafka has not acknowledged; the loader drops what it then gets twice.
package final class Publisher {
    private let settings: PublishSettings
    private let stop: Stop
    private let logger: Logger
    private let source: JournalSource
    private let onMatch: (@Sendable ([Int64], Timestamp) -> Void)?
    private let delivery: Delivery
    private var key: TweetKey
    private var checkpoint: Checkpoint
    private var checkpointDue = ContinuousClock.now
    /// Whether the last attempt to write it failed.
    private var isCheckpointOld = false
    /// When lines are handed over, although they are no full batch; nil while none is pending.
    private var batchDue: ContinuousClock.Instant?
    /// Whether reading failed for want of file descriptors.
    private var isStarved = false
    private var progress: PublishProgress
    private var tally: PublishTally

    private static let checkpointInterval = Duration.milliseconds(500)
    /// How long to look away from delivery reports while waiting for lines.
    private static let glance = Duration.milliseconds(20)
    /// The most bytes that are read between two looks at delivery reports, apart from the last line.
    private static let mostBytes = 1 << 20

    /// - Parameters:
    ///   - settings: where to publish, and how.
    ///   - source: the journal.
    ///   - mostUnderWay: how many numbers there may be from the first line that is not acknowledged to the newest one on its way.
    ///   - onMatch: gets the ids of the rules that a post matched, and when it was received; nil to save their search.
    ///   - counts: what is counted.
    ///   - stop: ends publishing when it is immediate.
    ///   - logger: gets what happens.
    /// - Throws: `KafkaClientError` when librdkafka rejects a property, `JournalError` when the checkpoint cannot be read.
    package init(
        settings: PublishSettings, source: JournalSource, mostUnderWay: Int64 = KafkaProducer.mostUnderWay,
        onMatch: (@Sendable ([Int64], Timestamp) -> Void)? = nil, counts: PublishCounts = PublishCounts(), stop: Stop,
        logger: Logger
    ) throws {
        (self.settings, self.source, self.onMatch) = (settings, source, onMatch)
        (self.stop, self.logger) = (stop, logger)
        key = TweetKey(findsRules: onMatch != nil || counts.tags != nil)
        tally = PublishTally(counts)
        checkpoint =
            try Checkpoint.read(from: source.folder, journal: source.journal)
            ?? Checkpoint(journal: source.journal, acknowledged: 0)
        delivery = try Delivery(
            settings.kafka, topics: .init(tweets: settings.tweets, events: settings.events),
            acknowledged: checkpoint.acknowledged, mostUnderWay: mostUnderWay, counts: counts, stop: stop,
            logger: logger,
            isStopped: { stop.isImmediate })
        progress = PublishProgress(logger: logger, acknowledged: checkpoint.acknowledged)
    }

    /// Runs until the journal is closed and every line is acknowledged, or the stop has become immediate.
    ///
    /// - Throws: `KafkaClientError` (`wait`) when a topic does not exist and cannot be created, `JournalError` when the journal
    ///   cannot be read.
    package func run() throws {
        delivery.onWait = { [unowned self] in writeCheckpoint(isLast: false) }
        try delivery.ensureTopics { stop.isImmediate || (stop.isRaised && source.tail.isClosed) }
        while !isDone {
            if let reader = try open() { try publish(reader) }
        }
        writeCheckpoint(isLast: true)
        let waiting = source.tail.lastSeq - delivery.acknowledged.through
        if waiting > 0 {
            logger.warning("exiting with unpublished lines in the journal", metadata: ["lines": "\(waiting)"])
            delivery.purge()
        }
    }

    private var isDone: Bool {
        stop.isImmediate || (source.tail.isClosed && delivery.acknowledged.through >= source.tail.lastSeq)
    }

    /// Goes to the first line that is not acknowledged; nil when that is not possible yet.
    private func open() throws -> JournalReader? {
        guard delivery.restart() else {
            delivery.poll()
            return nil
        }
        var reader: JournalReader?
        try bearStarvation { reader = try JournalReader(source, from: delivery.acknowledged.through + 1) }
        return reader
    }

    /// Publishes until the end, or until lines have to be sent again.
    private func publish(_ reader: consuming JournalReader) throws {
        batchDue = nil
        tally.restart()
        while !isDone, delivery.undelivered == nil {
            let isReady = isBatchReady(from: reader.nextSeq)
            if isReady {
                try bearStarvation {
                    _ = try reader.read(limit: settings.batchSize, bytes: Self.mostBytes) { enqueue($0) }
                }
                for seqs in reader.takeSkipped() { delivery.skip(seqs) }
            }
            // Behind the last line of a closed journal there is nothing to wait for but reports.
            delivery.poll(atMost: isReady || !source.tail.isClosed ? .zero : Self.glance)
            writeCheckpoint(isLast: false)
            progress.report(acknowledged: delivery.acknowledged.through, lastSeq: source.tail.lastSeq)
        }
    }

    /// Waits a moment for lines; whether there is a full batch, or some have waited for as long as they may.
    private func isBatchReady(from next: Int64) -> Bool {
        source.tail.wait(for: next, atMost: Self.glance)
        guard source.tail.lastSeq >= next else {
            batchDue = nil
            return false
        }
        let last = next + Int64(settings.batchSize) - 1
        let due = batchDue ?? .now + settings.batchLinger
        batchDue = due
        let left = ContinuousClock.now.duration(to: due)
        if left > .zero { source.tail.wait(for: last, atMost: min(left, Self.glance)) }
        guard source.tail.lastSeq >= last || source.tail.isClosed || ContinuousClock.now >= due else { return false }
        batchDue = nil
        return true
    }

    /// Without file descriptors the next segment must wait, and everything else continues.
    private func bearStarvation(_ body: () throws -> Void) throws {
        do {
            try body()
            isStarved = false
        } catch let error
            where (error as? JournalError)?.disposition == .retry || (error as? FileError)?.isOutOfDescriptors == true
        {
            if !isStarved {
                logger.error("cannot read the journal; retrying", metadata: ["error": "\(error)"])
            }
            isStarved = true
            delivery.poll(atMost: .milliseconds(200))
        }
    }

    /// Hands one line to Kafka; waits while there is no room for it.
    private func enqueue(_ line: JournalLine) {
        guard !line.isDamaged else {
            tally.counts.damaged.add()
            return unsafe delivery.declareDamaged(line.bytes, headers: headers(of: line), id: line.seq)
        }
        let chain = unsafe key.key(of: line.bytes)
        tally.note(line, post: key.id, rules: key.matchingRules)
        if !key.matchingRules.isEmpty { onMatch?(key.matchingRules, line.receivedAt) }
        if let chain {
            unsafe chain.withDecimalDigits { unsafe enqueue(line, key: $0, topic: settings.tweets.name) }
        } else {
            // The key of everything that is no tweet is the stream's name.
            unsafe Array(source.stream.utf8).withUnsafeBytes {
                unsafe enqueue(line, key: $0, topic: settings.events.name)
            }
        }
    }

    private func enqueue(_ line: JournalLine, key: UnsafeRawBufferPointer, topic: String) {
        unsafe delivery.enqueue(line.bytes, key: key, topic: topic, headers: headers(of: line), id: line.seq)
    }

    private func headers(of line: JournalLine) -> RecordHeaders {
        RecordHeaders(
            stream: source.stream, journal: source.journal, seq: line.seq, receivedAt: line.receivedAt,
            connection: line.connection)
    }

    private func writeCheckpoint(isLast: Bool) {
        let through = delivery.acknowledged.through
        source.tail.publish(delivered: through)
        tally.flush(through: through, tags: key.tags)
        let isNew =
            through > checkpoint.acknowledged || isCheckpointOld || checkpoint.pausedTopic != delivery.pausedTopic
        guard isNew, isLast || ContinuousClock.now >= checkpointDue else { return }
        (checkpoint.acknowledged, checkpoint.pausedTopic) = (through, delivery.pausedTopic)
        checkpointDue = .now + Self.checkpointInterval
        do {
            try checkpoint.write(to: source.folder)
            source.tail.publish(acknowledged: checkpoint.acknowledged)
            if isCheckpointOld { logger.info("the checkpoint can be written again") }
            isCheckpointOld = false
        } catch {
            // Harmless for what is loaded: after a crash, lines since the old checkpoint would be published once more.
            if !isCheckpointOld {
                logger.error("the checkpoint cannot be written; retrying", metadata: ["reason": "\(error)"])
            }
            isCheckpointOld = true
        }
    }
}
