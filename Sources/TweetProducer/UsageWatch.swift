import Core
import Logging
import XAPI

/// Reads at regular intervals how many posts X has counted, on a thread of its own, for metrics. Nothing depends on it.
struct UsageWatch {
    private let x: XSettings
    private let interval: Duration
    private let metrics: UsageMetrics
    private let stop: Stop
    private let logger: Logger
    private let isActive: @Sendable () -> Bool
    /// Since the last answer.
    private var failures = 0

    /// How often it is checked whether this producer is the one that asks.
    private static let glance = Duration.seconds(1)
    private static let firstRetry = Duration.seconds(60)

    /// - Parameters:
    ///   - x: how to reach X.
    ///   - interval: from one answer to the next question.
    ///   - metrics: what X answers is stored in.
    ///   - stop: ends it.
    ///   - logger: is warned once an outage.
    ///   - isActive: whether X is asked: one of the producers that share a stream does that.
    init(
        _ x: XSettings, every interval: Duration, _ metrics: UsageMetrics, stop: Stop, logger: Logger,
        isActive: @escaping @Sendable () -> Bool = { true }
    ) {
        (self.x, self.interval, self.metrics) = (x, interval, metrics)
        (self.stop, self.logger, self.isActive) = (stop, logger, isActive)
    }

    /// Runs until the stop is raised.
    mutating func run() {
        var due = ContinuousClock.now
        while !stop.isRaised {
            // Whoever takes over asks at once, but never before X allows it.
            if isActive(), ContinuousClock.now >= due { due = .now + ask(now: .now()) }
            stop.wait(for: Self.glance)
        }
    }

    /// Asks X once.
    ///
    /// - Returns: how long to wait before the next question.
    mutating func ask(now: Timestamp) -> Duration {
        do throws(XError) {
            let usage = try PostUsage.ask(x, stop: stop)
            metrics.posts.set(usage.used ?? 0)
            metrics.cap.set(usage.cap ?? 0)
            metrics.readAt.set(now)
            if failures > 0 { logger.info("X's own count of posts can be read again") }
            failures = 0
            return interval
        } catch {
            failures += 1
            let pause = min(Self.firstRetry * (1 << min(failures - 1, 10)), interval)
            let wait = max(pause, (error.retryAfter ?? .zero) + .seconds(1))
            if failures == 1, !stop.isRaised {
                logger.warning(
                    "cannot read X's own count of posts; retrying",
                    metadata: ["reason": "\(error)", "next": "\(wait.short)"])
            }
            return wait
        }
    }
}
