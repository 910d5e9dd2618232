import Core
import Logging
import Postgres

/// An outage of PostgreSQL: logged when it begins, when its reason changes, every five minutes, and
/// when it is over.
struct Outage {
    private let logger: Logger
    private let start = ContinuousClock.now
    private var backoff = Backoff(first: .milliseconds(100), longest: .seconds(5))
    private var logged: (kind: Kind, condition: String, at: ContinuousClock.Instant)?

    private enum Kind { case away, refused }

    init(logger: Logger) {
        self.logger = logger
    }

    /// Logs the reason unless it was logged already; returns how long to wait before the next attempt.
    mutating func next(after error: any Error) -> Duration {
        let delay = backoff.next()
        let kind: Kind? =
            switch (error as? PostgresError)?.disposition {
            case .wait, .split: .away
            // A deadlock or the like: the next attempt will do.
            case .retry: nil
            default: .refused
            }
        let condition = (error as? PostgresError)?.condition ?? "\(error)"
        guard let kind, isNews(kind, condition) else { return delay }
        logged = (kind, condition, .now)
        let reason: Logger.Metadata = ["reason": "\(error)"]
        switch kind {
        case .away: logger.warning("PostgreSQL is unreachable; retrying", metadata: reason)
        case .refused:
            logger.error("PostgreSQL rejects every row; loading is paused until this is fixed", metadata: reason)
        }
        return delay
    }

    /// A server that goes down and comes up gives a handful of reasons within seconds: one of them is enough.
    private func isNews(_ kind: Kind, _ condition: String) -> Bool {
        guard let logged else { return true }
        let age = ContinuousClock.now - logged.at
        return kind != logged.kind || condition != logged.condition && age > .seconds(10) || age > .seconds(300)
    }

    /// Logs that it is over.
    func end() {
        guard logged != nil else { return }
        let duration = (ContinuousClock.now - start).milliseconds
        logger.info(
            "PostgreSQL accepts rows again; loading continues", metadata: ["after_ms": .stringConvertible(duration)])
    }
}
