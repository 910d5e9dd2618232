import Core

/// What X itself counts, of all apps of the project.
struct UsageMetrics: Sendable {
    let posts, cap, readAt: Gauge

    init(_ registry: MetricsRegistry = MetricsRegistry(prefix: "")) {
        posts = registry.gauge(
            "x_usage_posts",
            "Posts of the current billing cycle by X's own count, of all apps of the project (X_USAGE_CHECK); 0 before it was"
                + " read, or when X does not say.")
        cap = registry.gauge(
            "x_usage_cap_posts", "Posts that X allows the project in a billing cycle; 0: not known, or no cap.")
        readAt = registry.gauge(
            "x_usage_read_timestamp_seconds", "When X's own count was last read; 0: never.", unit: .seconds)
    }
}
