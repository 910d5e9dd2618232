import Logging
import PipelineKit

/// Publishes the journal to Kafka, in order, until every line is acknowledged. Owned by one thread, with the journal read
/// ahead of it on another one (`LineFeed`).
///
/// What cannot be delivered is sent again from the journal, beginning with the first line that Kafka has not
/// acknowledged; the loader drops what it then gets twice.
final class Publisher {
    private let settings: ProducerSettings
    private let stop: Stop
    private let logger: Logger
    private let source: JournalSource
    private let feed: LineFeed
    /// Gives the signs of life of the thread that reads.
    private let feedHeart: Heartbeat
    private var acknowledged: AcknowledgedLines
    private var checkpoint: Checkpoint
    private var checkpointDue = ContinuousClock.now
    /// Whether the last attempt to write it failed.
    private var isCheckpointOld = false
    private var producers: KafkaProducers
    /// Lines that Kafka refused for good, or the disk has damaged, and why; their reject events are on the way.
    private var refused: [Int64: String] = [:]
    /// Lines whose reject event was handed over since the clients were made.
    private var declared: Set<Int64> = []
    /// Why lines have to be sent again.
    private var undelivered: KafkaError?
    private var failures = 0
    private var progress: PublishProgress

    private static let checkpointInterval = Duration.milliseconds(500)
    /// How long to look away from delivery reports while waiting for lines.
    private static let glance = Duration.milliseconds(20)

    /// - Throws: `Failure` (78) when librdkafka refuses a property, 74 when the checkpoint cannot be read.
    init(
        settings: ProducerSettings, source: JournalSource, matches: RuleMatches? = nil, stop: Stop, logger: Logger,
        feedHeart: Heartbeat = Heartbeat()
    ) throws(Failure) {
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
        acknowledged = AcknowledgedLines(through: checkpoint.acknowledged)
        producers = try KafkaProducers(settings.kafka, logger: logger)
        progress = PublishProgress(logger: logger, acknowledged: checkpoint.acknowledged)
    }

    /// Runs until the journal is closed and every line is acknowledged, or the stop has become immediate.
    func run() throws {
        try ensureTopics()
        let reading = JoinableThread(name: "feed") { [feed, feedHeart] in
            Heartbeat.$current.withValue(feedHeart) { feed.read() }
        }
        let outcome = Result { try publish() }
        feed.end()
        reading.join()
        try outcome.get()
    }

    private func publish() throws {
        feed.begin(at: acknowledged.through + 1)
        while !isDone {
            if let batch = try feed.next(within: Self.glance) {
                for line in batch.lines { try enqueue(line) }
                for seqs in batch.skipped { acknowledged.skip(seqs) }
            }
            producers.poll { take($0) }
            try declareRefused()
            undelivered = undelivered ?? producers.renewal
            if let error = undelivered {
                startAgain(after: error)
                feed.begin(at: acknowledged.through + 1)
            }
            writeCheckpoint(isLast: false)
            progress.tell(acknowledged: acknowledged.through, lastSeq: source.tail.lastSeq)
        }
        writeCheckpoint(isLast: true)
        let waiting = source.tail.lastSeq - acknowledged.through
        if waiting > 0 {
            logger.warning("left with lines that wait in the journal", metadata: ["lines": "\(waiting)"])
            producers.purge()
        }
    }

    private var isDone: Bool {
        stop.isImmediate || (source.tail.isClosed && acknowledged.through >= source.tail.lastSeq)
    }

    /// Hands one line to Kafka; waits while librdkafka's queue is full.
    private func enqueue(_ keyed: KeyedLine) throws {
        let line = keyed.line
        if line.isDamaged {
            refused[line.seq] = "damaged_on_disk"
            return
        }
        let headers = headers(of: line)
        if let key = keyed.key {
            try unsafe key.withDecimalDigits { key in
                try unsafe enqueue(line.bytes, in: line.block, key: key, topic: settings.topic, headers: headers)
            }
        } else {
            try unsafe streamKey.withUnsafeBytes { key in
                try unsafe enqueue(line.bytes, in: line.block, key: key, topic: settings.eventsTopic, headers: headers)
            }
        }
    }

    /// The key of everything that is no tweet.
    private var streamKey: [UInt8] { Array(source.stream.utf8) }

    private func headers(of line: JournalLine) -> RecordHeaders {
        RecordHeaders(
            stream: source.stream, journal: source.journal, seq: line.seq, receivedAt: line.receivedAt,
            connection: line.connection)
    }

