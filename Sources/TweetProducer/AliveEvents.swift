import Core
import Journal
import TweetFormat

/// Journals at regular intervals that the producer lives, with what it knows of itself, connected or not.
///
/// The event goes the way of every line, so PostgreSQL knows how old the newest one is while X is quiet (`stream_state`). It reads
/// memory only. A journal that accepts nothing delays it, as it delays lines.
struct AliveEvents {
    private let interval: Duration
    private let metrics: ProducerMetrics
    private let stop: Stop
    private let deliver: @Sendable (JournalChunk) -> ChunkDelivery

    /// - Parameters:
    ///   - interval: HEARTBEAT.
    ///   - metrics: what the producer knows of itself.
    ///   - stop: ends it.
    ///   - deliver: hands an event to the owner of the journal.
    init(
        every interval: Duration, _ metrics: ProducerMetrics, stop: Stop,
        deliver: @escaping @Sendable (JournalChunk) -> ChunkDelivery
    ) {
        (self.interval, self.metrics, self.stop, self.deliver) = (interval, metrics, stop, deliver)
    }

    /// Runs until the stop is raised; the first event is due after an interval.
    func run() {
        while !stop.wait(for: interval) { _ = deliver(JournalChunk(events: [event(at: .now())])) }
    }

    /// The event of a moment.
    func event(at now: Timestamp) -> PipelineEvent {
        var event = PipelineEvent(.alive, at: now)
        let stream = metrics.stream
        let isConnected = stream.connected.value == 1
        if isConnected { event.connection = String(Int64(stream.connection.value)) }
        event.lastReceivedAt = stream.lastByte.moment?.description
        event.producer = state(isConnected: isConnected)
        return event
    }

    private func state(isConnected: Bool) -> ProducerState {
        var state = ProducerState()
        state.isConnected = isConnected
        state.isPassive = metrics.stream.passive.value == 1
        state.lastPostAt = metrics.stream.lastPost.moment?.description
        state.oldestUnacknowledgedAt = metrics.journal.oldest.moment?.description
        state.postsToday = Int64(metrics.posts.used[.day].value)
        state.postsOfCycle = Int64(metrics.posts.used[.cycle].value)
        state.limitPerDay = metrics.posts.limit[.day].positive
        state.limitPerCycle = metrics.posts.limit[.cycle].positive
        state.journalBytes = metrics.journal.used.positive
        state.availableBytes = metrics.journal.available.positive
        if metrics.rules.lastCheck.value > 0 { state.rules = Int64(metrics.rules.atX.value) }
        state.interval = interval.milliseconds
        return state
    }
}

extension Gauge {
    /// The whole number in it; nil for 0: unknown, or no limit.
    fileprivate var positive: Int64? { value > 0 ? Int64(value) : nil }
}
