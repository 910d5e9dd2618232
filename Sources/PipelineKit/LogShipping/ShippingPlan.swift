import Core

/// Decides what is sent when, and what becomes of events whose request failed. It waits for nothing and sends nothing; the
/// time comes from outside.
///
/// At most one batch is under way. While the receiver is unreachable, that batch and the queue are all that is in memory.
struct ShippingPlan {
    struct Limits: Sendable {
        /// Bytes of the events of a request.
        var batchBytes = 512 << 10
        /// Events of a request, at most; Datadog allows as many.
        var batchCount = 1000
        /// From one request to the next, unless a batch is full.
        var linger = Duration.seconds(1)
        /// How often the same events are sent.
        var tries = 10
        /// For how long the same events are sent.
        var retryTime = Duration.seconds(600)
        /// The pause while somebody has to change something.
        var refusedPause = Duration.seconds(300)
        /// The longest wait that a receiver can ask for.
        var longestRetryAfter = Duration.seconds(600)
        /// Rejected events in a row after which a rejected batch is not divided any more.
        var mostDivisions = 8
    }

    /// Events of one request.
    struct Batch: Sendable, Equatable {
        var events: [ShippedEvent]
        var tries = 0
        var firstTry: ContinuousClock.Instant?
        /// The queue can forget events up to this number when the batch is settled.
        let last: Int64

        init(_ events: [ShippedEvent]) {
            self.events = events
            last = events.map(\.number).max() ?? 0
        }
    }

    enum Step: Equatable {
        case send(Batch)
        /// Until then, or until the queue has something for which waiting ends earlier; nil: until it has anything.
        case wait(until: ContinuousClock.Instant?)
    }

    /// What an operator should know about the last request.
    enum Trouble: Equatable {
        case retrying(reason: String, at: ContinuousClock.Instant)
        case abandoned(reason: String, events: Int)
        case refused(reason: String)
        case rejected(reason: String, events: Int)
        /// The batch is sent again in two parts.
        case dividing
    }

    let limits: Limits
    /// Batches that are under way, the next one first: one, or the parts of one.
    private(set) var work: [Batch] = []
    /// Whether requests are refused until somebody changes something.
    private(set) var isRefused = false

    private let queue: any LogQueue
    private let counts: ShippingCounts
    private let source: EventSource
    private let wallClock: @Sendable () -> Timestamp
    private var backoff = Backoff(first: .milliseconds(500), longest: .seconds(60), spread: 0...1)
    private let random: @Sendable () -> Double
    /// Dropped events that the receiver knows of.
    private(set) var announced: Int64 = 0
    private var notBefore: ContinuousClock.Instant?
    private var nextTake: ContinuousClock.Instant?
    private var rejectedInARow = 0

    init(
        limits: Limits, queue: any LogQueue, counts: ShippingCounts, source: EventSource,
        wallClock: @escaping @Sendable () -> Timestamp = { Timestamp.now() },
        random: @escaping @Sendable () -> Double = { .random(in: 0...1) }
    ) {
        (self.limits, self.queue, self.counts, self.source) = (limits, queue, counts, source)
        (self.wallClock, self.random) = (wallClock, random)
    }

    /// Bytes of the events that are under way.
    var heldBytes: Int { work.reduce(0) { $0 + $1.events.reduce(0) { $0 + $1.bytes } } }

    // MARK: Sending

    /// What to do now.
    mutating func step(_ now: ContinuousClock.Instant) -> Step {
        if work.isEmpty, let wait = fill(now) { return wait }
        if let notBefore, now < notBefore { return .wait(until: notBefore) }
        return .send(work[0])
    }

    /// Takes the next batch; what to wait for when there is none.
    private mutating func fill(_ now: ContinuousClock.Instant) -> Step? {
        let (pending, unannounced) = (queue.pending, counts.allDropped - announced)
        guard pending.events > 0 || unannounced > 0 else { return .wait(until: nil) }
        if let nextTake, now < nextTake, pending.bytes < limits.batchBytes { return .wait(until: nextTake) }
        // Taken before the drops are counted: they came before what is left.
        let events = take(newest: false)
        // A queue in files may be unreadable.
        guard let batch = batch(events) else { return .wait(until: now + .seconds(5)) }
        nextTake = now + limits.linger
        work = [batch]
        return nil
    }

    private func take(newest: Bool) -> [ShippedEvent] {
        queue.take(bytes: limits.batchBytes, count: limits.batchCount, newest: newest)
    }

    /// Some events, behind one that announces how many were dropped since the last such event; nil for none at all.
    private func batch(_ events: [ShippedEvent]) -> Batch? {
        let unannounced = counts.allDropped - announced
        var all = events
        if unannounced > 0 {
            let line = source.line(
                level: "warning", "log events were dropped before they reached the receiver",
                [("dropped", "\(unannounced)")], time: wallClock())
            all.insert(ShippedEvent(line: line, announced: unannounced), at: 0)
        }
        return all.isEmpty ? nil : Batch(all)
    }

    // MARK: Answers

