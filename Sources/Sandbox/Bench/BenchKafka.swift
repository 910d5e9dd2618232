import Core
import FoundationEssentials
import Glibc
import KafkaClient
import Logging

/// The broker of a measurement: a mock cluster in a process of its own, or the one that TEST_KAFKA_BOOTSTRAP_SERVERS names.
struct BenchKafka {
    let bootstrapServers: String
    /// The mock cluster; nil for another broker.
    let process: KafkaSandboxProcess?
    /// The topic that tweets go to, the same for all; others are named after it.
    let topic: String
    private let partitions: Int

    /// The mock cluster keeps 5 MiB of a partition; a partition is filled to half of that.
    private static let bytesPerPartition = 2_500_000.0

    static let quiet: Logger = {
        var logger = Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() }
        logger.logLevel = .critical
        return logger
    }()

    /// - Parameters:
    ///   - bytes: compressed bytes that the topic must keep.
    ///   - others: more topics of twelve partitions, as endings of the topic's name.
    /// - Throws: `Failure` when there is no broker, or it refuses a topic.
    init(keeping bytes: Double = 0, others: [String] = []) throws {
        let foreign = ProcessInfo.processInfo.environment["TEST_KAFKA_BOOTSTRAP_SERVERS"] ?? ""
        if foreign.isEmpty {
            partitions = max(12, Int((bytes / Self.bytesPerPartition).rounded(.up)))
            topic = "tweets"
            let names = others.map { ("tweets.\($0)", 12) } + [("tweets", partitions)]
            let process = try KafkaSandboxProcess(topics: Dictionary(uniqueKeysWithValues: names))
            self.process = process
            bootstrapServers = process.bootstrapServers
            return
        }
        process = nil
        partitions = 12
        bootstrapServers = foreign
        topic = "bench-\(getpid())-\(Timestamp.now().milliseconds)"
        let producer = try KafkaProducer(configuration, logger: Self.quiet)
        for name in [topic, topic + ".events"] + others.map({ "\(topic).\($0)" }) {
            do { _ = try producer.ensureTopic(NewTopic(name, partitions: 12), timeout: .seconds(10)) } catch {
                throw Failure(.unavailable, "topic \(name): \(error)")
            }
        }
    }

    var configuration: KafkaConfiguration { KafkaConfiguration(bootstrapServers: bootstrapServers) }

    /// Waits until a topic has received this number of records since its creation.
    ///
    /// - Returns: when it had.
    /// - Throws: `Failure` (unavailable) after `timeout`.
    func wait(for records: Int, in topic: String, atMost timeout: Duration) throws -> ContinuousClock.Instant {
        let observer = try observer()
        let deadline = ContinuousClock.now + timeout
        while true {
            let total = try count(in: topic, observer)
            let now = ContinuousClock.now
            if total >= records { return now }
            guard now < deadline else {
                throw Failure(.unavailable, "\(topic) got \(total) of \(records) records within \(timeout.short)")
            }
            // Each look costs the broker's thread and ours a dozen requests, so it is often only towards the end.
            usleep(total < records / 10 * 9 ? 200_000 : 20_000)
        }
    }

    /// How many records a topic has got since it was made.
    func count(in topic: String) throws -> Int {
        try count(in: topic, try observer())
    }

    private func observer() throws(KafkaClientError) -> KafkaConsumer {
        try KafkaConsumer(configuration, group: "bench-observer", topics: [], logger: Self.quiet)
    }

    private func count(in topic: String, _ observer: KafkaConsumer) throws -> Int {
        try (0..<(topic == self.topic ? partitions : 12)).reduce(0) { sum, partition in
            sum + Int(try observer.watermarks(TopicPartition(topic, Int32(partition)), timeout: .seconds(10)).high)
        }
    }
}
