import Core
import Journal
import Logging
import TweetFormat
import XAPI

/// What the reader waits for between connections.
extension FilteredStream {
    /// Waits while a limit of posts forbids reading; false when the stop is raised.
    func waitForPosts(_ reading: StreamReading) throws -> Bool {
        let (posts, journal) = (reading.posts, reading.journal)
        guard !stop.isRaised, let closing = settings.posts.closing(posts, at: .now()) else { return !stop.isRaised }
        logger.warning(
            "the limit of posts is reached; reading from X is paused until the next window",
            metadata: [
                "limit": "\(closing.setting) \(closing.limit)", "posts": "\(closing.posts)",
                "until": "\(closing.until)",
            ])
        var event = PipelineEvent(.connectFailed, cause: "post_limit")
        event.detail = closing.description
        reading.facts.enter(.waiting, cause: "post_limit", detail: closing.description)
        try journal.append(event)
        try journal.sync()
        reading.metrics.nextAttempt.set(closing.until)
        while !stop.isRaised, settings.posts.closing(posts, at: .now()) != nil {
            try rest(for: .seconds(1), reading) { false }
        }
        if !stop.isRaised { logger.info("the limit of posts has a new window; reading from X continues") }
        return !stop.isRaised
    }

    /// Waits, and looks whether the journal's disk refuses; ends early when `isEnough`.
    func rest(for delay: Duration, _ reading: StreamReading, until isEnough: () -> Bool) throws {
        let deadline = ContinuousClock.now + delay
        while !stop.isRaised, ContinuousClock.now < deadline {
            let wait = min(.seconds(1), ContinuousClock.now.duration(to: deadline))
            stop.wait(for: wait)
            try reading.journal.check()
            reading.facts.look()
            if isEnough() { return }
        }
    }

    /// Waits for the next attempt; a new token in the file ends the wait after a refusal.
    func pause(
        for delay: Duration, after end: ConnectionEnd, token: Secret?, _ reading: StreamReading
    ) throws {
        reading.metrics.nextAttempt.set(Timestamp.now().advanced(by: delay))
        let wasUnsure = lease?.role == .unsure
        try rest(for: delay, reading) {
            if let lease, !lease.reads || wasUnsure && lease.role == .active { return true }
            guard case .file = settings.x.token, end.isAboutCredentials, let new = try? settings.x.token.read(),
                new.value != token?.value
            else { return false }
            logger.info("the token file has a new token")
            return true
        }
    }
}
