import Core
import Journal
import LogShipping
import Publishing

/// The metrics of `tweet-producer`: the one table that `/metrics`, `tweet-producer metrics` and `docs/metrics.md` are made of.
struct ProducerMetrics: Sendable {
    let registry = MetricsRegistry(prefix: "tweet_producer")
    let stream: StreamMetrics
    let journal: JournalMetrics
    let uploads: UploadMetrics
    let publishing: PublishCounts
    let gaps: GapMetrics
    let rules: RuleMetrics
    let posts: PostMetrics
    let usage: UsageMetrics
    let loaders: LoaderGroupMetrics

    /// - Parameters:
    ///   - health: of the service.
    ///   - mostTags: how many tags of rules get series of their own; 0: none, and tags are not looked at.
    ///   - shipping: what is counted of log shipping.
    init(
        health: ServiceHealth = ServiceHealth(), mostTags: Int = 100, shipping: ShippingCounts = ShippingCounts()
    ) {
        registry.addProcess(health)
        publishing = PublishCounts(tags: mostTags > 0 ? TagCounters(limit: mostTags) : nil)
        stream = StreamMetrics(registry, connection: publishing.connection)
        registry.histogram(
            "x_delivery_delay_seconds",
            "Time from the creation of a post (its id) to its receipt; posts on the connection that was opened last.",
            unit: .seconds, publishing.delays)
        journal = JournalMetrics(registry)
        uploads = UploadMetrics(registry, certificate: stream.certificates[.s3])
        Self.declare(publishing, registry)
        gaps = GapMetrics(registry)
        rules = RuleMetrics(registry)
        if let tags = publishing.tags { Self.declare(tags, registry) }
        posts = PostMetrics(registry)
        usage = UsageMetrics(registry)
        loaders = LoaderGroupMetrics(registry)
        shipping.declare(in: registry)
    }

    private static func declare(_ counts: PublishCounts, _ registry: MetricsRegistry) {
        registry.gauge(
            "kafka_connected", "1 since Kafka has acknowledged a line, until no broker can be reached.",
            counts.connected)
        registry.counters(
            "kafka_acknowledged_lines", "Lines that Kafka has acknowledged, by topic.", by: "topic", counts.acknowledged
        )
        registry.counters(
            "kafka_acknowledged_bytes", "Bytes of the values of these lines, before compression.", unit: .bytes,
            by: "topic", counts.acknowledgedBytes)
        registry.gauge(
            "kafka_queue_lines", "Lines that were handed to the Kafka client and not answered yet.", counts.queued)
        registry.histogram(
            "kafka_delivery_duration_seconds",
            "Time from the receipt of a line to Kafka's acknowledgement of it and of all lines before it.",
            unit: .seconds, counts.durations)
        registry.counters(
            "kafka_delivery_errors", "Failed deliveries, by what the producer did about them.", by: "disposition",
            counts.failures)
        registry.counter("kafka_client_restarts", "Times that the Kafka client was created again.", counts.restarts)
        registry.counter(
            "journal_damaged_lines", "Lines whose checksum did not match when they were published.", counts.damaged)
    }

    private static func declare(_ tags: TagCounters, _ registry: MetricsRegistry) {
        registry.counters(
            "rule_posts",
            "Published posts by the tags of the rules that they matched; beyond METRICS_MAX_TAGS tags as _other.",
            by: "tag", tags)
        registry.moments(
            "rule_last_post_timestamp_seconds", "When the last post with the tag was received; 0: none was.", by: "tag",
            of: tags)
        registry.gauge("rule_tags", "Tags that matched posts, including those that are counted as _other.") {
            Double(tags.distinct)
        }
    }
}

