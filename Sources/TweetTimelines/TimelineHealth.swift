import Core
import Operations

/// Whether the service works, by the age of what is pending: a pure function of what it counts.
struct TimelineHealth: Sendable {
    let metrics: TimelineMetrics
    var limits = HealthLimits()
    /// TIMELINE_INTERVAL: a timeline may wait for a poll that long.
    var interval = Duration.seconds(60)

    /// The checks, the weightiest first.
    ///
    /// - Parameter now: the time.
    /// - Returns: all of them.
    func checks(at now: Timestamp) -> [HealthCheck] {
        [lag(now), postgres(now), kafka(now), journal(now), pauses, accounts]
    }

    /// Of all pollers together, as of the last look.
    private func lag(_ now: Timestamp) -> HealthCheck {
        guard let readAt = metrics.facts.readAt.moment else { return .ok("lag", "no timeline was looked at yet") }
        let lag = Duration.milliseconds(Int64(metrics.facts.lag.value * 1000))
        let isPaused = PauseCause.allCases.contains { metrics.facts.pauses[$0].value == 1 }
        return HealthCheck(
            "lag", since: lag > .zero && !isPaused ? readAt.advanced(by: .zero - lag) : nil, at: now,
            HealthLimits(degraded: limits.degraded + interval, failing: limits.failing + interval),
            detail: { lag > .zero ? "the most overdue timeline has been due for \($0)" : "no timeline is overdue" },
            remedy: "start more pollers, raise TIMELINE_CALLS, or look for what slows X and PostgreSQL in the log")
    }

    private func postgres(_ now: Timestamp) -> HealthCheck {
        let since = metrics.database.moment
        return HealthCheck(
            "postgresql", since: since, at: now, limits,
            detail: { since == nil ? "PostgreSQL answers" : "PostgreSQL has not answered for \($0)" },
            remedy: "check PostgreSQL and the way to it; reading continues by itself")
    }

    private func kafka(_ now: Timestamp) -> HealthCheck {
        let oldest = metrics.journal.oldest.moment
        return HealthCheck(
            "kafka", since: oldest, at: now, limits,
            detail: { "Kafka is behind by \(oldest == nil ? "0 s" : $0)" },
            remedy: "check Kafka, and \"error\" in the log; the journal keeps the lines")
    }

    private func journal(_ now: Timestamp) -> HealthCheck {
        guard let since = metrics.journal.refusedSince.moment else {
            return .ok("journal", "the journal accepts lines")
        }
        let age = shortAge(max(0, now.milliseconds - since.milliseconds) / 1000)
        return HealthCheck(
            name: "journal", status: .failing, detail: "the journal has accepted no lines for \(age), so X is not read",
            since: since, remedy: "make room on the journal's disk, or replace it; reading continues by itself")
    }

    /// A budget that is used up is as wanted.
    private var pauses: HealthCheck {
        let causes = PauseCause.allCases.filter { metrics.facts.pauses[$0].value == 1 }
        guard !causes.isEmpty else { return .ok("paused", "no pause") }
        let detail = "no timeline is read: \(causes.map(\.rawValue).joined(separator: ", "))"
        guard causes.contains(where: { ![.budget, .rateLimit].contains($0) }) else { return .ok("paused", detail) }
        return HealthCheck(
            name: "paused", status: .failing, detail: detail,
            remedy: "tweet-timelines status shows X's answer; see \"no timeline can be read\" in docs/operations.md")
    }

    private var accounts: HealthCheck {
        let failing = Int64(metrics.facts.accounts[.failing].value)
        let all = AccountState.allCases.reduce(0) { $0 + Int64(metrics.facts.accounts[$1].value) }
        guard failing > 0, failing * 10 >= all else { return .ok("accounts", "\(all), of which \(failing) fail") }
        return HealthCheck(
            name: "accounts", status: .degraded, detail: "\(failing) of \(all) accounts fail",
            remedy: "tweet-timelines accounts list shows the reasons")
    }
}
