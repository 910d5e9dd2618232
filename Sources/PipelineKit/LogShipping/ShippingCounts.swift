import Core

/// Why an event of the log did not reach the receiver.
package enum LogDropReason: String, MetricLabel {
    /// The queue was full, and this event was the oldest.
    case queueFull = "queue_full"
    /// The receiver has rejected it.
    case rejected
    /// The receiver did not accept it within LOG_HTTP_TRIES and LOG_HTTP_RETRY_TIME.
    case abandoned
    /// It is larger than a request may be.
    case tooLarge = "too_large"
    /// The spool's disk did not accept it.
    case disk
    /// The process ended before.
    case ended
}

/// What is counted of log shipping; shared by the threads that log and the one that sends.
package struct ShippingCounts: Sendable {
    let shipped = Counter()
    let dropped = LabelledCounters<LogDropReason>()
    let retries = Counter()
    let queued = Gauge()
    let lastSuccess = Gauge()

    package init() {}

    /// Dropped events of all reasons.
    var allDropped: Int64 { LogDropReason.allCases.reduce(0) { $0 + Int64(dropped[$1].value) } }

    /// Declares the metrics of log shipping.
    ///
    /// - Parameter registry: of the service.
    package func declare(in registry: MetricsRegistry) {
        registry.counter(
            "log_http_shipped_events", "Log events that the receiver (LOG_HTTP_URL) has accepted.", shipped)
        registry.counters(
            "log_http_dropped_events", "Log events that did not reach the receiver, by reason.", by: "reason", dropped)
        registry.counter("log_http_retries", "Requests with log events that failed and are sent again.", retries)
        registry.gauge("log_http_queue_bytes", "Log events that wait for the receiver.", unit: .bytes, queued)
        registry.gauge(
            "log_http_last_success_timestamp_seconds", "When the receiver last accepted log events; 0: never.",
            unit: .seconds, lastSuccess)
    }
}
