import Core
import Harness
import KafkaClient
import TestSupport
import Testing

/// The text that Kafka keeps in a group without members, as the standby's lease is kept.
@Suite("Kafka: the note of a group", .ownThreads, .timeLimit(.minutes(5))) struct GroupNoteTests {
    private static let timeout = Duration.seconds(20)
    private let log = LogRecorder()
    private let group = "notes-\(UInt32.random(in: 0 ... .max))"

    private func client(_ broker: Broker, topics: [String] = []) throws -> KafkaConsumer {
        try KafkaConsumer(
            KafkaConfiguration(bootstrapServers: broker.servers), group: group, topics: topics, logger: log.logger)
    }

    @Test("every client reads the note that was written last, and a topic must exist")
    func notes() throws {
        let broker = try Broker(partitions: 12)
        defer { broker.stop() }
        let (first, second) = (try client(broker), try client(broker))
        let partition = TopicPartition(broker.topic + ".events", 0)
        #expect(try first.note(of: partition, timeout: Self.timeout) == nil)
        try first.commit(note: "one", for: partition, timeout: Self.timeout)
        #expect(try second.note(of: partition, timeout: Self.timeout) == "one")
        try second.commit(note: "two ü", for: partition, timeout: Self.timeout)
        #expect(try first.note(of: partition, timeout: Self.timeout) == "two ü")
        #expect(throws: KafkaError.self) {
            try first.commit(note: "x", for: TopicPartition("no-such-topic", 0), timeout: Self.timeout)
        }
    }

    @Test("a group with members accepts no note from others: the lease's group must have none")
    func members() throws {
        let broker = try Broker(partitions: 12)
        defer { broker.stop() }
        let events = broker.topic + ".events"
        let (writer, member) = (try client(broker), try client(broker, topics: [events]))
        let deadline = ContinuousClock.now + .seconds(60)
        var isMember = false
        while !isMember, ContinuousClock.now < deadline {
            _ = try member.poll(timeout: .milliseconds(100))
            isMember = !member.takeAssignmentChanges().isEmpty
        }
        #expect(isMember)
        #expect(throws: KafkaError.self) {
            try writer.commit(note: "x", for: TopicPartition(events, 0), timeout: Self.timeout)
        }
    }
}
