import Core
import HTTP
import Journal
import Logging
import TweetFormat
import XAPI

/// X's filtered stream, read for ever: connects, journals every line, and connects again as X's rules ask.
///
/// Create it and run it on one thread. Everything that X does is waited out; only what waiting cannot heal at the very
/// start ends it: refused credentials that come from no file, and a request that X does not accept.
package final class FilteredStream {
    private let settings: StreamSettings
    private let stop: Stop
    private let logger: Logger
    private let multi: CurlMulti
    private var policy: ReconnectPolicy
    private var credential: Credential?
    private var failures = FailureRun()
    private var lastConnection: Int64 = 0
    private var hasConnected = false
    /// Whether X may be asked for a backfill; false once it has refused one.
    private var asksBackfill: Bool
    private let gaps: GapBook?
    private let inbox: JournalInbox
    /// What wakes `multi`: the stop, the inbox and, while it runs, the journal's tail.
    private var wakes: [Registration] = []
    private var tailWake: Registration?

    /// - Parameters:
    ///   - settings: of the stream.
    ///   - stop: ends it.
    ///   - logger: logs what happens to the stream.
    ///   - gaps: the stream's gaps, when others look at them as well.
    ///   - inbox: where other threads leave what is to be journalled.
    /// - Throws: `Failure` (69) when libcurl cannot be set up.
    package init(
        settings: StreamSettings, stop: Stop, logger: Logger, gaps: GapBook? = nil, inbox: JournalInbox = JournalInbox()
    ) throws(Failure) {
        self.gaps = gaps
        self.inbox = inbox
        do { multi = try CurlMulti() } catch { throw Failure(.unavailable, "libcurl: \(error)") }
        self.settings = settings
        self.stop = stop
        self.logger = logger
        policy = ReconnectPolicy(scale: settings.backoffScale)
        asksBackfill = settings.repair.isAutomatic
        let waker = multi.waker
        wakes = [stop.onRaise { waker.wake() }, inbox.onDelivery { waker.wake() }]
    }

    /// Reads until the stop is raised; everything that came is durable then.
    ///
    /// - Throws: `FileError` when the journal refuses. `Failure` when X refuses the first connection for good: 77 for
    ///   credentials (401, 403) that do not come from a file, 78 for a request that it does not accept (400); and 75 when
    ///   another process of this host reads with the same credential.
    package func run(into journal: Journal) throws {
        if settings.x.url.hasPrefix("http://") {
            logger.warning("X_URL is not https; the token is sent unencrypted", metadata: url)
        }
        warnOfUnknownFields()
        tailWake = journal.source.tail.onRequest { [waker = multi.waker] in waker.wake() }
        defer { tailWake = nil }
        let reading = StreamReading(
            journal: journal, posts: try PostCounter(folder: journal.source.folder),
            watch: PostWatch(folder: journal.source.folder, shortest: settings.quietAfter, logger: logger) {
                journal.later($0)
            },
            gaps: gaps ?? GapBook(folder: journal.source.folder))
        do { try read(reading) } catch {
            // What the journal loses with this error was perhaps of a chunk.
            inbox.abandon()
            throw error
        }
        inbox.settle(in: journal)
    }

    private func read(_ reading: StreamReading) throws {
        let journal = reading.journal
        while try waitForPosts(reading) {
            let token = Result { try settings.x.token.read() }
            try adopt(try? token.get(), journal)
            guard try takeAttempt(token, reading) else { continue }
            let attempt = try connect(token, reading)
            let delay = try settle(attempt, reading)
            try reading.posts.save()
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

    /// Goes over to the lock and the ledger of a token, when it is not the one in use.
    private func adopt(_ token: Secret?, _ journal: Journal) throws(Failure) {
        guard let token else { return }
        let name = ConnectLedger.name(url: settings.x.url, token: token)
        if name != credential?.name {
            credential = nil
            credential = try Credential(named: name, settings, folder: journal.source.folder, logger: logger)
        }
    }

    /// Takes an attempt from the connect budget; false when there was none and its time was waited for.
    private func takeAttempt(_ token: Result<Secret, any Error>, _ reading: StreamReading) throws -> Bool {
        guard case .success = token, let delay = credential?.ledger.takeAttempt(at: .now()), delay > .zero else {
            return true
        }
        logger.warning(
            "the connect budget is used up; waiting",
            metadata: ["budget": .stringConvertible(settings.connectBudget), "next_attempt_in": "\(delay.short)"])
        try rest(for: delay, reading) { false }
        return false
    }

    /// Waits while a limit of posts forbids reading; false when the stop is raised.
    private func waitForPosts(_ reading: StreamReading) throws -> Bool {
        let (posts, journal) = (reading.posts, reading.journal)
        guard !stop.isRaised, let closing = settings.posts.closing(posts, at: .now()) else { return !stop.isRaised }
        logger.warning(
            "the limit of posts is reached; X is not read until the next window",
            metadata: [
                "setting": "\(closing.setting)", "limit": .stringConvertible(closing.limit),
                "posts": .stringConvertible(closing.posts),
                "until": "\(closing.until)",
            ])
        var event = PipelineEvent(.connectFailed, cause: "post_limit")
        event.detail = closing.description
        try journal.append(event)
        try journal.sync()
        while !stop.isRaised, settings.posts.closing(posts, at: .now()) != nil {
            try rest(for: .seconds(1), reading) { false }
        }
        if !stop.isRaised { logger.info("the limit of posts has a new window; X is read again") }
        return !stop.isRaised
    }

    /// Waits without forgetting the journal, whose segment may become too old; ends early when `isEnough`.
    private func rest(for delay: Duration, _ reading: StreamReading, until isEnough: () -> Bool) throws {
        let deadline = ContinuousClock.now + delay
        while !stop.isRaised, ContinuousClock.now < deadline {
            let wait = min(.seconds(1), ContinuousClock.now.duration(to: deadline))
            stop.wait(for: min(wait, reading.journal.timeToSync ?? wait))
            if let due = reading.journal.timeToSync, due <= .zero { try reading.journal.sync() }
            try takeInbox(reading, connection: 0)
            if isEnough() { return }
        }
    }

    private func connect(_ token: Result<Secret, any Error>, _ reading: StreamReading) throws -> Attempt {
        let recorder = StreamRecorder(
            reading, connection: newConnection(), lineLimit: settings.lineLimit, logger: logger)
        let begun = Timestamp.now()
        recorder.onBegin = { [ledger = credential?.ledger, stream = settings.stream] in
            let opened = Timestamp.now()
            reading.gaps.end(at: opened)
            let connection = OpenedConnection(
                stream: stream, begun: begun.milliseconds, opened: opened.milliseconds)
            // Both wait for files; X sends on meanwhile.
            reading.journal.later { [gaps = reading.gaps] in
                ledger?.noteOpened(connection)
                gaps.save()
            }
        }
        var backfill = asksBackfill ? Backfill(reading.gaps, plan: settings.plan, at: begun) : nil
        let hasAskedBackfill = backfill != nil
        do {
            let connection = try StreamConnection(
                settings, query: backfill?.query ?? [], token: try token.get(), reading, recorder: recorder, stop: stop
            ) {
                guard let begin = recorder.begin else { return try self.takeInbox(reading, connection: 0) }
                if let event = reading.watch.look(posts: recorder.posts) { recorder.take(event) }
                if try backfill?.settle(recorder, begin, begun, reading, scale: self.settings.backoffScale) == true {
                    self.logger.notice("backfill has filled a gap")
                    backfill = nil
                }
                try self.takeInbox(reading, connection: recorder.connection)
            }
            let end = try connection.run(on: multi)
            return Attempt(end: hasAskedBackfill ? withoutBackfill(end) : end, recorder: recorder)
        } catch let error as Failure {
            return Attempt(end: .failed(cause: "token", detail: error.description), recorder: recorder)
        } catch let error as CurlError {
            return Attempt(end: .failed(cause: error.cause, detail: error.description), recorder: recorder)
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

    /// Journals what other threads have left.
    private func takeInbox(_ reading: StreamReading, connection: Int64) throws {
        try inbox.settle(in: reading.journal) { chunk in
            let now = Timestamp.now()
            if !chunk.lines.isEmpty, let closing = settings.posts.closing(reading.posts, at: now) {
                return closing.description
            }
            try chunk.place(in: reading.journal, receivedAt: now, openConnection: connection)
            for _ in chunk.lines { reading.posts.add(at: now) }
            try reading.posts.save()
            return nil
        }
    }

    /// A new id: the time, and always more than the one before, whatever the clock does.
    private func newConnection() -> Int64 {
        lastConnection = max(Timestamp.now().milliseconds, lastConnection + 1)
        return lastConnection
    }

    /// Journals and logs how an attempt ended.
    ///
    /// - Returns: how long to wait before the next; nil when there is to be none.
    private func settle(_ attempt: Attempt, _ reading: StreamReading) throws -> Duration? {
        let recorder = attempt.recorder
        let interruption = Interruption(attempt.end)
        let remedies = StreamRemedies(settings: settings, stop: stop, logger: logger)
        guard let begin = recorder.begin else {
            let isMended = remedies.mend(attempt.end, credential)
            return try settleFailure(interruption, recorder, reading.journal, isMended: isMended)
        }
        hasConnected = true
        failures = FailureRun()
        let lifetime = begin.duration(to: .now)
        let event = recorder.takeEnd(cause: interruption.cause, detail: interruption.detail)
        if let failure = recorder.failure { throw failure }
        if let gap = StreamGap(event, seq: reading.journal.lastSeq) { reading.gaps.open(gap) }
        // Remedies ask X and take their time: first what has come is made durable.
        try reading.journal.sync()
        let delay = policy.delay(
            for: interruption.retry, lifetime: lifetime, delivered: recorder.hasDelivered,
            retryAfter: interruption.retryAfter, isMended: remedies.mend(attempt.end, credential))
        var metadata = metadata(interruption, recorder, delay)
        metadata["lines"] = .stringConvertible(recorder.lines)
        metadata["bytes"] = .stringConvertible(recorder.bytes)
        metadata["seconds"] = .stringConvertible(lifetime.components.seconds)
        if recorder.unknownLines > 0 { metadata["unknown_lines"] = .stringConvertible(recorder.unknownLines) }
        logger.log(level: interruption.level, "disconnected", metadata: metadata)
        return delay
    }

    private func settleFailure(
        _ interruption: Interruption, _ recorder: StreamRecorder, _ journal: Journal, isMended: Bool
    ) throws -> Duration? {
        let delay = policy.delay(
            for: interruption.retry, lifetime: nil, retryAfter: interruption.retryAfter, isMended: isMended)
        guard let delay else { return nil }
        let (isFirst, isTold) = failures.note(interruption, at: .now)
        if isFirst {
            var event = PipelineEvent(.connectFailed, connection: recorder.connection, cause: interruption.cause)
            event.status = interruption.status
            event.detail = interruption.detail
            try journal.append(event)
        }
        var metadata = metadata(interruption, recorder, delay)
        metadata["attempt"] = .stringConvertible(failures.count)
        logger.log(level: isTold ? interruption.level : .debug, "cannot read the stream", metadata: metadata)
        return delay
    }

    private func metadata(
        _ interruption: Interruption, _ recorder: StreamRecorder, _ delay: Duration?
    ) -> Logger.Metadata {
        var result: Logger.Metadata = [
            "connection": .stringConvertible(recorder.connection), "cause": "\(interruption.cause)",
        ]
        result["detail"] = interruption.detail.map { "\($0)" }
        result["status"] = interruption.status.map { .stringConvertible($0) }
        result["next_attempt_in"] = delay.map { "\($0.short)" }
        return result
    }

    /// What no waiting heals: only a person can, and a service that ends says so more clearly than one that waits.
    private func failureForGood(_ end: ConnectionEnd) -> Failure? {
        guard !hasConnected, case .refused(let problem) = end, let detail = Interruption(end).detail else { return nil }
        switch (problem.kind, settings.x.token) {
        case (.unauthorized, .value), (.forbidden, .value): return Failure(.refusedCredentials, detail)
        case (.badRequest, _): return Failure(.badSettings, detail)
        default: return nil
        }
    }

    /// Waits for the next attempt; a new token in the file ends the wait after a refusal.
    private func pause(
        for delay: Duration, after end: ConnectionEnd, token: Secret?, _ reading: StreamReading
    ) throws {
        try rest(for: delay, reading) {
            guard case .file = settings.x.token, end.isAboutCredentials, let new = try? settings.x.token.read(),
                new.value != token?.value
            else { return false }
            logger.info("the token file has a new token")
            return true
        }
    }
}

/// One attempt: how it ended, and what it delivered.
private struct Attempt {
    let end: ConnectionEnd
    let recorder: StreamRecorder
}
