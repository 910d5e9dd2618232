import Core
import Glibc
import Journal
import KafkaClient
import Logging
import TweetFormat

/// Keeps a producer in the group that elects the active one of a stream; on one thread.
///
/// The lease is the note that the group keeps: who wrote it last is active, and writes it anew twice a second. The group's
/// only topic, the one-partition topic of events, which nobody fetches, decides who may take the lease: the member with
/// partition 0, when the note has not changed for some seconds. So neither a rebalance nor a producer that joins takes the
/// lease from one that is alive, whatever the assignor does, and the clocks of two hosts are never compared.
struct LeaseKeeper {
    private let kafka: KafkaConfiguration
    private let partition: TopicPartition
    private let group: String
    private let lease: Lease
    private let journal: Journal
    private let stop: Stop
    private let logger: Logger

    private static let glance = Duration.milliseconds(200)
    private static let pace = Duration.milliseconds(500)
    private static let timeout = Duration.seconds(5)
    private static let pause = Duration.seconds(1)
    /// How many lines are searched for the last one of the stream; events and repairs stand between them.
    private static let lookBack: Int64 = 200

    private static let properties = [
        "client.id": "tweet-producer-standby", "partition.assignment.strategy": "range,roundrobin",
        "session.timeout.ms": "10000", "heartbeat.interval.ms": "1000",
        // The publisher creates the topic, perhaps later than this thread asks for it.
        "topic.metadata.refresh.interval.ms": "2000",
    ]

    /// - Parameters:
    ///   - settings: of the producer.
    ///   - lease: what the reader sees of it.
    ///   - journal: whose lines are read into Kafka.
    ///   - stop: ends it, once the journal is published.
    ///   - logger: gets what happens.
    init(_ settings: ProducerSettings, lease: Lease, journal: Journal, stop: Stop, logger: Logger) {
        kafka = settings.kafka.withDefaults(Self.properties)
        partition = TopicPartition(settings.publish.events.name, 0)
        group = "tweet-producer.\(settings.topic).\(settings.stream.stream)"
        (self.lease, self.journal, self.stop, self.logger) = (lease, journal, stop, logger)
    }

    /// Runs until the stop is raised and the journal is published, or the stop is immediate.
    func run() {
        var problem = ""
        while !isDone {
            do {
                let consumer = try KafkaConsumer(kafka, group: group, topics: [partition.topic], logger: logger)
                defer { consumer.close() }
                try keep(consumer)
            } catch {
                lease.revoked()
                if "\(error)" != problem {
                    problem = "\(error)"
                    logger.warning(
                        "cannot take part in the election of the active producer; retrying",
                        metadata: ["reason": "\(error)", "group": "\(group)"])
                }
                stop.wait(for: Self.pause)
            }
        }
    }

    private var isDone: Bool {
        let tail = journal.source.tail
        return stop.isImmediate || (stop.isRaised && tail.isClosed && tail.acknowledged >= tail.lastSeq)
    }

    /// Takes part until the journal is published.
    private func keep(_ consumer: KafkaConsumer) throws {
        // Nil while the group elects anew, or cannot be reached.
        var hasPartition: Bool?
        var watch = LeaseWatch()
        var pace = Periodic(every: Self.pace, atOnce: true)
        while !isDone {
            _ = try consumer.poll(timeout: Self.glance)
            Heartbeat.beat()
            for change in consumer.takeAssignmentChanges() {
                if case .assigned(let partitions) = change {
                    hasPartition = partitions.contains(partition)
                } else {
                    hasPartition = nil
                    lease.revoked()
                }
            }
            guard let hasPartition, pace.isDue() else { continue }
            do {
                let text = try consumer.note(of: partition, timeout: Self.timeout)
                settle(watch.isOurs(text, journal: lease.journal, hasPartition: hasPartition, at: .now), text, consumer)
            } catch {
                logger.debug("cannot read the note of the lease", metadata: ["reason": "\(error)"])
            }
        }
        if lease.role == .active {
            var note = currentNote()
            note.isReleased = true
            consumer.commit(note: note.text, for: partition)
        }
    }

    /// Takes over what a look at the note has shown.
    private func settle(_ isOurs: Bool, _ text: String?, _ consumer: KafkaConsumer) {
        guard isOurs else { return lease.lost() }
        if lease.role != .active, !lease.reads {
            logger.notice(
                "this producer is active", metadata: ["stream": "\(journal.source.stream)", "group": "\(group)"])
        }
        lease.won(text.flatMap(LeaseNote.init))
        let note = currentNote()
        consumer.commit(note: note.text, for: partition)
        lease.note = note
    }

    /// What the next holder has to know by now.
    private func currentNote() -> LeaseNote {
        let reading = lease.reading
        // In this order: what is appended by now was heard before, and what is acknowledged later does no harm.
        let appended = journal.lastSeq
        let acknowledged = journal.source.tail.acknowledged
        var note = LeaseNote(journal: lease.journal, host: Self.host)
        (note.receivedAt, note.newestID) = (lease.note?.receivedAt, lease.note?.newestID)
        (note.opened, note.attempts, note.writtenAt) = (reading.opened, reading.attempts, Timestamp.now().milliseconds)
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
