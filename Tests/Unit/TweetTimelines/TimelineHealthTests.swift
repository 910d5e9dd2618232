import Core
import Operations
import TestSupport
import Testing

@testable import TweetTimelines

/// What the health of the service depends on.
@Suite(.timeLimit(.minutes(5))) struct TimelineHealthTests {
    private let metrics = TimelineMetrics()
    private let now = Timestamp(milliseconds: 1_760_000_000_000)

    /// Status and detail of a check.
    private func check(_ name: String) throws -> HealthCheck {
        try #require(TimelineHealth(metrics: metrics).checks(at: now).first { $0.name == name })
    }

    @Test func aServiceThatHasJustStartedIsHealthy() {
        let report = HealthReport(service: "tweet-timelines", checks: TimelineHealth(metrics: metrics).checks(at: now))
        #expect(report.status == .ok, "\(report.text)")
    }

    @Test func timelinesThatAreOverdueForLongerThanAnIntervalAreReported() throws {
        metrics.facts.readAt.set(now)
        metrics.facts.lag.set(50.0)
        #expect(try check("lag").status == .ok)
        metrics.facts.lag.set(200.0)
        #expect(try check("lag").status == .degraded)
        metrics.facts.lag.set(3600.0)
        #expect(try check("lag").status == .failing)
        // During a pause nothing is late.
        metrics.facts.pauses[.budget].set(true)
        #expect(try check("lag").status == .ok && check("paused").status == .ok)
        metrics.facts.pauses[.usageCap].set(true)
        let paused = try check("paused")
        #expect(paused.status == .failing && paused.detail.contains("usage_cap"))
    }

    @Test func outagesAndAccountsThatFailAreReported() throws {
        metrics.database.set(now.advanced(by: .seconds(-400)))
        #expect(try check("postgresql").status == .failing)
        metrics.journal.refusedSince.set(now.advanced(by: .seconds(-1)))
        #expect(try check("journal").status == .failing)
        metrics.journal.oldest.set(now.advanced(by: .seconds(-60)))
        #expect(try check("kafka").status == .degraded)
        metrics.facts.accounts[.active].set(Int64(95))
        metrics.facts.accounts[.failing].set(Int64(5))
        #expect(try check("accounts").status == .ok)
        metrics.facts.accounts[.failing].set(Int64(50))
        #expect(try check("accounts").status == .degraded)
    }
}
