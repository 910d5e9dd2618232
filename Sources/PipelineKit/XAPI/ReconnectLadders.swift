import Core

/// Why the next connection must wait: the three ladders of X, and two waits of ours.
///
/// X: "Handling disconnections" and "Consuming streaming data" in the documentation of the v2 API.
package enum RetryReason: Sendable, Equatable {
    /// A connection that had been established ended, or could not be made: TCP, TLS, name lookup, time-outs.
    case network
    /// An HTTP error worth retrying.
    case http
    /// HTTP 429 (or 420); `reset` is how long until the rate limit's window ends, if X said so.
    case rateLimit(reset: Duration?)
    /// No rules are defined: retried at a constant interval, because rules may be added.
    case noRules
    /// Credits or a cap are used up, or X degraded the account: waiting hardly helps, so it is long.
    case account
}

/// How long to wait before the next connection, as a pure value.
///
/// Every wait is the ladder's, and up to a quarter longer by chance, so that many clients do not come back in step;
/// never shorter. The ladders start again only after a connection has proved itself (`connectionEnded`): one that
/// repeatedly delivers a line and closes keeps backing off.
package struct ReconnectLadders: Sendable {
    /// How long a connection must have lived, and have delivered something, to start the ladders again.
    package static let provedAfter = Duration.seconds(60)
    /// The window of X's rate limits; a reset further away than this is an error.
    package static let rateLimitWindow = Duration.seconds(15 * 60)

    private static let spread = 1...1.25

    private let scale: Double
    private var network = Backoff(first: .milliseconds(250), longest: .seconds(16), growth: .linear, spread: spread)
    private var mayRetryAtOnce = true
    private var http = Backoff(first: .seconds(5), longest: .seconds(320), spread: spread)
    private var rateLimit = Backoff(first: .seconds(60), longest: rateLimitWindow, spread: spread)

    /// - Parameter scale: multiplies every wait of the ladders (not the reset that X sends); 1 outside tests.
    package init(scale: Double = 1) {
        self.scale = scale
    }

    /// Takes note of the end of a connection that had been answered with 200.
    ///
    /// - Parameters:
    ///   - lifetime: from the 200 to the end.
    ///   - delivered: whether a line or a keep-alive came.
    package mutating func connectionEnded(lifetime: Duration, delivered: Bool) {
        guard delivered && lifetime >= Self.provedAfter * scale else { return }
        mayRetryAtOnce = true
        network.reset()
        http.reset()
        rateLimit.reset()
    }

    /// The wait before the next attempt, and one step up the ladder.
    ///
    /// - Parameters:
    ///   - reason: which ladder.
    ///   - wasEstablished: whether X had answered this attempt with 200; the first attempt after that is at once.
    ///   - random: a number from 0 to 1, for the jitter.
    /// - Returns: how long to wait.
    package mutating func delay(
        for reason: RetryReason, wasEstablished: Bool = false, random: Double = .random(in: 0...1)
    ) -> Duration {
        let jitter = Self.spread.lowerBound + (Self.spread.upperBound - Self.spread.lowerBound) * random
        switch reason {
        case .network: return networkDelay(wasEstablished: wasEstablished, random: random)
        case .http: return http.next(random: random) * scale
        case .rateLimit(let reset):
            let wait = rateLimit.next(random: random) * scale
            // A second past the reset, because X counts in whole seconds.
            if let reset, reset > .zero { return min(reset, Self.rateLimitWindow) + .seconds(jitter) }
            return wait
        case .noRules: return .seconds(30) * (scale * jitter)
        case .account: return .seconds(600) * (scale * jitter)
        }
    }

    /// After a connection that was established the ladder has one more step at its beginning: at once.
    private mutating func networkDelay(wasEstablished: Bool, random: Double) -> Duration {
        defer { mayRetryAtOnce = false }
        return wasEstablished && mayRetryAtOnce ? .zero : network.next(random: random) * scale
    }
}
