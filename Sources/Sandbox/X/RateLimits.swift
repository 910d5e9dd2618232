import Glibc
import Synchronization

/// X's request budgets: so many in 15 minutes, counted from the first.
final class RateLimits: Sendable {
    struct Budget: Sendable {
        let limit: Int
        var remaining: Int
        /// Seconds since 1970.
        var reset: Int
    }

    private let limits: [String: Int]
    private let isEnforced: Bool
    private let budgets = Mutex<[String: Budget]>([:])

    init(_ limits: [String: Int], isEnforced: Bool) {
        self.limits = limits
        self.isEnforced = isEnforced
    }

    /// Counts a request to an endpoint; the second result says whether it may pass.
    func count(_ endpoint: String) -> (budget: Budget, mayPass: Bool) {
        budgets.withLock { budgets in
            let now = time(nil)
            let limit = limits[endpoint] ?? 450
            var budget = budgets[endpoint] ?? Budget(limit: limit, remaining: limit, reset: now + 900)
            if budget.reset <= now { budget = Budget(limit: limit, remaining: limit, reset: now + 900) }
            let mayPass = budget.remaining > 0 || !isEnforced
            budget.remaining = max(0, budget.remaining - 1)
            budgets[endpoint] = budget
            return (budget, mayPass)
        }
    }
}