    /// Takes in what became of the batch of the last `send`.
    ///
    /// - Returns: what is wrong; nil when nothing is.
    mutating func settle(_ verdict: ShippingVerdict, _ now: ContinuousClock.Instant) -> Trouble? {
        isRefused = false
        switch verdict {
        case .accepted(let rejected): return accepted(work[0], rejected: rejected)
        case .partly(let again, let rejected, let reason):
            return partly(again, rejected, reason, now)
        case .transient(let reason, let after): return retry(reason, after, now)
        case .refused(let reason):
            isRefused = true
            notBefore = now + limits.refusedPause
            counts.retries.add()
            return .refused(reason: reason)
        case .invalid(let reason, let isDivisible): return invalid(reason, isDivisible, now)
        }
    }

    /// Somebody may have changed what was wrong.
    mutating func tryAgain() {
        notBefore = nil
        isRefused = false
    }

    private mutating func accepted(_ batch: Batch, rejected: Int) -> Trouble? {
        let events = batch.events.count { $0.announced == 0 }
        let lost = min(rejected, events)
        // The drops that this very batch causes are not among those that it announces.
        announced += batch.events.reduce(0) { $0 + $1.announced }
        counts.shipped.add(events - lost)
        counts.dropped[.rejected].add(lost)
        counts.lastSuccess.set(wallClock())
        backoff.reset()
        (notBefore, rejectedInARow) = (nil, 0)
        done(batch)
        return lost > 0 ? .rejected(reason: "the receiver has accepted the others", events: lost) : nil
    }

    private mutating func done(_ batch: Batch) {
        queue.confirm(through: batch.last)
        if !work.isEmpty { work.removeFirst() }
    }

    private mutating func partly(
        _ again: [Int], _ rejected: Int, _ reason: String, _ now: ContinuousClock.Instant
    ) -> Trouble? {
        let places = Set(again)
        let batch = work[0]
        let settled = batch.events.indices.filter { !places.contains($0) }.map { batch.events[$0] }
        announced += settled.reduce(0) { $0 + $1.announced }
        let lost = min(rejected, settled.count)
        counts.shipped.add(settled.count { $0.announced == 0 } - lost)
        counts.dropped[.rejected].add(lost)
        work[0].events = batch.events.indices.filter(places.contains).map { batch.events[$0] }
        return retry(reason, nil, now)
    }

    private mutating func retry(_ reason: String, _ after: Duration?, _ now: ContinuousClock.Instant) -> Trouble {
        let pause = backoff.next(random: random())
        let at = now + max(pause, min(after ?? .zero, limits.longestRetryAfter))
        notBefore = at
        work[0].tries += 1
        let first = work[0].firstTry ?? now
        work[0].firstTry = first
        if work[0].tries >= limits.tries || first.duration(to: now) >= limits.retryTime {
            return .abandoned(reason: reason, events: drop(work[0], .abandoned))
        }
        counts.retries.add()
        return .retrying(reason: reason, at: at)
    }

    /// Ends a batch without its events.
    private mutating func drop(_ batch: Batch, _ why: LogDropReason) -> Int {
        let events = batch.events.count { $0.announced == 0 }
        counts.dropped[why].add(events)
        done(batch)
        return events
    }

    /// Halves the batch, so that one event that the receiver rejects costs no other one; one event alone is dropped.
    ///
    /// Where the receiver rejects everything, halving would be a flood of requests: after some rejected events without an
    /// accepted one, whole batches are dropped, and requests become rare.
    private mutating func invalid(
        _ reason: String, _ isDivisible: Bool, _ now: ContinuousClock.Instant
    ) -> Trouble? {
        let batch = work[0]
        if isDivisible, batch.events.count > 1, rejectedInARow < limits.mostDivisions {
            let middle = batch.events.count / 2
            work.replaceSubrange(
                0..<1, with: [Batch(Array(batch.events[..<middle])), Batch(Array(batch.events[middle...]))])
            notBefore = nil
            return .dividing
        }
        rejectedInARow += 1
        // An event that announces drops is not announced itself.
        announced += batch.events.reduce(0) { $0 + $1.announced }
        let lost = drop(batch, .rejected)
        notBefore = rejectedInARow < limits.mostDivisions ? nil : now + backoff.next(random: random())
        return lost > 0 ? .rejected(reason: reason, events: lost) : nil
    }

    // MARK: The end

    /// The next batch of the end: no waits, one attempt each. Events in memory: the newest first, as time may be short.
    mutating func nextAtEnd() -> Batch? {
        if queue.isDurable, !work.isEmpty { return work[0] }
        if let batch = batch(take(newest: true)) {
            work.insert(batch, at: 0)
            return batch
        }
        return work.first
    }

    /// Puts an event before all others.
    mutating func begin(with line: String) {
        work.insert(Batch([ShippedEvent(line: line)]), at: 0)
    }

    /// The event that `begin` has put first, or else the batch of `nextAtEnd`, has this verdict.
    ///
    /// - Returns: whether another attempt makes sense; why not otherwise.
    mutating func settleAtEnd(
        _ verdict: ShippingVerdict, _ now: ContinuousClock.Instant
    ) -> (goesOn: Bool, reason: String) {
        switch verdict {
        case .accepted, .invalid:
            _ = settle(verdict, now)
            return (true, "")
        case .partly(_, _, let reason):
            _ = settle(verdict, now)
            return (false, reason)
        case .transient(let reason, _), .refused(let reason): return (false, reason)
        }
    }

    /// Events that were neither sent nor dropped, after the end.
    var left: Int64 {
        queue.pending.events + work.reduce(0) { $0 + Int64($1.events.count { $0.announced == 0 && $0.number > 0 }) }
    }
}
