import Core
import Journal
import Logging
import TweetFormat
import XAPI

/// One attempt: how it ended, and what it delivered.
struct StreamAttempt {
    let end: ConnectionEnd
    let recorder: StreamRecorder
}

/// What follows the end of an attempt.
extension FilteredStream {
    /// Journals and logs how an attempt ended.
    ///
    /// - Returns: how long to wait before the next; nil when there is to be none.
    func settle(_ attempt: StreamAttempt, _ reading: StreamReading) throws -> Duration? {
        let recorder = attempt.recorder
        let interruption = Interruption(attempt.end)
        let remedies = StreamRemedies(settings: settings, stop: stop, logger: logger)
        guard let begin = recorder.begin else {
            if let outcome = ConnectOutcome(attempt.end) { reading.metrics.attempts[outcome].add() }
            if let delay = waitForPredecessor(attempt.end) { return delay }
            knowPredecessor(attempt.end)
            let isRemedied = remedies.remedy(attempt.end, credential)
            if !isRemedied, isDisplaced(attempt.end, reading) { return nil }
            return try settleFailure(interruption, recorder, reading.journal, isRemedied: isRemedied)
        }
        hasConnected = true
        reading.metrics.disconnects[DisconnectCause(interruption.cause)].add()
        failures = FailureRun()
        let lifetime = begin.duration(to: .now)
        let event = recorder.takeEnd(cause: interruption.cause, detail: interruption.detail)
        if let failure = recorder.failure { throw failure }
        if let gap = StreamGap(event, seq: recorder.lastEventSeq) { reading.gaps.open(gap) }
        // Remedies ask X and take their time: first what has come is made durable.
        try reading.journal.sync()
        if attempt.end == .handedOver || isDisplaced(attempt.end, reading) {
            logger.log(level: interruption.level, "disconnected", metadata: metadata(interruption, recorder, nil))
            return nil
        }
        let ladder = policy.delay(
            for: interruption.retry, lifetime: lifetime, delivered: recorder.hasDelivered,
            retryAfter: interruption.retryAfter, isRemedied: remedies.remedy(attempt.end, credential))
        let delay = ladder.map { max($0, courtesy) }
        logEnd(interruption, recorder, lifetime, delay)
        return delay
    }

    private func logEnd(
        _ interruption: Interruption, _ recorder: StreamRecorder, _ lifetime: Duration, _ delay: Duration?
    ) {
        var metadata = metadata(interruption, recorder, delay)
        metadata["lines"] = "\(recorder.lines)"
        metadata["bytes"] = "\(recorder.bytes)"
        metadata["seconds"] = "\(lifetime.components.seconds)"
        if recorder.unknownLines > 0 { metadata["unknown_lines"] = "\(recorder.unknownLines)" }
        logger.log(level: interruption.level, "disconnected", metadata: metadata)
    }

    func settleFailure(
        _ interruption: Interruption, _ recorder: StreamRecorder, _ journal: Journal, isRemedied: Bool
    ) throws -> Duration? {
        let delay = policy.delay(
            for: interruption.retry, lifetime: nil, retryAfter: interruption.retryAfter, isRemedied: isRemedied)
        guard let delay else { return nil }
        let (isFirst, isTold) = failures.note(interruption, at: .now)
        if isFirst {
            var event = PipelineEvent(.connectFailed, connection: recorder.connection, cause: interruption.cause)
            event.status = interruption.status
            event.detail = interruption.detail
            try journal.append(event)
        }
        var metadata = metadata(interruption, recorder, delay)
        metadata["attempt"] = "\(failures.count)"
        logger.log(level: isTold ? interruption.level : .debug, "cannot read the stream", metadata: metadata)
        return delay
    }

    func metadata(
        _ interruption: Interruption, _ recorder: StreamRecorder, _ delay: Duration?
    ) -> Logger.Metadata {
        var result: Logger.Metadata = ["connection": "\(recorder.connection)", "cause": "\(interruption.cause)"]
        result["detail"] = interruption.detail.map { "\($0)" }
        result["status"] = interruption.status.map { "\($0)" }
        result["next_attempt_in"] = delay.map { "\($0.short)" }
        return result
    }

    /// What no waiting heals: only a person can, and a service that ends says so more clearly than one that waits.
    func failureForGood(_ end: ConnectionEnd) -> XError? {
        guard !hasConnected, case .refused(let problem) = end, let detail = Interruption(end).detail else { return nil }
        switch (problem.kind, settings.x.token) {
        case (.unauthorized, .value), (.forbidden, .value): return XError(.operator(.credentials), detail)
        case (.badRequest, _): return XError(.operator(.settings), detail)
        default: return nil
        }
    }
}

extension ConnectOutcome {
    /// What an attempt that did not connect has come to; nil when it was given up.
    fileprivate init?(_ end: ConnectionEnd) {
        switch end {
        case .stopped, .handedOver: return nil
        case .failed(let cause, _):
            self = cause == "token" ? .credentials : cause == "backfill_refused" ? .http : .network
        case .lost, .control: self = .network
        case .refused(let problem):
            switch problem.kind {
            case .noRules: self = .noRules
            case .noCredits, .usageCap: self = .account
            case .tooManyConnections: self = .tooManyConnections
            case .rateLimit: self = .rateLimited
            case .unauthorized, .forbidden: self = .credentials
            case .badRequest, .notFound, .notAStream, .serverError, .redirect, .other: self = .http
            }
        }
    }
}
