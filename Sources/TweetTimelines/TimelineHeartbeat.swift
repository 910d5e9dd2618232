import Core
import Journal
import TweetFormat

/// Journals at regular intervals that the service lives, with what it knows of all accounts; the loader keeps the newest of each
/// journal in `stream_state`.
struct TimelineHeartbeat: Sendable {
    let interval: Duration
    let polling: Polling
    /// Of the service's own journal.
    let source: JournalSource

    private var metrics: TimelineMetrics { polling.metrics }

    /// Runs until the stop is raised; the first event is due after an interval.
    func run() {
        while !polling.stop.wait(for: interval) { _ = polling.journal.store([event(at: .now()).line]) }
    }

    /// The event of a moment.
    func event(at now: Timestamp) -> PipelineEvent {
        var event = PipelineEvent(.alive, at: now)
        event.lastReceivedAt = metrics.lastAnswer.moment?.description
        event.producer = state
        return event
    }

    private var state: ProducerState {
        var state = ProducerState()
        state.isConnected = isReading
        state.isPassive = false
        state.lastPostAt = metrics.lastPost.moment?.description
        state.oldestUnacknowledgedAt = metrics.journal.oldest.moment?.description
        state.interval = interval.milliseconds
        if let room = try? source.measureRoom() {
            (state.journalBytes, state.availableBytes) = (room.used, room.available)
        }
        let limits = polling.settings.limits
        (state.limitPerDay, state.limitPerCycle) = (limits.perDay, limits.perMonth)
        if metrics.facts.readAt.moment != nil { state.postsToday = Int64(metrics.facts.posts.value) }
        return state
    }

    /// Whether timelines are read, apart from limits that end by themselves.
    private var isReading: Bool {
        let causes = PauseCause.allCases.filter { metrics.facts.pauses[$0].value == 1 }
        return !polling.calls.isOut && !polling.database.isLasting
            && causes.allSatisfy { [.budget, .rateLimit].contains($0) }
    }
}
