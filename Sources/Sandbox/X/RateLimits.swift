import Synchronization

/// X's request budgets: a number in 15 minutes, counted from the first.
final class RateLimits: Sendable {
    struct Budget: Sendable {
        let limit: Int
        var remaining: Int
        /// Seconds since 1970.
        var reset: Int64
    }

    private let limits: [String: Int]
    private let isEnforced: Bool
    private let clock: SandboxClock
    private let budgets = Mutex<[String: Budget]>([:])

    init(_ limits: [String: Int], isEnforced: Bool, clock: SandboxClock) {
        self.limits = limits
        self.isEnforced = isEnforced
        self.clock = clock
    }

    /// Counts a request to an endpoint; the second result says whether it may pass.
    func count(_ endpoint: String) -> (budget: Budget, mayPass: Bool) {
        let now = clock.now.milliseconds / 1000
        return budgets.withLock { budgets in
            let limit = limits[endpoint] ?? 450
            let fresh = Budget(limit: limit, remaining: limit, reset: now + 900)
            var budget = budgets[endpoint] ?? fresh
            if budget.reset <= now { budget = fresh }
            let mayPass = budget.remaining > 0 || !isEnforced
            budget.remaining = max(0, budget.remaining - 1)
            budgets[endpoint] = budget
            return (budget, mayPass)
        }
    }
}
