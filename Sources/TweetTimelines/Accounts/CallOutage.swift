import Core
import Logging
import Synchronization

/// Whether X can be reached at all: while it cannot, one call finds out, and not one for each account.
final class CallOutage: Sendable {
    /// What does not answer.
    enum Peer: Sendable {
        case timelines, tokens
    }

    private struct State {
        var backoff = CallOutage.pauses
        var retryAt: ContinuousClock.Instant?
        /// Whether a call is under way that finds out.
        var isProbed = false
    }

    private let state = Mutex(State())
    private let peer: Peer
    private let logger: Logger

    private static var pauses: Backoff { Backoff(first: .seconds(1), longest: .seconds(60)) }
    /// Longer than a call takes.
    private static let probeTime = Duration.seconds(35)

    init(_ peer: Peer, logger: Logger) { (self.peer, self.logger) = (peer, logger) }

    /// How long nothing is to be called; nil when calls may be made.
    var pause: Duration? {
        state.withLock { state in
            let left = state.retryAt.map { ContinuousClock.now.duration(to: $0) }
            return left.flatMap { $0 > .zero ? $0 : nil }
        }
    }

    /// Whether there is an outage, be it that a call may be made now.
    var isOut: Bool { state.withLock { $0.retryAt != nil } }

    /// Waits while nothing is to be called.
    ///
    /// - Returns: false when the stop was raised.
    func waitOut(_ stop: Stop) -> Bool {
        while !stop.isRaised, let pause { stop.wait(for: min(pause, .seconds(1))) }
        return !stop.isRaised
    }

    /// A call is made: in an outage it is the one that finds out, and no other follows for as long as it takes.
    func probe() {
        state.withLock { state in
            if state.retryAt != nil { (state.retryAt, state.isProbed) = (.now + Self.probeTime, true) }
        }
    }

    /// No call was made after all, so that the next one finds out.
    func abandonProbe() {
        state.withLock { state in
            if state.isProbed { (state.retryAt, state.isProbed) = (.now, false) }
        }
    }

    /// X has answered.
    func end() {
        let wasOut = state.withLock { state in
            let wasOut = state.retryAt != nil
            if wasOut { state = State() }
            return wasOut
        }
        guard wasOut else { return }
        switch peer {
        case .timelines: logger.info("X answers again; reading timelines continues")
        case .tokens: logger.info("X's token endpoint answers again")
        }
    }

    /// A call has failed.
    ///
    /// - Parameter reason: why.
    /// - Returns: how long nothing is called.
    func begin(_ reason: String) -> Duration {
        let (wait, isNew) = state.withLock { state in
            let isNew = state.retryAt == nil
            let wait = state.backoff.next()
            (state.retryAt, state.isProbed) = (.now + wait, false)
            return (wait, isNew)
        }
        guard isNew else { return wait }
        switch peer {
        case .timelines:
            logger.error(
                "X does not answer; reading timelines is paused until it does", metadata: ["reason": "\(reason)"])
        case .tokens:
            logger.error(
                "X's token endpoint does not answer; accounts whose tokens expire wait until it does",
                metadata: ["reason": "\(reason)"])
        }
        return wait
    }
}
