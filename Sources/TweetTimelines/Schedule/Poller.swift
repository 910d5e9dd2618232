import Core
import Logging
import Postgres
import TweetFormat
import XAPI

/// What all pollers of a process share.
struct Polling: Sendable {
    let settings: TimelineSettings
    let journal: TimelineJournal
    let wakeUp = WakeUp()
    let turn = Turn()
    /// Of X's timelines.
    let calls: CallOutage
    /// Of X's token endpoint.
    let tokens: CallOutage
    let app = AppWatch()
    /// Of PostgreSQL.
    let database = Lasting()
    /// Whether the pauses of earlier settings have ended.
    let hasForgotten = Late<Bool>()
    let metrics: TimelineMetrics
    let stop: Stop
    let logger: Logger

    init(
        _ settings: TimelineSettings, _ journal: TimelineJournal, _ metrics: TimelineMetrics, stop: Stop, logger: Logger
    ) {
        (self.settings, self.journal, self.metrics) = (settings, journal, metrics)
        (self.stop, self.logger) = (stop, logger)
        calls = CallOutage(.timelines, logger: logger)
        tokens = CallOutage(.tokens, logger: logger)
    }
}

/// One poller: takes the timeline that has been due longest, reads it page by page, and sleeps until the next is due. It has a
/// thread, a connection to PostgreSQL and one to X.
struct Poller {
    let shared: Polling
    let due: DueTimelines
    let book: TimelineBook

    /// Pages of a walk before others have their turn.
    static let pagesAtOnce = 3

    /// - Parameters:
    ///   - shared: what it shares with others.
    ///   - owner: names it in the database.
    init(_ shared: Polling, owner: String) {
        self.shared = shared
        due = DueTimelines(owner: owner, lease: shared.settings.lease)
        book = TimelineBook(lease: shared.settings.lease)
    }

    private var stop: Stop { shared.stop }
    private var conninfo: PostgresConninfo { shared.settings.access.conninfo }
    private static var pauses: Backoff { Backoff(first: .milliseconds(200), longest: .seconds(10)) }

    /// Works until the stop is raised; PostgreSQL is waited for without limit.
    ///
    /// - Throws: `DatabaseError` for a key that is not that of the tokens, and when PostgreSQL rejects the role; `XError` when
    ///   libcurl has no memory.
    func run() throws {
        let settings = shared.settings
        let client = try UserClient(
            url: settings.access.url, caFile: settings.access.caFile, timeout: settings.callTimeout, stop: stop)
        var backoff = Self.pauses
        while !stop.isRaised {
            do {
                let connection = try PostgresConnection.connect(conninfo, stop: stop)
                if shared.database.end() {
                    shared.metrics.database.set(nil as Timestamp?)
                    shared.logger.info("PostgreSQL is reachable again; reading timelines continues")
                }
                backoff = Self.pauses
                try work(client, connection)
            } catch let error as PostgresError {
                guard !stop.isRaised else { return }
                if error.disposition == .refused { throw DatabaseError(error, conninfo) }
                // A deadlock, for example with an application: nothing is wrong with PostgreSQL.
                if error.disposition == .retry { continue }
                report(error)
                stop.wait(for: backoff.next())
            }
        }
    }

    private func report(_ error: PostgresError) {
        guard shared.database.begin() else { return }
        shared.metrics.database.set(Timestamp.now())
        shared.logger.error(
            "PostgreSQL is unreachable; reading timelines is paused until it is reachable",
            metadata: ["error": "\(error)", "postgres": "\(conninfo.place)"])
    }

    private func work(_ client: UserClient, _ connection: borrowing PostgresConnection) throws {
        guard let key = shared.settings.access.key else { return }
        let store = TokenStore(vault: try TokenVault(key, old: shared.settings.access.oldKey, connection))
        if shared.hasForgotten.value == nil {
            try TimelineBook.forgetPauses(connection)
            shared.hasForgotten.value = true
        }
        while let next = try nextDue(connection) {
            var poll = TimelinePoll(self, next, store, client)
            do throws(PostgresError) { try poll.run(connection) } catch {
                try failed(next, error, connection)
            }
            shared.calls.abandonProbe()
            try due.release(next, connection)
        }
    }

    /// A poll has failed in PostgreSQL: data that it does not accept is of one account, everything else of all.
    private func failed(
        _ timeline: DueTimeline, _ error: PostgresError, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        guard error.disposition == .rejectRow else {
            if !error.isConnectionLost { try? due.release(timeline, connection) }
            throw error
        }
        shared.logger.error(
            "PostgreSQL rejects what a poll has to store; the account is tried again later",
            metadata: ["account": "\(timeline.account)", "kind": "\(timeline.kind.rawValue)", "error": "\(error)"])
        try book.putOff(
            timeline, .init(pause: .seconds(900), state: .failing, detail: "PostgreSQL: \(error)", isFree: false),
            connection)
    }

    /// The next timeline, as soon as it is due. One poller of a process looks, and the others wait for their turn.
    ///
    /// - Returns: nil when the stop is raised.
    private func nextDue(_ connection: borrowing PostgresConnection) throws(PostgresError) -> DueTimeline? {
        guard shared.turn.take(stop) else { return nil }
        defer { shared.turn.pass() }
        while !stop.isRaised {
            let generation = shared.wakeUp.generation
            guard shared.journal.waitUntilWritable(stop), shared.calls.waitOut(stop) else { return nil }
            if let next = try due.take(connection) {
                shared.calls.probe()
                return next
            }
            shared.wakeUp.sleep(for: try due.sleep(connection), since: generation)
        }
        return nil
    }
}