    private func enqueue(
        _ value: UnsafeRawBufferPointer, in block: ByteBlock? = nil, key: UnsafeRawBufferPointer, topic: String,
        headers: RecordHeaders
    ) throws {
        let producer = unsafe producers.client(for: key)
        while undelivered == nil, !stop.isImmediate {
            do throws(KafkaError) {
                return try unsafe producer.enqueue(
                    topic: topic, key: key, value: value, in: block, headers: headers, id: headers.seq)
            } catch {
                take(headers.seq, error)
                guard error.disposition == .queueFull else { return }
                for report in producer.poll(timeout: .milliseconds(100)) { take(report) }
                producers.poll { take($0) }
            }
        }
    }

    private func take(_ report: DeliveryReport) {
        take(report.id, report.error)
    }

    private func take(_ seq: Int64, _ error: KafkaError?) {
        switch error?.disposition {
        case nil:
            acknowledged.acknowledge(seq)
            failures = 0
        case .queueFull: break
        case .rejectRecord: refused[seq] = error?.name
        case .retry, .rebuild, .settings: undelivered = undelivered ?? error
        }
    }

    // MARK: Trouble

    /// Replaces lines that Kafka refused for good by events that carry their numbers, so that the loader settles them.
    private func declareRefused() throws {
        for (seq, reason) in refused.sorted(by: { $0.key < $1.key }) {
            guard declared.insert(seq).inserted else {
                throw Failure(
                    .unavailable, "topic \(settings.eventsTopic) refuses even the note of a refused line: \(reason)")
            }
            logger.error(
                "a line cannot be published", metadata: ["seq": "\(seq)", "reason": "\(reason)"])
            var reader = try JournalReader(source, from: seq)
            // A line that was dropped meanwhile needs no note of its own: the drop has one.
            guard reader.nextSeq == seq else { continue }
            _ = try reader.read(limit: 1) { line in
                var event = PipelineEvent(.rejected, connection: line.connection, cause: reason)
                event.seq = seq
                unsafe event.setRejectedBytes(line.bytes)
                try unsafe event.line.withUnsafeBytes { bytes in
                    try unsafe streamKey.withUnsafeBytes { key in
                        try unsafe enqueue(bytes, key: key, topic: settings.eventsTopic, headers: headers(of: line))
                    }
                }
            }
        }
        refused.removeAll()
    }

    /// Makes the clients anew. An idempotent producer that gave up on one record cannot promise order for the next.
    private func startAgain(after error: KafkaError) {
        logger.warning(
            "sending again from the journal",
            metadata: ["reason": "\(error)", "lines": "\(source.tail.lastSeq - acknowledged.through)"])
        let wait = Duration.milliseconds(min(30_000, 100 << min(failures, 10)))
        failures += 1
        stop.wait(for: wait)
        guard renew() else { return }
        refused.removeAll()
        declared.removeAll()
        undelivered = nil
    }

    /// Makes clients of what the files say by now; false when they are of no use, which must not end a service that runs.
    private func renew() -> Bool {
        do throws(Failure) {
            producers = try KafkaProducers(settings.kafka, logger: logger)
            return true
        } catch {
            logger.error("the settings for Kafka cannot be used; trying again", metadata: ["reason": "\(error)"])
            return false
        }
    }

    /// Creates or checks the topics; waits while Kafka is away.
    private func ensureTopics() throws {
        for topic in [
            NewTopic(settings.topic, partitions: settings.partitions, replication: settings.replication),
            NewTopic(settings.eventsTopic, partitions: 1, replication: settings.replication),
        ] {
            // A refusal is heard of only between two attempts, so the first are short; a slow broker needs longer ones.
            var seconds = 1
            while !stop.isImmediate, !(stop.isRaised && source.tail.isClosed) {
                do {
                    let partitions = try producers.ensureTopic(topic, timeout: .seconds(seconds))
                    logger.debug("topic is there", metadata: ["topic": "\(topic.name)", "partitions": "\(partitions)"])
                    break
                } catch {
                    guard error.isAway else {
                        throw Failure(
                            .unavailable, "\(error). Create the topics (kafka/create-topics.sh) or allow it.")
                    }
                    producers.poll { _ in }
                    let isRenewed = producers.renewal != nil && renew()
                    seconds = isRenewed ? 1 : min(seconds + 1, 5)
                    stop.wait(for: .milliseconds(500))
                }
            }
        }
    }

    private func writeCheckpoint(isLast: Bool) {
        let isNew = acknowledged.through > checkpoint.acknowledged || isCheckpointOld
        guard isNew, isLast || ContinuousClock.now >= checkpointDue else { return }
        failures = 0
        checkpoint.acknowledged = acknowledged.through
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
