import Core
import Journal
import Logging
import Postgres

/// Looks at regular intervals how all accounts are, for metrics, and deletes what is no longer kept. It has a connection of its own, and
/// nothing waits for it.
struct TimelineFacts {
    private let settings: TimelineSettings
    private let metrics: TimelineMetrics
    private let journal: JournalSource
    private let stop: Stop
    private let logger: Logger
    /// The newest line at an earlier look, while Kafka has not acknowledged it, and when that look was.
    private var pending: (seq: Int64, at: Timestamp)?
    private var cleaning = Periodic(every: .seconds(3600), atOnce: true)

    private static let pause = Duration.seconds(10)

    /// - Parameters:
    ///   - settings: of the service.
    ///   - metrics: what the numbers are stored in.
    ///   - journal: whose backlog is looked at.
    ///   - stop: ends it.
    ///   - logger: gets what cannot be done.
    init(
        _ settings: TimelineSettings, _ metrics: TimelineMetrics, _ journal: JournalSource, stop: Stop, logger: Logger
    ) {
        (self.settings, self.metrics, self.journal) = (settings, metrics, journal)
        (self.stop, self.logger) = (stop, logger)
    }

    /// Looks until the stop is raised.
    mutating func run() {
        while !stop.isRaised {
            do throws(PostgresError) {
                let connection = try PostgresConnection.connect(settings.access.conninfo, stop: stop)
                repeat { try look(connection) } while !stop.wait(for: Self.pause)
            } catch {
                logger.debug("the accounts cannot be looked at", metadata: ["error": "\(error)"])
                stop.wait(for: Self.pause)
            }
        }
    }

    private mutating func look(_ connection: borrowing PostgresConnection) throws(PostgresError) {
        lookAtJournal()
        try publish(TimelineTotals(connection))
        if cleaning.isDue() { try TimelineRetention(keep: settings.keep).run(connection) }
    }

    /// A line that was there at a look, and is still not acknowledged, is at least that old.
    private mutating func lookAtJournal() {
        let tail = journal.tail
        let (last, acknowledged) = (tail.lastSeq, tail.acknowledged)
        if acknowledged >= last {
            pending = nil
        } else if acknowledged >= pending?.seq ?? 0 {
            pending = (last, .now())
        }
        metrics.journal.oldest.set(pending?.at)
    }

    private func publish(_ totals: TimelineTotals) {
        let facts = metrics.facts
        for state in AccountState.allCases { facts.accounts[state].set(totals.byState[state.rawValue] ?? 0) }
        for cause in PauseCause.allCases {
            facts.pauses[cause].set(totals.pauses.contains { $0.cause == cause.rawValue })
        }
        facts.lag.set(Double(totals.lagSeconds ?? 0))
        facts.posts.set(totals.postsToday)
        facts.calls.set(totals.callsToday)
        facts.gaps.set(totals.gaps)
        facts.readAt.set(Timestamp.now())
    }
}
