import Core
import KafkaClient
import Logging
import Postgres

/// Asks Kafka and PostgreSQL at regular intervals how far the loader is behind, for metrics: a scrape then reads memory alone.
///
/// It has connections of its own, and nothing waits for it.
struct LoaderFacts {
    private let settings: LoaderSettings
    private let metrics: LoaderMetrics
    private let stop: Stop
    private let logger: Logger
    private var kafka: KafkaEnds?
    private var numbers = Periodic(every: .seconds(30), atOnce: true)
    private var watch = UnsettledWatch()
    private var certificates: CertificateFacts
    private var lag = PartitionLag()

    private static let pause = Duration.seconds(10)
    /// Between two looks at Kafka, what the writers have settled is taken over at this interval.
    private static let glance = Duration.seconds(1)
    private static let patience = Duration.seconds(2)

    /// - Parameters:
    ///   - settings: of the service.
    ///   - metrics: what the numbers are stored in.
    ///   - stop: ends it.
    ///   - logger: gets what cannot be read.
    init(_ settings: LoaderSettings, _ metrics: LoaderMetrics, stop: Stop, logger: Logger) {
        (self.settings, self.metrics, self.stop, self.logger) = (settings, metrics, stop, logger)
        certificates = CertificateFacts(metrics.facts.certificates, logger: logger)
    }

    /// Asks until the stop is raised.
    mutating func run() {
        repeat {
            askKafka()
            certificates.look(at: settings.kafka)
            askDatabase()
        } while !waitForNextLook()
    }

    /// - Returns: whether the stop is raised.
    private mutating func waitForNextLook() -> Bool {
        let end = ContinuousClock.now + Self.pause
        while ContinuousClock.now < end {
            if stop.wait(for: Self.glance) { return true }
            lag.note(metrics.writers.positions)
            lag.show(in: metrics.consuming)
        }
        return false
    }

    // MARK: Kafka

    private mutating func askKafka() {
        // What is settled comes first: so no lag is less than it was.
        let positions = metrics.writers.positions
        do {
            let kafka = try kafka ?? makeKafka()
            self.kafka = kafka
            let ends = try kafka.ends(of: positions.keys.sorted(), timeout: Self.patience)
            if positions.isEmpty { try kafka.ask(timeout: Self.patience) }
            metrics.consuming.connected.set(true)
            metrics.consuming.answeredAt.set(Timestamp.now())
            lag.look(positions, ends) { Self.firstMessages(from: $0, kafka) }
            metrics.consuming.trend.note(lag.sum)
            lag.show(in: metrics.consuming)
        } catch {
            metrics.consuming.connected.set(false)
            logger.debug("the lag is not known", metadata: ["reason": "\(error)"])
        }
    }

    /// Only one message of a partition is ever wanted. Whatever time-out it is given, rd_kafka_query_watermark_offsets (librdkafka
    /// 2.0.2) waits for its request, which is sent up to three times: with a broker that hangs, 180 s by default.
    private func makeKafka() throws -> KafkaEnds {
        let own = ["queued.max.messages.kbytes": "1024", "queued.min.messages": "1", "socket.timeout.ms": "5000"]
        return try KafkaEnds(settings.kafka.withDefaults(own), group: settings.group)
    }

    private static func firstMessages(
        from offsets: [TopicPartition: Int64], _ kafka: KafkaEnds
    ) -> [TopicPartition: KafkaEnds.First] {
        guard !offsets.isEmpty else { return [:] }
        defer { kafka.rest() }
        return (try? kafka.first(from: offsets)) ?? [:]
    }

    // MARK: PostgreSQL

    private mutating func askDatabase() {
        var conninfo = settings.conninfo
        conninfo.statementTimeout = Self.patience
        do {
            let connection = try PostgresConnection.connect(conninfo, stop: stop)
            certificates.look(at: connection.encryption)
            try connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            metrics.facts.set(try StreamStates.read(connection))
            if numbers.isDue() {
                try readNumbers(connection)
                metrics.facts.readAt.set(Timestamp.now())
            }
            try connection.execute("COMMIT")
        } catch {
            metrics.facts.errors.add()
            logger.debug("the numbers of the database cannot be read", metadata: ["reason": "\(error)"])
        }
    }

    private mutating func readNumbers(_ connection: borrowing PostgresConnection) throws {
        let dismissed = try Dismissals.journals(connection)
        let journals = try StreamLedger.read(connection).filter { !dismissed.contains($0.key.journal) }
            .sorted { $0.key < $1.key }
        metrics.facts.lastSeq.set(journals.map { ([$0.key.stream, $0.key.journal], Double($0.value.last)) })
        metrics.facts.unsettled.set(
            journals.map { ([$0.key.stream, $0.key.journal], Double($0.value.missing.count)) })
        let missing = watch.look(Dictionary(uniqueKeysWithValues: journals.map { ($0.key, $0.value.missing) }))
        metrics.facts.missing.set(missing.sorted { $0.key < $1.key }.map { ([$0.key], Double($0.value)) })
        let gaps = try openGaps(connection)
        let streams = Set(journals.map(\.key.stream)).union(gaps.keys).sorted()
        metrics.facts.gaps.set(streams.map { ([$0], Double(gaps[$0] ?? 0)) })
        metrics.facts.holes.set(
            try number(
                "SELECT count(*) FROM kafka_holes WHERE status = 'open' AND \(Dismissals.holeCounts)", connection))
        metrics.facts.unknownKeys.set(try number("SELECT count(*) FROM unknown_keys", connection))
        metrics.facts.size.set(try number("SELECT pg_database_size(current_database())", connection))
    }

    private func openGaps(_ connection: borrowing PostgresConnection) throws(PostgresError) -> [String: Int64] {
        let answer = try connection.query(
            "SELECT stream, count(*) FROM stream_gaps WHERE \(LedgerFacts.isOpen) GROUP BY stream",
            doing: "count gaps")
        return (0..<answer.rowCount).reduce(into: [:]) { $0[answer.text($1, 0) ?? ""] = answer.integer($1, 1) }
    }

    private func number(_ sql: String, _ connection: borrowing PostgresConnection) throws(PostgresError) -> Int64 {
        let answer = try connection.query(sql, doing: "read the status")
        return answer.rowCount == 1 ? answer.integer(0, 0) ?? 0 : 0
    }
}
