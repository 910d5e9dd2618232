import Core
import KafkaClient
import LogShipping

/// The metrics of `tweet-loader`: the one table that `/metrics`, `tweet-loader metrics` and `docs/metrics.md` are made of.
struct LoaderMetrics: Sendable {
    let registry = MetricsRegistry(prefix: "tweet_loader")
    let consuming: ConsumeMetrics
    let writing: WriteMetrics
    let facts: FactMetrics
    /// The writers of the process.
    let writers: WriterStates

    /// - Parameters:
    ///   - health: of the service.
    ///   - shipping: what is counted of log shipping.
    init(health: ServiceHealth = ServiceHealth(), shipping: ShippingCounts = ShippingCounts()) {
        writers = WriterStates(health)
        registry.addProcess(health)
        consuming = ConsumeMetrics(registry, writers)
        writing = WriteMetrics(registry, writers)
        facts = FactMetrics(registry)
        shipping.declare(in: registry)
    }
}

/// What is taken from Kafka.
struct ConsumeMetrics: Sendable {
    let connected: Gauge
    let rejoins: LabelledCounters<RejoinReason>
    let messages, bytes: LabelledCounters<ConsumedTopic>
    let lag, oldest: FoundGauges
    /// When Kafka last answered.
    let answeredAt = Gauge()
    /// How the lag has changed.
    let trend = LagTrend()

    init(_ registry: MetricsRegistry, _ writers: WriterStates) {
        connected = registry.gauge("kafka_connected", "1 while Kafka answers, which is asked every 10 s.")
        registry.gauge("partitions_assigned", "Partitions that this process holds.") { Double(writers.positions.count) }
        rejoins = registry.counters("group_rejoins", "Times that Kafka's group was rejoined, by reason.", by: "reason")
        messages = registry.counters(
            "consumed_messages", "Messages read from Kafka, repeated ones included.", by: "topic")
        bytes = registry.counters(
            "consumed_bytes", "Bytes of the values of these messages.", unit: .bytes, by: "topic")
        registry.gauges(
            "partition_next_offset",
            "Offset of the first message of the partition that is not settled in PostgreSQL; -1: none was settled yet.",
            by: ["topic", "partition"]
        ) {
            writers.positions.sorted { $0.key < $1.key }.map { partition, position in
                ([partition.topic, "\(partition.partition)"], Double(position.next ?? -1))
            }
        }
        lag = registry.gauges(
            "partition_lag_messages", "Messages that are in Kafka and not settled in PostgreSQL.",
            by: ["topic", "partition"])
        oldest = registry.gauges(
            "partition_oldest_unsettled_timestamp_seconds",
            "When the first message was received that is in Kafka and not settled in PostgreSQL; 0: there is none.",
            unit: .seconds, by: ["topic", "partition"])
    }
}

/// What is written into PostgreSQL.
struct WriteMetrics: Sendable {
    let settled: LabelledCounters<SettledOutcome>
    let rejects: LabelledCounters<RejectReason>
    let deleted: LabelledCounters<DeletionKind>
    let transactions: LabelledCounters<TransactionOutcome>
    let durations, batches, delays: Histogram
    let lastCommit: Gauge
    let errors: LabelledCounters<DatabaseReaction>
    let fenceLosses: Counter

