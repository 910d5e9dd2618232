import Core
import Journal
import KafkaClient
import Logging
import TweetFormat
import XAPI

/// Publishes the journal to Kafka, in order, until every line is acknowledged. Owned by one thread, with the journal read
/// ahead of it on another one (`LineFeed`).
///
/// What cannot be delivered (`Delivery`) is sent again from the journal, beginning with the first line that Kafka has not
/// acknowledged; the loader drops what it then gets twice.
final class Publisher {
    private let settings: ProducerSettings
    private let stop: Stop
    private let logger: Logger
    private let source: JournalSource
    private let feed: LineFeed
    /// Gives the signs of life of the thread that reads.
    private let feedHeart: Heartbeat
    private let delivery: Delivery
    private var checkpoint: Checkpoint
    private var checkpointDue = ContinuousClock.now
    /// Whether the last attempt to write it failed.
    private var isCheckpointOld = false
    private var progress: PublishProgress

    private static let checkpointInterval = Duration.milliseconds(500)
    /// How long to look away from delivery reports while waiting for lines.
    private static let glance = Duration.milliseconds(20)

    /// - Throws: `Failure` (78) when librdkafka refuses a property, 74 when the checkpoint cannot be read.
    init(
        settings: ProducerSettings, source: JournalSource, matches: RuleMatches? = nil, stop: Stop, logger: Logger,
        feedHeart: Heartbeat = Heartbeat()
    ) throws {
        feed = LineFeed(
            source, batchSize: settings.batchSize, batchLinger: settings.batchLinger, matches: matches, logger: logger)
        self.feedHeart = feedHeart
        self.settings = settings
        self.stop = stop
        self.logger = logger
        self.source = source
        checkpoint =
            try Checkpoint.read(from: source.folder, journal: source.journal)
            ?? Checkpoint(journal: source.journal, acknowledged: 0)
        delivery = try Delivery(
            settings.kafka,
            topics: .init(
                tweets: NewTopic(settings.topic, partitions: settings.partitions, replication: settings.replication),
                events: NewTopic(settings.eventsTopic, partitions: 1, replication: settings.replication)),
            acknowledged: checkpoint.acknowledged, stop: stop, logger: logger, isStopped: { stop.isImmediate })
        progress = PublishProgress(logger: logger, acknowledged: checkpoint.acknowledged)
    }

    /// Runs until the journal is closed and every line is acknowledged, or the stop has become immediate.
    func run() throws {
        delivery.onWait = { [unowned self] in writeCheckpoint(isLast: false) }
        try delivery.ensureTopics { stop.isImmediate || (stop.isRaised && source.tail.isClosed) }
        let reading = JoinableThread(name: "feed") { [feed, feedHeart] in
            Heartbeat.$current.withValue(feedHeart) { feed.read() }
        }
        let outcome = Result { try publish() }
        feed.end()
        reading.join()
        try outcome.get()
    }

    private func publish() throws {
        feed.begin(at: delivery.acknowledged.through + 1)
        while !isDone {
            if let batch = try feed.next(within: Self.glance) {
                for line in batch.lines { try enqueue(line) }
                for seqs in batch.skipped { delivery.skip(seqs) }
            }
            try delivery.poll()
            if delivery.undelivered != nil, delivery.restart() {
                feed.begin(at: delivery.acknowledged.through + 1)
            }
            writeCheckpoint(isLast: false)
            progress.tell(acknowledged: delivery.acknowledged.through, lastSeq: source.tail.lastSeq)
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

    /// Hands one line to Kafka; waits while there is no room for it.
    private func enqueue(_ keyed: KeyedLine) throws {
        let line = keyed.line
        if line.isDamaged {
            return unsafe delivery.declareDamaged(line.bytes, headers: headers(of: line), id: line.seq)
        }
        if let key = keyed.key {
            try unsafe key.withDecimalDigits { try unsafe enqueue(line, key: $0, topic: settings.topic) }
        } else {
            try unsafe streamKey.withUnsafeBytes { try unsafe enqueue(line, key: $0, topic: settings.eventsTopic) }
        }
    }

    private func enqueue(_ line: JournalLine, key: UnsafeRawBufferPointer, topic: String) throws {
        try unsafe delivery.enqueue(
            line.bytes, in: line.block, key: key, topic: topic, headers: headers(of: line), id: line.seq)
    }

    /// The key of everything that is no tweet.
    private var streamKey: [UInt8] { Array(source.stream.utf8) }

    private func headers(of line: JournalLine) -> RecordHeaders {
        RecordHeaders(
            stream: source.stream, journal: source.journal, seq: line.seq, receivedAt: line.receivedAt,
            connection: line.connection)
    }

    private func writeCheckpoint(isLast: Bool) {
        let through = delivery.acknowledged.through
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
            if !isCheckpointOld { logger.error("the checkpoint cannot be written", metadata: ["reason": "\(error)"]) }
            isCheckpointOld = true
        }
    }
}