/// What the reader counts of X's stream.
package struct StreamMetrics: Sendable {
    let connected, connectionStart, lastByte, lastPost, quiet, passive: Gauge
    let bytes, posts: Counter
    let controls: LabelledCounters<ControlKind>
    let attempts: LabelledCounters<ConnectOutcome>
    let disconnects: LabelledCounters<DisconnectCause>
    let nextAttempt: Gauge
    /// How many attempts the connect budget has left now.
    let budget = Late<@Sendable () -> Double>()
    /// The id of the connection that was made last.
    let connection: Gauge
    let certificates: LabelledGauges<TLSPeer>
    /// Why the stream is not connected; nil while it is.
    let interruption = Late<StreamInterruption>()
    /// The part that this producer plays; nil for one that is alone, and before the first election.
    let role = Late<String>()

    init(_ registry: MetricsRegistry = MetricsRegistry(prefix: ""), connection: Gauge = Gauge()) {
        self.connection = connection
        connected = registry.gauge("x_connected", "1 while the stream is connected.")
        connectionStart = registry.gauge(
            "x_connection_start_timestamp_seconds", "When the current or last connection began; 0: never.",
            unit: .seconds)
        lastByte = registry.gauge(
            "x_last_byte_timestamp_seconds", "When X last sent anything, keep-alives included; 0: never.",
            unit: .seconds)
        lastPost = registry.gauge(
            "x_last_post_timestamp_seconds", "When the last post was received; 0: never.", unit: .seconds)
        quiet = registry.gauge("x_quiet", "1 while far fewer posts arrive than usual (X_QUIET_AFTER).")
        certificates = registry.gauges(
            "tls_certificate_expiry_timestamp_seconds",
            "When the first certificate that the peer showed last, or that we show to Kafka, ends; 0: not known, or no TLS.",
            unit: .seconds, by: "peer")
        passive = registry.gauge(
            "x_passive", "1 while another producer reads the stream, and this one is ready to take over (STANDBY).")
        bytes = registry.counter("x_received_bytes", "Bytes received from the stream.", unit: .bytes)
        posts = registry.counter("x_posts", "Posts received from the stream.")
        controls = registry.counters(
            "x_control_messages", "Lines from X that are not posts: disconnect messages, errors and unknown ones.",
            by: "kind")
        attempts = registry.counters("x_connect_attempts", "Attempts to connect, by outcome.", by: "outcome")
        disconnects = registry.counters("x_disconnects", "Connections that ended, by cause.", by: "cause")
        nextAttempt = registry.gauge(
            "x_next_attempt_timestamp_seconds", "When the next attempt to connect is due; 0: none is pending.",
            unit: .seconds)
        registry.gauge("x_connect_budget_remaining", "Attempts that X_CONNECT_BUDGET has left.") { [budget] in
            budget.value?() ?? 0
        }
    }
}

/// What is known of the journal.
struct JournalMetrics: Sendable {
    let counts = JournalCounts()
    /// The journal, once it is open.
    let source = Late<JournalSource>()
    /// Since when the journal accepts no lines; 0 while it does.
    let refusedSince = Gauge()
    let unsynced, oldest, writable, used, quota, available, size, waitingSegments: Gauge

    init(_ registry: MetricsRegistry) {
        registry.counter("journal_lines", "Lines that became durable.", counts.lines)
        registry.counter(
            "journal_written_bytes", "Bytes that became durable, index included.", unit: .bytes, counts.bytes)
        registry.histogram(
            "journal_fsync_duration_seconds", "Time that the disk took for a group of lines: write and fsync.",
            unit: .seconds, counts.syncs)
        unsynced = registry.gauge(
            "journal_unsynced_bytes", "Bytes that were received and are not durable yet.", unit: .bytes)
        Self.declareNumbers(of: source, registry)
        oldest = registry.gauge(
            "journal_oldest_unacknowledged_timestamp_seconds",
            "When the oldest line was received that Kafka has not acknowledged; 0: there is none.", unit: .seconds)
        writable = registry.gauge(
            "journal_writable", "0 while the journal accepts no lines, so that X is not read.")
        used = registry.gauge("journal_used_bytes", "Size of the stream's folder, archive included.", unit: .bytes)
        quota = registry.gauge("journal_quota_bytes", "JOURNAL_QUOTA; 0: no limit.", unit: .bytes)
        available = registry.gauge(
            "journal_filesystem_available_bytes", "Bytes that the journal's disk has left.", unit: .bytes)
        size = registry.gauge("journal_filesystem_size_bytes", "Size of the journal's disk.", unit: .bytes)
        registry.counter(
            "journal_dropped_lines", "Lines that were dropped before Kafka had them (JOURNAL_FULL=drop-oldest).",
            counts.dropped)
        waitingSegments = registry.gauge("archive_waiting_segments", "Closed segments that are not archived yet.")
        registry.counters(
            "archive_segments", "Segments that the archiver is done with, and attempts that failed.", by: "result",
            counts.archived)
    }

    /// The journal accepts lines, or does not.
    func accepts(_ isWritable: Bool) {
        writable.set(isWritable)
        refusedSince.set(isWritable ? nil : Timestamp.now())
    }

    private static func declareNumbers(of source: Late<JournalSource>, _ registry: MetricsRegistry) {
        registry.gauge("journal_durable_seq", "Number of the last durable line.") {
            Double(source.value?.tail.lastSeq ?? 0)
        }
        registry.gauge("journal_acknowledged_seq", "Every line up to this number was acknowledged by Kafka.") {
            Double(source.value?.tail.acknowledged ?? 0)
        }
    }
}

