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
            let silent = Logger(label: "doctor") { _ in SwiftLogNoOpLogHandler() }
            let inspector = try KafkaInspector(settings.kafka, group: settings.group, logger: silent)
            let found = Self.offsets(offsets, try ends(of: offsets, inspector))
            return [found] + Self.judge(try look(at: offsets, inspector), keeping: retention, now: now)
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

    /// The oldest offset in Kafka and the end of each partition; one that Kafka does not have is left out.
    private func ends(
        of offsets: [TopicPartition: Int64], _ inspector: KafkaInspector
    ) throws -> [TopicPartition: (low: Int64, high: Int64)] {
        let topics = try inspector.topics(timeout: Self.patience)
        var ends: [TopicPartition: (low: Int64, high: Int64)] = [:]
        for partition in offsets.keys where Int(partition.partition) < topics[partition.topic] ?? 0 {
            ends[partition] = try inspector.ends(of: partition, timeout: Self.patience)
        }
        return ends
    }

    /// Compares what is loaded next with what Kafka has.
    ///
    /// - Parameters:
    ///   - next: the first offset that is not settled.
    ///   - ends: the oldest offset and the end of each partition that Kafka has.
    /// - Returns: a failure for a hole ahead, and for a partition that ends before what was loaded.
    static func offsets(
        _ next: [TopicPartition: Int64], _ ends: [TopicPartition: (low: Int64, high: Int64)]
    ) -> DoctorFinding {
        let known = next.sorted { $0.key < $1.key }
            .compactMap { place, offset in ends[place].map { (place, offset, $0) } }
        let holes = known.filter { $1 < $2.low }.map { "\($0) from \($1) to \($2.low - 1)" }
        let replaced = known.filter { $1 > $2.high }.map { "\($0) ends with \($2.high), loaded up to \($1)" }
        let lost = next.keys.filter { ends[$0] == nil }.sorted().map { "\($0) does not exist" }
        let remedy = "docs/operations.md, \"Offsets that Kafka no longer has\"; ON_HOLE says what a loader does there"
        guard holes.isEmpty else {
            return .fail(
                "offsets", "Kafka has deleted what was not loaded: \(holes.joined(separator: ", "))", remedy: remedy,
                .wait)
        }
        guard replaced.isEmpty, lost.isEmpty else {
            let list = (replaced + lost).joined(separator: ", ")
            return .fail("offsets", "the topic was created again: \(list)", remedy: remedy, .wait)
        }
        let lag = known.reduce(0) { $0 + $1.2.high - $1.1 }
        return .ok("offsets", "\(lag) messages of \(counted(known.count, "partition")) are not loaded")
    }

    /// Reads one message of each partition; a partition that does not answer in time is left out.
    private func look(
        at offsets: [TopicPartition: Int64], _ inspector: KafkaInspector
    ) throws -> [TopicPartition: Next] {
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
        guard let retention else { return .ok("backlog", detail) }
        let left = "Kafka keeps it for another \(shortAge(max(0, retention.milliseconds - age) / 1000))"
        guard age * 2 > retention.milliseconds else { return .ok("backlog", "\(detail); \(left)") }
        return .warning(
            "backlog", "\(detail), and \(left) (retention.ms: \(shortAge(retention.milliseconds / 1000)))",
            remedy: "raise retention.ms of the topic now; then start more loaders")
    }
}
