import Core

/// How many connection attempts are left, as a pure value.
///
/// X allows 50 attempts in 15 minutes for an app (rate limits of `GET /2/tweets/search/stream`) and answers more with
/// 429. The budget stays below that in every window of that length. Attempts are times of the wall clock, so
/// that they can be kept across restarts.
package struct ConnectWindow: Sendable, Equatable {
    /// The length of X's window.
    package static let window = Duration.seconds(15 * 60)

    /// How many attempts a window may hold.
    package let limit: Int
    /// The attempts of the last window, oldest first.
    package private(set) var attempts: [Timestamp]

    package init(limit: Int, attempts: [Timestamp] = []) {
        self.limit = limit
        self.attempts = attempts.sorted()
    }

    /// How long to wait before the next attempt is within the budget; zero when it is.
    package func delay(at now: Timestamp) -> Duration {
        let recent = attempts.filter { Self.isWithinWindow($0, of: now) }
        guard recent.count >= limit else { return .zero }
        let oldest = min(recent[recent.count - limit], now)
        return .milliseconds(oldest.advanced(by: Self.window).milliseconds - now.milliseconds + 1)
    }

    /// How many attempts may be made at once.
    package func remaining(at now: Timestamp) -> Int {
        max(0, limit - attempts.count { Self.isWithinWindow($0, of: now) })
    }

    /// Takes note of an attempt.
    package mutating func recordAttempt(at now: Timestamp) {
        // A wall clock that was set back leaves attempts in the future; they count as made now, so that none is forgotten.
        attempts = attempts.filter { Self.isWithinWindow($0, of: now) }.map { min($0, now) }
        attempts.append(now)
    }

    private static func isWithinWindow(_ attempt: Timestamp, of now: Timestamp) -> Bool {
        attempt.advanced(by: window) >= now
    }
}