    private static let durationBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20]
    private static let batchBounds: [Double] = [1, 10, 50, 100, 500, 1000, 2500, 5000, 10_000, 100_000]
    private static let delayBounds = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 21_600]

    init(_ registry: MetricsRegistry, _ writers: WriterStates) {
        settled = registry.counters(
            "settled_messages", "Messages that were settled, by what became of them.", by: "outcome")
        rejects = registry.counters("rejects", "Messages that became rejects, by reason.", by: "reason")
        deleted = registry.counters(
            "deletions",
            "Tweets that were deleted, each version counted, by what asked for it. Only tombstones do in the loader:"
                + " what `retention` and your own SQL delete is not counted.",
            by: "by")
        transactions = registry.counters("transactions", "Transactions, by what became of them.", by: "outcome")
        durations = registry.histogram(
            "transaction_duration_seconds", "Duration of a committed transaction, retries included.", unit: .seconds,
            Histogram(bounds: Self.durationBounds))
        batches = registry.histogram(
            "batch_messages", "Messages of a committed transaction.", Histogram(bounds: Self.batchBounds))
        delays = registry.histogram(
            "end_to_end_delay_seconds", "Time from the receipt of a line by the producer to COMMIT.", unit: .seconds,
            Histogram(bounds: Self.delayBounds))
        lastCommit = registry.gauge(
            "last_commit_timestamp_seconds", "When a transaction was last committed; 0: never.", unit: .seconds)
        registry.gauge("postgres_connected", "1 while PostgreSQL accepts what every writer of this process sends.") {
            writers.areConnected ? 1 : 0
        }
        errors = registry.counters(
            "postgres_errors", "Errors of PostgreSQL, by what the loader does about them.", by: "disposition")
        fenceLosses = registry.counter("fence_losses", "Partitions that another loader had claimed.")
    }
}

/// What is read from PostgreSQL on a connection of its own: heartbeats every 10 s, everything else every 30 s.
struct FactMetrics: Sendable {
    let heartbeats, heartbeatDelays, connected: FoundGauges
    let lastSeq, unsettled, missing, gaps: FoundGauges
    let holes, unknownKeys, size, readAt: Gauge
    let errors: Counter
    let certificates: LabelledGauges<CertificatePeer>
    /// What heartbeats say of the streams; nil before they were read.
    let streams = Late<[StreamStates]>()

    init(_ registry: MetricsRegistry) {
        heartbeats = registry.gauges(
            "stream_heartbeat_timestamp_seconds",
            "When a producer of the stream wrote its newest heartbeat that PostgreSQL has (HEARTBEAT).", unit: .seconds,
            by: ["stream"])
        heartbeatDelays = registry.gauges(
            "stream_heartbeat_delay_seconds", "Time from the writing of that heartbeat until it was settled.",
            unit: .seconds, by: ["stream"])
        connected = registry.gauges(
            "stream_connected", "1 when a producer of the stream was connected at its newest heartbeat.", by: ["stream"]
        )
        lastSeq = registry.gauges(
            "ledger_last_seq", "Highest number of a journal that is settled.", by: ["stream", "journal"])
        unsettled = registry.gauges(
            "ledger_unsettled_lines",
            "Numbers below the highest that are not settled: in flight, or missing, which `tweet-loader verify` decides.",
            by: ["stream", "journal"])
        missing = registry.gauges(
            "ledger_missing_lines",
            "Numbers that have not been settled for 10 minutes although higher ones were: `tweet-loader verify` names them.",
            by: ["stream"])
        gaps = registry.gauges("gaps_open", "Open gaps of the table stream_gaps.", by: ["stream"])
        holes = registry.gauge("holes_open", "Open holes of the table kafka_holes.")
        unknownKeys = registry.gauge("unknown_keys", "Rows of the table unknown_keys.")
        size = registry.gauge("database_size_bytes", "Size of the database.", unit: .bytes)
        readAt = registry.gauge(
            "status_read_timestamp_seconds", "When these numbers were last read from PostgreSQL; 0: never.",
            unit: .seconds)
        errors = registry.counter("status_read_errors", "Times that they could not be read.")
        certificates = Self.certificates(registry)
    }

    private static func certificates(_ registry: MetricsRegistry) -> LabelledGauges<CertificatePeer> {
        registry.gauges(
            "tls_certificate_expiry_timestamp_seconds",
            "When the certificate ends that PostgreSQL shows, and that of the Kafka client (ssl.certificate.location), looked"
                + " at every hour; 0: not known, or no TLS.",
            unit: .seconds, by: "peer")
    }

    /// Takes over what the newest heartbeats say.
    func set(_ states: [StreamStates]) {
        streams.value = states
        heartbeats.set(states.map { ([$0.stream], Double($0.aliveAt.milliseconds) / 1000) })
        heartbeatDelays.set(states.map { ([$0.stream], $0.delay / .seconds(1)) })
        connected.set(states.compactMap { state in state.isConnected.map { ([state.stream], $0 ? 1 : 0) } })
    }
}
