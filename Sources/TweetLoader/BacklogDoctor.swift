import Core
import KafkaClient
import Logging
import Postgres

/// Finds messages that Kafka deletes before they are loaded, or has deleted.
struct BacklogDoctor {
    private let settings: LoaderSettings
    private static let patience = Duration.seconds(5)

    /// What is at the offset that is loaded next.
    enum Next: Equatable {
        /// A message, and when Kafka got it.
        case message(Timestamp?)
        /// Nothing: all is loaded.
        case end
        /// Kafka has deleted it, or the topic was created again.
        case gone
    }

    init(_ settings: LoaderSettings) {
        self.settings = settings
    }

    /// Compares what is not loaded with how long Kafka keeps it.
    ///
    /// - Parameters:
    ///   - retention: of each topic, as far as it is known; nil for ever.
    ///   - now: the time.
    /// - Returns: what was found.
    func findings(keeping retention: [String: Duration?], now: Timestamp) -> [DoctorFinding] {
        do {
            let offsets = try settledOffsets()
            guard !offsets.isEmpty else { return [.ok("backlog", "nothing was loaded yet")] }
            return Self.judge(try look(at: offsets), keeping: retention, now: now)
        } catch {
            return [.ok("backlog", "not known: \(error)")]
        }
    }

    private func settledOffsets() throws -> [TopicPartition: Int64] {
        let connection = try PostgresConnection.connect(settings.conninfo, role: .any)
        let rows = try connection.query(
            "SELECT topic, partition, next_offset FROM loader_offsets WHERE topic = ANY ($1) AND next_offset IS NOT NULL",
            [arrayLiteral(settings.topics.map { Optional($0) })], doing: "ask for the settled offsets"
        ).rows
        var offsets: [TopicPartition: Int64] = [:]
        for row in rows {
            let (number, offset) = (row[1].flatMap { Int32($0) }, row[2].flatMap { Int64($0) })
            guard let topic = row[0], let number, let offset else { continue }
            offsets[TopicPartition(topic, number)] = offset
        }
        return offsets
    }

    /// Reads one message of each partition; a partition that does not answer in time is left out.
    private func look(at offsets: [TopicPartition: Int64]) throws -> [TopicPartition: Next] {
        let inspector = try KafkaInspector(
            settings.kafka, group: settings.group, logger: Logger(label: "doctor") { _ in SwiftLogNoOpLogHandler() })
        try inspector.start(offsets)
        var found: [TopicPartition: Next] = [:]
        let deadline = ContinuousClock.now + Self.patience
        while found.count < offsets.count, ContinuousClock.now < deadline {
            guard let event = inspector.poll(timeout: .milliseconds(100)) else { continue }
            switch event {
            case .message(let message):
                let partition = message.topicPartition
                if found[partition] == nil { found[partition] = .message(message.timestamp) }
            case .end(let partition, _): if found[partition] == nil { found[partition] = .end }
            case .failed(let partition, let error):
                if found[partition] == nil, error.offsetGone != nil { found[partition] = .gone }
            }
        }
        return found
    }

    /// Judges each topic by its oldest message that is not loaded.
    ///
    /// - Parameters:
    ///   - found: what is loaded next.
    ///   - retention: of each topic, as far as it is known; nil for ever.
    ///   - now: the time.
    /// - Returns: a failure for what is deleted, and a warning when half of the time has passed.
    static func judge(
        _ found: [TopicPartition: Next], keeping retention: [String: Duration?], now: Timestamp
    ) -> [DoctorFinding] {
        let gone = found.filter { $0.value == .gone }.keys.sorted()
        if !gone.isEmpty {
            let list = gone.map(\.description).joined(separator: ", ")
            return [
                .fail(
                    "backlog", "Kafka no longer has what is to be loaded next: \(list)",
                    remedy: "docs/operations.md, \"Offsets that Kafka no longer has\"", .wait)
            ]
        }
        let findings = Set(found.keys.map(\.topic)).sorted().compactMap { topic in
            let moments = found.filter { $0.key.topic == topic }.compactMap { entry -> Timestamp? in
                guard case .message(let moment) = entry.value else { return nil }
                return moment
            }
            return moments.min().map { judge(topic, oldest: $0, keeping: retention[topic] ?? nil, now: now) }
        }
        return findings.isEmpty ? [.ok("backlog", "everything is loaded")] : findings
    }

    private static func judge(
        _ topic: String, oldest: Timestamp, keeping retention: Duration?, now: Timestamp
    ) -> DoctorFinding {
        let age = max(0, now.milliseconds - oldest.milliseconds)
        let detail = "the oldest message of \(topic) that is not loaded is \(shortAge(age / 1000)) old"
        guard let retention, age * 2 > retention.milliseconds else { return .ok("backlog", detail) }
        return .warning(
            "backlog", "\(detail), and Kafka deletes it after \(shortAge(retention.milliseconds / 1000))",
            remedy: "raise retention.ms of the topic now; then start more loaders")
    }
}
