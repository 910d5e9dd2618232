import Core
import Glibc
import KafkaClient
import Logging

/// The writers of one process: complete loaders that share its settings and its bounds of memory.
///
/// Each has partitions, a membership of Kafka's group, a connection and transactions of its own, so that what makes one loader
/// exact makes several exact, and an outage of one connection stops the partitions of one writer.
struct Writers {
    private let settings: [LoaderSettings]
    private let progress: LoaderProgress
    private let logger: Logger
    /// Holds the names in Kafka's group until the process ends.
    private let names: MemberNames?

    /// As many writers as help, at most: the processors, the number of partitions, or this one.
    private static let enough = 4
    /// Kafka may be unreachable at the start; the number of partitions then does not count.
    private static let patience = Duration.seconds(2)

    /// - Parameters:
    ///   - settings: of the process.
    ///   - logger: gets what happens.
    ///   - metrics: of the process.
    /// - Throws: `KafkaClientError` when librdkafka rejects a property: here, because later it would be retried for ever.
    init(
        _ settings: LoaderSettings, logger: Logger, metrics: LoaderMetrics = LoaderMetrics()
    ) throws(KafkaClientError) {
        let inspector = try KafkaInspector(settings.kafka, group: settings.group, logger: logger)
        let count = settings.writers ?? Self.count(for: settings.topic, inspector)
        let names = settings.kafka.memberName == nil ? MemberNames(settings, count: count) : nil
        self.names = names
        progress = LoaderProgress(writers: count, logger: logger, metrics: metrics)
        self.logger = logger
        self.settings = (0..<count).map { number in
            settings.writer(number + 1, of: count, member: names?.names[number] ?? settings.kafka.memberName)
        }
    }

    private static func count(for topic: String, _ inspector: KafkaInspector) -> Int {
        let processors = sysconf(Int32(_SC_NPROCESSORS_ONLN))
        let partitions = (try? inspector.topics(timeout: patience))?[topic] ?? enough
        return max(1, min(enough, processors, partitions))
    }

    /// The loops of the service, one for each writer.
    func loops(_ stop: Stop) -> [Service.Loop] {
        let sharedRows = SharedRows(settings[0], stop: stop)
        return settings.enumerated().map { place, settings in
            let number = place + 1
            let intakeHeart = Heartbeat()
            progress.metrics.writers.begin(settings.owner, step: "Kafka's group (writer \(number))")
            // libpq looks names up, and librdkafka asks for offsets, in calls of some seconds.
            return Service.Loop(
                "loader-\(number)", bound: .seconds(30), helper: ("intake-\(number)", intakeHeart)
            ) { [progress, logger, sharedRows] in
                var logger = logger
                if self.settings.count > 1 { logger[metadataKey: "writer"] = "\(number)" }
                try Loader(
                    settings, progress: progress, sharedRows: sharedRows, stop: stop, logger: logger,
                    intakeHeart: intakeHeart
                ).run()
            }
        }
    }
}

extension LoaderSettings {
    /// The settings of one writer.
    ///
    /// - Parameters:
    ///   - number: from 1.
    ///   - count: of the writers that share the bounds of memory.
    ///   - member: its name in Kafka's group, or what the names of all writers begin with.
    /// - Returns: settings that differ in owner, name and bounds.
    func writer(_ number: Int, of count: Int, member: String?) -> LoaderSettings {
        var result = self
        result.writers = count
        result.limits.bytes = max(1, limits.bytes / count)
        result.member = member
        guard count > 1 else { return result }
        result.owner += "/\(number)"
        // A name that the user has set is one member's name.
        if let name = kafka.memberName { result.member = "\(name)-\(number)" }
        return result
    }
}
