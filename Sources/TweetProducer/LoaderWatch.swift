import Core
import KafkaClient
import Logging

/// Watches whether loaders settle what is published, by the offsets that their group commits to Kafka.
///
/// A loader that hangs, or that nobody has started again, commits nothing while lines arrive; heartbeats arrive while X is quiet, too.
/// Kafka alone is asked; the group is not joined.
struct LoaderWatch {
    private let kafka: KafkaConfiguration
    private let group: String
    private let topics: [String]
    private let metrics: LoaderGroupMetrics
    private let stop: Stop
    private let logger: Logger
    private var progress = GroupProgress()

    private static let pause = Duration.seconds(10)
    private static let timeout = Duration.seconds(5)
    /// Looks until the topics are looked at again, whose partitions may become more.
    private static let looks = 30

    /// - Parameters:
    ///   - settings: of the producer.
    ///   - group: of the loaders.
    ///   - metrics: what is found is stored in.
    ///   - stop: ends it.
    ///   - logger: gets what happens to the Kafka client.
    init(_ settings: ProducerSettings, group: String, _ metrics: LoaderGroupMetrics, stop: Stop, logger: Logger) {
        kafka = settings.kafka.withDefaults(["client.id": "tweet-producer-watch"])
        topics = [settings.topic, settings.topic + ".events"]
        (self.group, self.metrics, self.stop, self.logger) = (group, metrics, stop, logger)
    }

    /// Runs until the stop is raised.
    mutating func run() {
        var quiet = logger
        // The publisher's client reports what is wrong with Kafka.
        quiet.logLevel = .critical
        while !stop.isRaised {
            do {
                let inspector = try KafkaInspector(kafka, group: group, logger: quiet)
                try watch(inspector)
            } catch {
                // What is not known says nothing about loaders; `kafka` has its own check.
                progress = GroupProgress()
                metrics.last.set(Timestamp?.none)
                metrics.obstacle.value = "\(error)"
                stop.wait(for: Self.pause)
            }
        }
    }

    /// Looks at the group for a while.
    private mutating func watch(_ inspector: KafkaInspector) throws(KafkaError) {
        let found = try inspector.topics(timeout: Self.timeout)
        let partitions = topics.flatMap { topic in
            (0..<Int32(clamping: found[topic] ?? 0)).map { TopicPartition(topic, $0) }
        }
        guard !partitions.isEmpty else {
            metrics.obstacle.value = "the topics do not exist yet"
            stop.wait(for: Self.pause)
            return
        }
        for _ in 0..<Self.looks {
            try look(inspector, partitions)
            if stop.wait(for: Self.pause) { return }
        }
    }

    private mutating func look(_ inspector: KafkaInspector, _ partitions: [TopicPartition]) throws(KafkaError) {
        // Serves what librdkafka has for us; nothing is fetched.
        _ = inspector.poll(timeout: .zero)
        let committed = try inspector.committed(partitions, timeout: Self.timeout)
        var ends: [TopicPartition: Int64] = [:]
        for partition in committed.keys {
            Heartbeat.beat()
            ends[partition] = try inspector.ends(of: partition, timeout: Self.timeout).high
        }
        metrics.last.set(progress.look(committed, ends, at: .now()))
        metrics.obstacle.value = committed.isEmpty ? "the group \(group) has committed nothing yet" : nil
    }
}

/// When a group last made progress in partitions that have more for it. A pure value.
struct GroupProgress {
    private var seen: [TopicPartition: (committed: Int64, moved: Timestamp)] = [:]

    /// Takes what Kafka knows now.
    ///
    /// - Parameters:
    ///   - committed: the group's next offset, by partition.
    ///   - ends: the next record's offset, by partition.
    ///   - now: the time.
    /// - Returns: when the partition that has waited longest last had nothing to do or was worked on, as far as was seen; nil when
    ///   no partition has more for the group.
    mutating func look(
        _ committed: [TopicPartition: Int64], _ ends: [TopicPartition: Int64], at now: Timestamp
    ) -> Timestamp? {
        var oldest: Timestamp?
        for (partition, offset) in committed {
            let isBehind = offset < ends[partition] ?? 0
            let before = seen[partition]
            let moved = isBehind && before?.committed == offset ? before?.moved ?? now : now
            seen[partition] = (offset, moved)
            if isBehind { oldest = min(oldest ?? moved, moved) }
        }
        return oldest
    }
}
