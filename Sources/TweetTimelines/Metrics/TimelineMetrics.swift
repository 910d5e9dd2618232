import Core
import Journal
import LogShipping
import Publishing
import XAPI

/// The metrics of `tweet-timelines`: the one table that `/metrics`, `tweet-timelines metrics` and `docs/metrics.md` are made of.
struct TimelineMetrics: Sendable {
    let registry = MetricsRegistry(prefix: "tweet_timelines")
    /// Calls of timelines that X has answered, or not.
    let calls: LabelledCounters<CallOutcome>
    /// Posts that X has returned, and those of them that were new.
    let posts, newPosts: Counter
    let gaps: Counter
    /// Since when PostgreSQL is unreachable; 0 while it is not.
    let database = Gauge()
    /// When X last answered with a page, and when one last had a new post; 0: never.
    let lastAnswer, lastPost: Gauge
    let journal: TimelineJournalMetrics
    let publishing = PublishCounts()
    let facts: TimelineFactMetrics

    /// - Parameters:
    ///   - health: of the service.
    ///   - shipping: of its log.
    init(health: ServiceHealth = ServiceHealth(), shipping: ShippingCounts = ShippingCounts()) {
        registry.addProcess(health)
        calls = registry.counters("x_calls", "Calls of timelines, by what X answered.", by: "outcome")
        posts = registry.counter("x_posts", "Posts that X returned; each is charged once a day (UTC).")
        newPosts = registry.counter("new_posts", "Posts that were journalled.")
        lastAnswer = registry.gauge(
            "x_last_answer_timestamp_seconds", "When X last answered with a page; 0: never.", unit: .seconds)
        lastPost = registry.gauge(
            "x_last_post_timestamp_seconds", "When a page last had a new post; 0: never.", unit: .seconds)
        gaps = registry.counter("gaps_found", "Gaps that this process has added to timeline_gaps.")
        journal = TimelineJournalMetrics(registry)
        Self.declare(publishing, registry)
        facts = TimelineFactMetrics(registry)
        shipping.declare(in: registry)
    }

    /// Notes that X has just answered with a page.
    ///
    /// - Returns: when that was, so that a post of the page is not newer than the page.
    func noteAnswer() -> Timestamp {
        let now = Timestamp.now()
        lastAnswer.set(now)
        return now
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
            "Time from the journalling of a line to Kafka's acknowledgement of it and of all lines before it.",
            unit: .seconds, counts.durations)
        registry.counters(
            "kafka_delivery_errors", "Failed deliveries, by what the service did about them.", by: "disposition",
            counts.failures)
    }
}

/// What X answered to a call.
enum CallOutcome: String, MetricLabel {
    case page
    case unauthorized, forbidden
    case notFound = "not_found"
    case rateLimit = "rate_limit"
    case usageCap = "usage_cap"
    case noCredits = "no_credits"
    case serverError = "server_error"
    case other
    /// No answer.
    case unreachable

    init(_ answer: UserAnswer) {
        switch answer {
        case .page: self = .page
        case .unreachable: self = .unreachable
        case .problem(let problem): self = CallOutcome(rawValue: problem.kind.rawValue) ?? .other
        }
    }
}

/// What is known of the journal.
struct TimelineJournalMetrics: Sendable {
    let counts = JournalCounts()
    /// Since when the journal accepts no lines; 0 while it does.
    let refusedSince = Gauge()
    /// When the oldest line was journalled that Kafka has not acknowledged; 0: there is none.
    let oldest: Gauge

    init(_ registry: MetricsRegistry) {
        registry.counter("journal_lines", "Lines that became durable.", counts.lines)
        registry.counter(
            "journal_written_bytes", "Bytes that became durable, index included.", unit: .bytes, counts.bytes)
        registry.histogram(
            "journal_fsync_duration_seconds", "Time that the disk took for a group of lines: write and fsync.",
            unit: .seconds, counts.syncs)
        oldest = registry.gauge(
            "journal_oldest_unacknowledged_timestamp_seconds",
            "When the oldest line was journalled that Kafka has not acknowledged; 0: there is none.", unit: .seconds)
    }
}

/// What is read from PostgreSQL every 10 s, on a connection of its own: of all pollers together.
struct TimelineFactMetrics: Sendable {
    let accounts: LabelledGauges<AccountState>
    let pauses: LabelledGauges<PauseCause>
    let lag, posts, calls, gaps, readAt: Gauge

    init(_ registry: MetricsRegistry) {
        accounts = registry.gauges("accounts", "Accounts by state.", by: "state")
        pauses = registry.gauges("paused", "1 while no timeline is read, by cause.", by: "cause")
        lag = registry.gauge("lag_seconds", "How long the most overdue timeline has been due.", unit: .seconds)
        posts = registry.gauge("posts_today", "Posts that X has charged on this day (UTC).")
        calls = registry.gauge("calls_today", "Calls that X has answered with a page on this day (UTC).")
        gaps = registry.gauge("gaps", "Rows of the table timeline_gaps.")
        readAt = registry.gauge(
            "status_read_timestamp_seconds", "When these numbers were last read from PostgreSQL; 0: never.",
            unit: .seconds)
    }
}

extension AccountState: MetricLabel {}