/// What is known of uploads to S3.
package struct UploadMetrics: Sendable {
    let segments: LabelledCounters<UploadResult>
    let bytes: Counter
    let waiting, oldest: Gauge
    /// When the certificate of S3 ends.
    let certificate: Gauge

    package init(
        _ registry: MetricsRegistry = MetricsRegistry(prefix: ""), certificate: Gauge = Gauge()
    ) {
        self.certificate = certificate
        segments = registry.counters(
            "upload_segments", "Segments that were uploaded and verified, and attempts that failed.", by: "result")
        bytes = registry.counter(
            "upload_bytes", "Bytes that were uploaded and verified, receipts included.", unit: .bytes)
        waiting = registry.gauge(
            "upload_waiting_bytes", "Bytes of the archive that are not in the bucket.", unit: .bytes)
        oldest = registry.gauge(
            "upload_oldest_waiting_timestamp_seconds",
            "When the oldest segment was archived that is not in the bucket; 0: there is none.", unit: .seconds)
    }
}

/// What is known of gaps.
package struct GapMetrics: Sendable {
    let began: LabelledCounters<GapCause>
    let durations: LabelledCounters<GapCause>
    let open: LabelledGauges<NextRepair>
    let oldest: Gauge
    let repairs: PairedCounters<RepairMethodLabel, RepairResult>
    let posts: LabelledCounters<RepairMethodLabel>

    package init(_ registry: MetricsRegistry = MetricsRegistry(prefix: "")) {
        began = registry.counters("gaps", "Gaps that began, by cause.", by: "cause")
        durations = registry.counters(
            "gap_duration_seconds", "Length of the gaps that ended, by cause.", unit: .seconds, by: "cause",
            LabelledCounters(perUnit: 1000))
        open = registry.gauges(
            "gaps_open", "Gaps that are not filled, by how they can be: not_connected has not ended, none is too old.",
            by: "next")
        oldest = registry.gauge(
            "gap_oldest_open_timestamp_seconds",
            "Begin of the oldest open gap that can still be filled; 0: there is none.",
            unit: .seconds)
        repairs = registry.counters(
            "gap_repairs", "Gaps that a repair has filled, exactly or approximately, or left open.",
            by: ("method", "outcome"))
        posts = registry.counters("gap_repair_posts", "Posts that repairs returned.", by: "method")
    }
}

/// What is known of the rules at X.
struct RuleMetrics: Sendable {
    let atX, limit, silent, lastCheck: Gauge
    let differing: LabelledGauges<RuleDifferenceLabel>
    /// Since when rules at X differ from the file; 0 while they do not.
    let differsSince = Gauge()

    init(_ registry: MetricsRegistry = MetricsRegistry(prefix: "")) {
        atX = registry.gauge("rules_at_x", "Rules at X that belong to this producer (X_RULES_PREFIX).")
        limit = registry.gauge("rules_limit", "Rules that X_PLAN allows.")
        differing = registry.gauges(
            "rules_differing", "Rules at X that differ from the rules file, by how.", by: "difference")
        silent = registry.gauge("rules_silent", "Rules of the file without a post for X_RULES_SILENCE.")
        lastCheck = registry.gauge(
            "rules_last_check_timestamp_seconds", "When the rules at X were last read; 0: never.", unit: .seconds)
    }
}

/// What posts cost.
struct PostMetrics: Sendable {
    let used, limit, windowEnd: LabelledGauges<PostWindow>
    let price, repairUsed, repairLimit: Gauge

    init(_ registry: MetricsRegistry) {
        used = registry.gauges(
            "posts_used",
            "Posts of the current day (UTC) and billing cycle by the producer's own count, repairs included.",
            by: "window")
        limit = registry.gauges("posts_limit", "MAX_POSTS_PER_DAY and MAX_POSTS_PER_MONTH; 0: no limit.", by: "window")
        windowEnd = registry.gauges(
            "posts_window_end_timestamp_seconds", "When the day and the billing cycle end.", unit: .seconds,
            by: "window")
        price = registry.gauge("post_price_dollars", "Price of a post (X_POST_PRICE).", unit: .dollars)
        repairUsed = registry.gauge("repair_posts_used", "Posts that searches for gaps returned today (UTC).")
        repairLimit = registry.gauge("repair_posts_limit", "X_REPAIR_MAX_POSTS.")
    }
}

/// What is known of the loaders' group.
struct LoaderGroupMetrics: Sendable {
    /// When it last made progress, while it has something to do.
    let last: Gauge
    /// Why its progress is not known; nil when it is.
    let obstacle = Late<String>()

    init(_ registry: MetricsRegistry = MetricsRegistry(prefix: "")) {
        last = registry.gauge(
            "loader_last_progress_timestamp_seconds",
            "When the loaders' group last settled something of the partition that has waited longest; 0: nothing waits,"
                + " or that is not known.",
            unit: .seconds)
    }
}
