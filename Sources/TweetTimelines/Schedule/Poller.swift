import Core
import Logging
import Postgres
import TweetFormat
import Synchronization
import XAPI

/// One poller: takes the timeline that has been due longest, reads it page by page, and sleeps until the next is due. It has a
/// thread, a connection to PostgreSQL and one to X.
struct Poller {
    let settings: TimelineSettings
    let due: DueTimelines
    let journal: TimelineJournal
    let wakeUp: WakeUp
    let outage: CallOutage
    let stop: Stop
    let logger: Logger

    private let book = TimelineBook()

    /// Pages of a walk before others have their turn.
    static let pagesAtOnce = 3

    init(
        settings: TimelineSettings, owner: String, journal: TimelineJournal, wakeUp: WakeUp, outage: CallOutage, stop: Stop,
        logger: Logger
    ) {
        (self.settings, self.journal, self.wakeUp, self.outage) = (settings, journal, wakeUp, outage)
        (self.stop, self.logger) = (stop, logger)
        due = DueTimelines(owner: owner)
    }

    /// Works until the stop is raised; PostgreSQL is waited for without limit.
    ///
    /// - Throws: `DatabaseError` for a key that is not that of the tokens; `XError` when libcurl has no memory.
    func run() throws {
        let client = try UserClient(url: settings.access.url, caFile: settings.access.caFile, stop: stop)
        var backoff = Backoff(first: .milliseconds(200), longest: .seconds(10))
        var isOut = false
        while !stop.isRaised {
            do {
                let connection = try PostgresConnection.connect(settings.access.conninfo, stop: stop)
                if isOut { logger.info("PostgreSQL is reachable again; reading timelines continues") }
                (isOut, backoff) = (false, Backoff(first: .milliseconds(200), longest: .seconds(10)))
                try work(client, connection)
            } catch let error as PostgresError {
                guard !stop.isRaised else { return }
                if error.disposition == .refused { throw DatabaseError(error, settings.access.conninfo) }
                if !isOut {
                    logger.error(
                        "PostgreSQL is unreachable; reading timelines is paused until it is reachable",
                        metadata: ["error": "\(error)", "postgres": "\(settings.access.conninfo.place)"])
                }
                isOut = true
                stop.wait(for: backoff.next())
            }
        }
    }

    private func work(_ client: UserClient, _ connection: borrowing PostgresConnection) throws {
        guard let key = settings.access.key else { return }
        let store = TokenStore(vault: try TokenVault(key, old: settings.access.oldKey, connection))
        while !stop.isRaised {
            let generation = wakeUp.generation
            outage.waitOut(stop)
            guard !stop.isRaised else { return }
            if let next = try due.take(connection) {
                let poll = TimelinePoll(self, next, store, client)
                do { try poll.run(connection) } catch {
                    if !error.isConnectionLost { try? due.release(next, connection) }
                    throw error
                }
                try due.release(next, connection)
            } else {
                wakeUp.sleep(for: try due.sleep(connection), since: generation)
            }
        }
    }

    /// Stores a step whose posts are durable.
    func store(
        _ step: TimelineWalk.Step, page: [Int64], of timeline: DueTimeline, _ ending: TimelineBook.Ending?,
        _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Bool {
        try book.store(step, page: page, of: timeline, ending, connection)
    }

    /// Puts a timeline off.
    func putOff(
        _ timeline: DueTimeline, for time: Duration, _ state: AccountState? = nil, _ detail: String,
        _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        try book.putOff(timeline, until: .now().advanced(by: time), state, detail, connection)
    }

    /// Stops all calls of all pollers, with one alarm.
    func pauseAll(
        _ cause: CallProblem.Cause, for time: Duration, _ detail: String, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        let until = Timestamp.now().advanced(by: time)
        guard try book.pause(cause, until: until, detail, connection) else { return }
        logger.error(
            "no timeline can be read; all accounts wait",
            metadata: ["cause": "\(cause.rawValue)", "detail": "\(detail)", "until": "\(until)"])
    }
}

/// Whether X can be reached at all: while it cannot, one call finds out, and not one for each account.
final class CallOutage: Sendable {
    private struct State {
        var backoff = Backoff(first: .seconds(1), longest: .seconds(60))
        var retryAt: ContinuousClock.Instant?
    }

    private let state = Mutex(State())
    private let logger: Logger

    init(logger: Logger) { self.logger = logger }

    /// Waits while calls fail; afterwards one caller may try while the others wait on.
    func waitOut(_ stop: Stop) {
        while !stop.isRaised {
            let wait = state.withLock { state -> Duration? in
                guard let retryAt = state.retryAt else { return nil }
                let left = ContinuousClock.now.duration(to: retryAt)
                if left > .zero { return left }
                state.retryAt = .now + .seconds(30)
                return nil
            }
            guard let wait else { return }
            stop.wait(for: min(wait, .seconds(1)))
        }
    }

    /// X has answered.
    func end() {
        let wasOut = state.withLock { state in
            defer { (state.retryAt, state.backoff) = (nil, Backoff(first: .seconds(1), longest: .seconds(60))) }
            return state.retryAt != nil
        }
        if wasOut { logger.info("X answers again; reading timelines continues") }
    }

    /// A call has failed.
    ///
    /// - Returns: how long nothing is called.
    func begin(_ reason: String) -> Duration {
        let (wait, isNew) = state.withLock { state in
            let isNew = state.retryAt == nil
            let wait = state.backoff.next()
            state.retryAt = .now + wait
            return (wait, isNew)
        }
        if isNew {
            logger.error("X does not answer; reading timelines is paused until it does", metadata: ["reason": "\(reason)"])
        }
        return wait
    }
}
