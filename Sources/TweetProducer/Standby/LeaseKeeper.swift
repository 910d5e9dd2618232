import Core
import Glibc
import Journal
import KafkaClient
import Logging
import TweetFormat

/// Keeps the lease of a stream, or waits for it; on one thread.
///
/// The lease is a note that Kafka keeps as metadata of a committed offset, in a group without members: partition 0 of the topic
/// of events, which is not fetched. `LeaseWatch` decides whose it is. In a group with members the note could not be written
/// while the group rebalances, for up to a session of a member that was killed, and that is just when a producer takes over.
/// The clocks of two hosts are never compared.
struct LeaseKeeper {
    private let kafka: KafkaConfiguration
    private let partition: TopicPartition
    private let group: String
    private let lease: Lease
    private let journal: Journal
    private let stop: Stop
    private let logger: Logger

    private static let pace = Duration.milliseconds(250)
    private static let timeout = Duration.seconds(3)
    private static let pause = Duration.seconds(1)
    /// How many lines are searched for the last one of the stream; events and repairs stand between them.
    private static let lookBack: Int64 = 200

    /// - Parameters:
    ///   - settings: of the producer.
    ///   - lease: what the reader sees of it.
    ///   - journal: whose lines are read into Kafka.
    ///   - stop: ends it, once the journal is published.
    ///   - logger: gets what happens.
    init(_ settings: ProducerSettings, lease: Lease, journal: Journal, stop: Stop, logger: Logger) {
        kafka = settings.kafka.withDefaults(["client.id": "tweet-producer-standby"])
        partition = TopicPartition(settings.publish.events.name, 0)
        group = "tweet-producer.\(settings.topic).\(settings.stream.stream)"
        (self.lease, self.journal, self.stop, self.logger) = (lease, journal, stop, logger)
    }

    /// Runs until the stop is raised and the journal is published, or the stop is immediate.
    func run() {
        var watch = LeaseWatch(journal: lease.journal)
        var problem = ""
        while !isDone {
            do {
                let consumer = try KafkaConsumer(kafka, group: group, topics: [], logger: logger)
                defer { consumer.close() }
                while !isDone {
                    _ = try consumer.poll(timeout: Self.pace)
                    Heartbeat.beat()
                    keep(consumer, &watch, &problem)
                }
                try release(consumer, &watch)
            } catch {
                _ = lease.unanswered()
                report("\(error)", &problem)
                stop.wait(for: Self.pause)
            }
        }
    }

    private var isDone: Bool {
        let tail = journal.source.tail
        return stop.isImmediate || (stop.isRaised && tail.isClosed && tail.acknowledged >= tail.lastSeq)
    }

    /// Looks at the note, and writes it when it is ours to write.
    private func keep(_ consumer: KafkaConsumer, _ watch: inout LeaseWatch, _ problem: inout String) {
        do {
            switch try look(consumer, &watch) {
            case .passive: lease.lost()
            case .settling: break
            case .bid(let term): try write(bid(watch.predecessor, term), consumer)
            case .won(let term): try hold(term, after: watch.predecessor, consumer)
            case .hold(let term): try hold(term, after: lease.note, consumer)
            }
            lease.answered()
            problem = ""
        } catch {
            // Kafka rejects notes until the publisher has created the topic, and while a coordinator moves.
            if lease.unanswered() { report("\(error)", &problem) }
        }
    }

    private func look(_ consumer: KafkaConsumer, _ watch: inout LeaseWatch) throws(KafkaError) -> LeaseWatch.Step {
        let text = try consumer.note(of: partition, timeout: Self.timeout)
        return watch.look(at: text.flatMap(LeaseNote.init), now: .now)
    }

    private func write(_ note: LeaseNote, _ consumer: KafkaConsumer) throws(KafkaError) {
        try consumer.commit(note: note.text, for: partition, timeout: Self.timeout)
    }

    /// What the holder before has left, in our name.
    private func bid(_ predecessor: LeaseNote?, _ term: Int64) -> LeaseNote {
        let note = predecessor ?? LeaseNote(journal: lease.journal, host: Self.host)
        return note.continued(by: lease.journal, host: Self.host, term: term)
    }

    private func hold(_ term: Int64, after before: LeaseNote?, _ consumer: KafkaConsumer) throws(KafkaError) {
        if lease.won(before) {
            logger.notice(
                "this producer is active", metadata: ["stream": "\(journal.source.stream)", "group": "\(group)"])
        }
        let note = currentNote(term)
        lease.note = note
        try write(note, consumer)
    }

    /// Lets another producer have the lease without waiting.
    private func release(_ consumer: KafkaConsumer, _ watch: inout LeaseWatch) throws(KafkaError) {
        guard lease.role == .active, case .hold(let term) = try look(consumer, &watch) else { return }
        var note = currentNote(term)
        note.isReleased = true
        try write(note, consumer)
    }

    private func report(_ reason: String, _ problem: inout String) {
        guard reason != problem else { return }
        problem = reason
        logger.warning(
            "cannot take part in the election of the active producer; retrying",
            metadata: ["reason": "\(reason)", "group": "\(group)"])
    }

    /// What the next holder has to know by now.
    private func currentNote(_ term: Int64) -> LeaseNote {
        let reading = lease.reading
        // In this order: what is appended by now was heard before, and what is acknowledged later does no harm.
        let appended = journal.lastSeq
        let acknowledged = journal.source.tail.delivered
        var note = bid(lease.note, term)
        if let opened = reading.opened { note.opened = opened }
        note.add(attempts: reading.attempts)
        let last = lastLine(through: acknowledged, of: reading.connections)
        if let last { note.advance(to: last.receivedAt.milliseconds, newestID: last.id) }
        if acknowledged >= appended, let heardAt = reading.heardAt {
            note.advance(to: heardAt.milliseconds, newestID: nil)
        }
        return note
    }

    /// The last line of the stream among those that Kafka has; nil when none is found, and the last one known stays.
    private func lastLine(through last: Int64, of connections: [Int64]) -> (receivedAt: Timestamp, id: Int64?)? {
        guard last > 0, !connections.isEmpty else { return nil }
        var found: (receivedAt: Timestamp, id: Int64?)?
        var ids = TweetKey()
        do {
            // Older segments may be archived already.
            let begin = journal.source.tail.segment
            let first = max(1, last - Self.lookBack + 1)
            var reader = try JournalReader(journal.source, from: begin <= last ? max(begin, first) : first)
            while reader.nextSeq <= last {
                let count = try reader.read(limit: Int(last - reader.nextSeq + 1)) { line in
                    guard connections.contains(line.connection) else { return }
                    let id = [found?.id, unsafe ids.id(of: line.bytes)].compactMap { $0 }.max()
                    found = (max(found?.receivedAt ?? line.receivedAt, line.receivedAt), id)
                }
                if count == 0 { break }
            }
        } catch {
            logger.debug("cannot read the last line that Kafka has", metadata: ["reason": "\(error)"])
        }
        return found
    }

    private static let host: String = {
        var name = [CChar](repeating: 0, count: 256)
        guard unsafe gethostname(&name, name.count) == 0 else { return "" }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }()
}
