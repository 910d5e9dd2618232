import Logging
import PipelineKit

/// A time in which PostgreSQL could not be used: told once when it begins, and once when it is over.
struct Outage {
    private let logger: Logger
    private let start = ContinuousClock.now
    private var backoff = ReconnectBackoff()
    private var told: Kind?

    private enum Kind { case away, refused }

    init(logger: Logger) {
        self.logger = logger
    }

    /// Tells why, unless that was told, and how long to wait before the next attempt.
    mutating func next(after error: any Error) -> Duration {
        let delay = backoff.next()
        let kind: Kind? =
            switch (error as? PostgresError)?.disposition {
            case .wait, .split: .away
            // A deadlock or the like: the next attempt will do.
            case .retry: nil
            default: .refused
            }
        guard let kind, kind != told else { return delay }
        told = kind
        let reason: Logger.Metadata = ["reason": "\(error)"]
        switch kind {
        case .away: logger.warning("PostgreSQL is away: waiting, nothing is lost", metadata: reason)
        case .refused:
            logger.error("PostgreSQL refuses: nothing is loaded until someone has mended this", metadata: reason)
        }
        return delay
    }

    /// Tells that it is over.
    func end() {
        guard told != nil else { return }
        let duration = (ContinuousClock.now - start).milliseconds
        logger.info("PostgreSQL is back", metadata: ["after_ms": "\(duration)"])
    }
}
