import CRdKafka
package import Logging

/// Logs the errors of a consumer that heal by themselves or wait for a person: each kind when it begins, then once a minute with
/// a count, and when it has ended.
package struct KafkaErrorLog {
    private struct Kind: Hashable {
        let name: String
        /// Nil: the error belongs to the group.
        let partition: TopicPartition?
    }

    private struct Entry {
        var count = 0
        var isError = false
        var nextLog: ContinuousClock.Instant
    }

    private var entries: [Kind: Entry] = [:]
    private let logger: Logger
    private let interval: Duration

    package init(logger: Logger, interval: Duration = .seconds(60)) {
        self.logger = logger
        self.interval = interval
    }

    /// Whether there is an error that has not ended.
    package var isEmpty: Bool { entries.isEmpty }

    /// Takes note of an error.
    ///
    /// - Parameters:
    ///   - error: librdkafka's name and text.
    ///   - partition: what it belongs to; nil for the group.
    package mutating func note(_ error: KafkaError, of partition: TopicPartition?) {
        let kind = Kind(name: error.name, partition: partition)
        var entry = entries[kind] ?? Entry(nextLog: .now)
        entry.count += 1
        if ContinuousClock.now >= entry.nextLog {
            entry.nextLog = .now + interval
            log(error, kind, count: entry.count)
        }
        entries[kind] = entry
    }

    private func log(_ error: KafkaError, _ kind: Kind, count: Int) {
        var facts: Logger.Metadata = [
            "error": "\(error.name)", "reason": "\(error.reason)", "count": .stringConvertible(count),
        ]
        if let partition = kind.partition { facts["partition"] = "\(partition)" }
        guard let remedy = Self.remedies[error.name] else {
            return logger.warning("Kafka reports an error; librdkafka tries again", metadata: facts)
        }
        facts["remedy"] = "\(remedy)"
        logger.error(
            "Kafka's group does not accept this loader; nothing is loaded until this is fixed", metadata: facts)
    }

    /// What a person has to do about errors of the group that do not heal.
    private static let remedies = [
        "INCONSISTENT_GROUP_PROTOCOL":
            "other members of the group use a different assignment strategy: set -X partition.assignment.strategy to theirs, or choose a group of the loader's own with --group",
        "GROUP_AUTHORIZATION_FAILED": "allow the user to READ the group, or choose a different one with --group",
        "INVALID_SESSION_TIMEOUT":
            "set -X session.timeout.ms between the broker's group.min.session.timeout.ms and group.max.session.timeout.ms",
        "GROUP_MAX_SIZE_REACHED": "raise the broker's group.max.size, or choose a different group with --group",
    ]

    /// The error of the group that keeps this member out of it, with what to do; nil when there is none.
    package var groupProblem: String? {
        let names = entries.keys.filter { $0.partition == nil }.map(\.name).sorted()
        return names.lazy.compactMap { name in Self.remedies[name].map { "\(name): \($0)" } }.first
    }

    /// Takes note that a partition delivers, or that the group has given us partitions (nil).
    package mutating func ended(_ partition: TopicPartition?) {
        for (kind, entry) in entries where kind.partition == partition {
            var facts: Logger.Metadata = ["error": "\(kind.name)", "count": .stringConvertible(entry.count)]
            if let partition { facts["partition"] = "\(partition)" }
            logger.info("Kafka no longer reports the error", metadata: facts)
            entries[kind] = nil
        }
    }
}
