import Core
import HTTP
import Journal
import Logging
import Synchronization
import TweetFormat
import XAPI

/// X's filtered stream, or a sample stream, read until the stop: connects, journals every line, and reconnects by X's rules.
///
/// Create it and run it on one thread. Everything that X does is waited out; only what waiting cannot heal at the very
/// start ends it: refused credentials that come from no file, and a request that X does not accept.
package final class FilteredStream {
    let settings: StreamSettings
    let stop: Stop
    let logger: Logger
    private let multi: CurlMulti
    var policy: ReconnectPolicy
    var credential: CredentialLock?
    var failures = FailureRun()
    private var lastConnection: Int64 = 0
    var hasConnected = false
    /// Whether X may be asked for a backfill; false once it has refused one.
    private var asksBackfill: Bool
    private let gaps: OpenGaps?
    private let posts: PostCounter?
    private let metrics: StreamMetrics
    let lease: Lease?
    /// Whether the journal has it that another producer reads.
    var isPassive = false
    private var tally = MinuteTally()
    /// What wakes `multi` when the stop is raised.
    private let wake: Registration

    /// - Parameters:
    ///   - settings: of the stream.
    ///   - stop: ends it.
    ///   - logger: logs what happens to the stream.
    ///   - gaps: the stream's gaps, when others look at them as well.
    ///   - posts: what was received, when others count as well.
    ///   - lease: whether it is read, when several producers share the stream.
    ///   - metrics: what is counted.
    /// - Throws: `XError`: `wait` when libcurl cannot be set up.
    package init(
        settings: StreamSettings, stop: Stop, logger: Logger, gaps: OpenGaps? = nil, posts: PostCounter? = nil,
        lease: Lease? = nil, metrics: StreamMetrics? = nil
    ) throws(XError) {
        self.metrics = metrics ?? StreamMetrics()
        self.gaps = gaps
        self.posts = posts
        self.lease = lease
        do { multi = try CurlMulti() } catch { throw XError(.wait, "libcurl: \(error)") }
        self.settings = settings
        self.stop = stop
        self.logger = logger
        policy = ReconnectPolicy(scale: settings.backoffScale)
        // With several listeners another one usually has what is missing.
        asksBackfill = settings.repair.isAutomatic && !settings.countsMinutes
        wake = stop.onRaise { [waker = multi.waker] in waker.wake() }
        self.metrics.budget.value = { [limit = settings.connectBudget] in Double(limit) }
    }

    /// Reads until the stop is raised; everything that came is durable then.
    ///
    /// - Throws: `FileError` when the journal cannot be written. `XError` when X rejects the first connection for good:
    ///   `operator` for credentials (401, 403) that do not come from a file, and for a request that it does not accept (400);
    ///   `retry` when another process of this host reads with the same credential.
    package func run(into journal: Journal) throws {
        if settings.x.url.hasPrefix("http://") {
            logger.warning("X_URL is not https; the token is sent unencrypted", metadata: url)
        }
        if settings.source != .filtered, settings.plan != .enterprise {
            logger.warning(
                "X offers sample streams to enterprise accounts only; X_PLAN is not enterprise",
                metadata: ["stream": "\(settings.source.text)", "plan": "\(settings.plan.rawValue)"])
        }
        warnOfUnknownFields()
        let reading = StreamReading(
            journal: journal, posts: try posts ?? PostCounter(folder: journal.source.folder),
            watch: PostWatch(folder: journal.source.folder, shortest: settings.quietAfter, logger: logger) {
                journal.later($0)
            },
            gaps: gaps ?? OpenGaps(folder: journal.source.folder),
            facts: StreamFactsKeeper(folder: journal.source.folder, interruption: metrics.interruption) {
                journal.later($0)
            }, lease: lease,
            metrics: metrics)
        if settings.countsMinutes { reading.facts.play(.active) }
        observe(journal, reading.posts)
        try read(reading)
    }

    /// Counts posts before their lines become durable, so that none that is in the journal is missing in the count; and logs
    /// once a minute that the disk is slow: X sends on meanwhile, and cuts slow readers off.
    private func observe(_ journal: Journal, _ posts: PostCounter) {
        journal.observer.onSync { () throws(FileError) in try posts.save() }
        let pace = Mutex(Periodic(every: .seconds(60), atOnce: true))
        journal.observer.onSync { [logger, tooLong = settings.stallTimeout / 5] (took: Duration) in
            guard took >= tooLong, pace.withLock({ $0.isDue() }) else { return }
            logger.warning("the journal's disk is slow", metadata: ["took": "\(took.short)"])
        }
    }

    private func read(_ reading: StreamReading) throws {
        let journal = reading.journal
        while try waitForLease(reading), try waitForPosts(reading) {
            let token = Result { () throws(XError) in try settings.x.token.read() }
            try adopt(try? token.get(), journal)
            shareBudget(.now())
            guard try takeAttempt(token, reading) else { continue }
            let attempt = try connect(token, reading)
            let delay = try settle(attempt, reading)
            let interruption = Interruption(attempt.end)
            reading.facts.enter(.waiting, cause: interruption.cause, detail: interruption.detail, delay: delay)
            try journal.sync()
            if let failure = failureForGood(attempt.end) { throw failure }
            if let delay, settings.posts.closing(reading.posts, at: .now()) == nil {
                try pause(for: delay, after: attempt.end, token: try? token.get(), reading)
            }
        }
        try journal.sync()
    }

    private func warnOfUnknownFields() {
        for parameter in StreamFields.allCases {
            let unknown = parameter.unknown(among: settings.fields[parameter] ?? [])
            if unknown.isEmpty { continue }
            logger.warning(
                "field names are not in X's list; X may ignore them",
                metadata: ["setting": "\(parameter.setting.title)", "names": "\(unknown.joined(separator: ", "))"])
        }
    }

    private var url: Logger.Metadata { ["url": "\(settings.x.url)"] }

    /// Goes over to the lock and the budget of a token, when it is not the one in use.
    private func adopt(_ token: Secret?, _ journal: Journal) throws(XError) {
        guard let token else { return }
        let name = ConnectBudget.name(url: settings.x.url, token: token)
        if name != credential?.name {
            credential = nil
            credential = try CredentialLock(named: name, settings, folder: journal.source.folder, logger: logger)
        }
    }

    /// Takes an attempt from the connect budget; false when there was none and the call waited for it.
    private func takeAttempt(_ token: Result<Secret, XError>, _ reading: StreamReading) throws -> Bool {
        guard case .success = token, let budget = credential?.budget else {
            noteAttempts()
            return true
        }
        let delay = budget.takeAttempt(at: .now())
        metrics.budget.value = { [window = budget.window] in Double(window.remaining(at: .now())) }
        guard delay > .zero else {
            noteAttempts()
            return true
        }
        metrics.nextAttempt.set(Timestamp.now().advanced(by: delay))
        logger.warning(
            "the connect budget is used up; waiting",
            metadata: ["budget": .stringConvertible(settings.connectBudget), "next_attempt_in": "\(delay.short)"])
        reading.facts.enter(.waiting, cause: "connect_budget", detail: "the connect budget is used up", delay: delay)
        try rest(for: delay, reading) { false }
        return false
    }

    /// Shows what has come; journals that posts come slower than usual, and, for active listeners, the posts of each minute.
    private func count(_ recorder: StreamRecorder, _ reading: StreamReading) {
        reading.facts.look(bytes: recorder.bytes, posts: recorder.posts)
        reading.lease?.heard(at: recorder.lastReceivedAt, on: recorder.connection)
        if let event = reading.watch.look(posts: recorder.posts) { recorder.take(event) }
        metrics.quiet.set(reading.watch.isQuiet)
        guard settings.countsMinutes else { return }
        if let event = tally.look(posts: recorder.posts, connection: recorder.connection, at: .now()) {
            recorder.take(event)
        }
    }

    private func connect(_ token: Result<Secret, XError>, _ reading: StreamReading) throws -> StreamAttempt {
        let recorder = StreamRecorder(
            reading, connection: newConnection(), lineLimit: settings.lineLimit, logger: logger)
        let begun = Timestamp.now()
        noteOpening(recorder, begun, reading)
        metrics.nextAttempt.set(Timestamp?.none)
        defer { metrics.connected.set(false) }
        var backfill = asksBackfill ? Backfill(reading.gaps, plan: settings.plan, at: begun) : nil
        let hasAskedBackfill = backfill != nil
        do {
            let connection = try StreamConnection(
                settings, query: backfill?.query ?? [], token: try token.get(), reading, recorder: recorder, stop: stop
            ) {
                guard let begin = recorder.begin else { return }
                self.count(recorder, reading)
                if try backfill?.settle(recorder, begin, begun, reading, scale: self.settings.backoffScale) == true {
                    self.logger.notice("backfill has filled a gap")
                    backfill = nil
                }
            }
            let end = try connection.run(on: multi)
            return StreamAttempt(end: hasAskedBackfill ? withoutBackfill(end) : end, recorder: recorder)
        } catch let error as FileError {
            if recorder.begin != nil { metrics.disconnects[.disk].add() }
            throw error
        } catch let error as XError {
            return StreamAttempt(end: .failed(cause: "token", detail: error.description), recorder: recorder)
        } catch let error as CurlError {
            return StreamAttempt(end: .failed(cause: error.cause, detail: error.description), recorder: recorder)
        }
    }

    /// Ends the open gap, and takes note of the connection, as soon as X has opened it.
    private func noteOpening(_ recorder: StreamRecorder, _ begun: Timestamp, _ reading: StreamReading) {
        recorder.onBegin = { [budget = credential?.budget, stream = settings.stream] in
            let opened = Timestamp.now()
            reading.gaps.end(at: opened)
            reading.facts.enter(.connected)
            let connection = OpenedConnection(
                stream: stream, begun: begun.milliseconds, opened: opened.milliseconds)
            reading.lease?.opened(connection)
            // Both wait for files; X sends on meanwhile.
            reading.journal.later { [gaps = reading.gaps] in
                budget?.noteOpened(connection)
                gaps.save()
            }
        }
    }

    /// What a refusal means when a backfill was asked for: the account may lack only that.
    private func withoutBackfill(_ end: ConnectionEnd) -> ConnectionEnd {
        guard case .refused(let problem) = end, [.badRequest, .forbidden].contains(problem.kind) else { return end }
        asksBackfill = false
        logger.error(
            "X rejects backfill; continuing without it", metadata: ["reason": "\(problem)"])
        return .failed(cause: "backfill_refused", detail: problem.description)
    }

    /// A new id: the time, and always more than the one before, whatever the clock does.
    private func newConnection() -> Int64 {
        lastConnection = max(Timestamp.now().milliseconds, lastConnection + 1)
        return lastConnection
    }

}
