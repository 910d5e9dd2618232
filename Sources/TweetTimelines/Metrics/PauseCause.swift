import Core

/// Why nothing is read, as `timeline_pauses.cause` has it.
enum PauseCause: String, MetricLabel {
    case usageCap = "usage_cap"
    case noCredits = "no_credits"
    case rateLimit = "rate_limit"
    case app, budget
}
