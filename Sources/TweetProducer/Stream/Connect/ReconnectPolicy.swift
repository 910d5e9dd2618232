import XAPI

/// What follows the end of an attempt, as a pure value: which ladder, and how long to wait.
struct ReconnectPolicy: Sendable {
    private var backoff: ReconnectLadders
    private var wasRemedied = false

    /// - Parameter scale: multiplies every wait of the ladders; 1 outside tests.
    init(scale: Double) {
        backoff = ReconnectLadders(scale: scale)
    }

    /// Takes note of the end of an attempt, and decides how long to wait for the next.
    ///
    /// - Parameters:
    ///   - retry: the ladder of this end; nil when nothing is to follow.
    ///   - lifetime: from the 200 to the end; nil when no 200 came.
    ///   - delivered: whether a line or a keep-alive came.
    ///   - retryAfter: how long the server asks to wait at least; the ladder may be longer.
    ///   - isRemedied: whether what was in the way was removed just now: then there is nothing to wait for, but not
    ///     twice in a row, because X may be slow to notice.
    ///   - random: a number from 0 to 1, for the jitter.
    /// - Returns: how long to wait; nil when nothing is to follow.
    mutating func delay(
        for retry: RetryReason?, lifetime: Duration?, delivered: Bool = false, retryAfter: Duration? = nil,
        isRemedied: Bool = false, random: Double = .random(in: 0...1)
    ) -> Duration? {
        defer { wasRemedied = isRemedied }
        if let lifetime { backoff.connectionEnded(lifetime: lifetime, delivered: delivered) }
        if isRemedied, !wasRemedied { return backoff.delay(for: .network, random: random) }
        return retry.map { retry in
            let ladder = backoff.delay(for: retry, wasEstablished: lifetime != nil, random: random)
            // Up to a quarter of a second later, so that many clients do not come back in step.
            return retryAfter.map { max(ladder, $0 + .milliseconds(250 * random)) } ?? ladder
        }
    }
}
