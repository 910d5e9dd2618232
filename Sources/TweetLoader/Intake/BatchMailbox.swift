import Core
import KafkaClient
import Synchronization

/// What passes between the thread that takes messages from Kafka, the intake, and the one that writes them to PostgreSQL.
///
/// Batches and what happens in the group go one way; where to start, and what was committed, the other. A batch is given when
/// the writer asks for one: so there are two, one that grows and one that is written, and memory is bounded.
final class BatchMailbox: Sendable {
    /// What happened in Kafka's group.
    enum GroupEvent: Sendable {
        case changed(AssignmentChange)
        /// The loader left the group to rejoin it; it owns no partition any more.
        case left
    }

    /// What the writer gets.
    struct News: Sendable {
        /// In the order in which they happened.
        fileprivate(set) var events: [GroupEvent] = []
        fileprivate(set) var batch: Batch?
        /// Partitions whose next offset Kafka does not have, with what it has; to be seen to after the batch.
        fileprivate(set) var holes: [(partition: TopicPartition, kept: (low: Int64, high: Int64), isReplaced: Bool)] =
            []
        /// Nothing comes after this.
        fileprivate(set) var isOver = false
        /// What ended the intake.
        fileprivate(set) var failure: (any Error)?

        /// Moves the batch, if there is one, so that only one owner of its memory is left.
        mutating func takeBatch(_ batch: inout Batch) {
            guard let taken = self.batch.take() else { return }
            batch = taken
        }

        fileprivate var isAny: Bool { !events.isEmpty || batch != nil || !holes.isEmpty || isOver }
    }

    /// Requests to the intake.
    struct Orders: Sendable {
        /// Where to start partitions, as of this number of events in the group.
        fileprivate(set) var starts: (offsets: [TopicPartition: Int64], logs: [TopicPartition: LogIdentity], asOf: Int)?
        /// Lines to pass over from now on.
        fileprivate(set) var settled: SettledLines?
        /// What was committed, for Kafka to know.
        fileprivate(set) var commits: [TopicPartition: Int64] = [:]
        /// How long the first message of a batch waits for others from now on.
        fileprivate(set) var age: Duration?
        /// Why to leave and rejoin the group.
        fileprivate(set) var leave: String?
        /// A partition that another loader has claimed, when that is why.
        fileprivate(set) var lost: TopicPartition?
        /// Whether PostgreSQL is unreachable, so that nothing is fetched.
        fileprivate(set) var isOutage = false
    }

    private struct State: Sendable {
        var news = News()
        var orders = Orders()
        var spare: Batch?
        var wantsBatch = false
        /// Between the writer's wish to leave the group and the intake's doing so.
        var isLeaving = false
        var isFinished = false
        /// Why Kafka's group does not accept us, and what to do.
        var groupProblem: String?
        /// How many events the writer has taken.
        var heard = 0
    }

    private let state = Mutex(State())
    private let hasOrders = Atomic(false)
    private let writer = Signal()
    private let intake = Signal()

    private let registration = Mutex<Registration?>(nil)

    /// - Parameter stop: ends every wait.
    init(stop: Stop) {
        let registration = stop.onRaise { [weak self] in self?.wake() }
        self.registration.withLock { $0 = registration }
    }

    private func wake() {
        writer.notify()
        intake.notify()
    }
}

/// For the writer.
extension BatchMailbox {
    /// Waits until `deadline` for a batch, or for anything else that is to be seen to.
    func take(until deadline: ContinuousClock.Instant) -> News {
        state.withLock { $0.wantsBatch = $0.news.batch == nil }
        intake.notify()
        writer.wait(until: deadline) { state.withLock { $0.news.isAny } }
        return state.withLock { state in
            let news = state.news
            state.news = News()
            state.news.isOver = news.isOver
            state.heard += news.events.count
            return news
        }
    }

    /// Waits until `deadline`, or the stop is raised, for something to happen in the group while a batch is in hand.
    func takeEvents(until deadline: ContinuousClock.Instant, _ stop: Stop) -> [GroupEvent] {
        writer.wait(until: deadline) { stop.isRaised || state.withLock { !$0.news.events.isEmpty } }
        return state.withLock { state in
            let events = state.news.events
            state.news.events = []
            state.heard += events.count
            return events
        }
    }

    /// Why Kafka's group does not accept this loader, and what to do; nil when it does.
    var groupProblem: String? { state.withLock { $0.groupProblem } }

    /// Gives a batch back that is settled and emptied, for its memory.
    func recycle(_ batch: Batch) {
        state.withLock { $0.spare = batch }
    }

    /// Starts partitions that were claimed, with the logs of the offsets, and which lines are settled already.
    func start(
        _ offsets: [TopicPartition: Int64], of logs: [TopicPartition: LogIdentity] = [:], settled: SettledLines
    ) {
        order { state in
            state.orders.starts = (offsets, logs, state.heard)
            state.orders.settled = settled
        }
    }

    /// Reports what was committed, and how long the first message of a batch waits for others from now on.
    func committed(_ offsets: [TopicPartition: Int64], age: Duration) {
        order { state in
            state.orders.commits.merge(offsets) { $1 }
            state.orders.age = age
        }
    }

    /// Reports that PostgreSQL is unreachable, or reachable again.
    func setOutage(_ isOutage: Bool) {
        order { state in
            state.orders.isOutage = isOutage
            // Behind a fail-over the ledger may know less.
            if isOutage { state.orders.settled = SettledLines() }
        }
    }

    /// Requests to leave and rejoin the group; no batch arrives before that is done.
    ///
    /// - Parameters:
    ///   - reason: for the log.
    ///   - lost: a partition that another loader has claimed, when that is why.
    func leave(_ reason: String, lost: TopicPartition? = nil) {
        order { state in
            // The group may have been left meanwhile: that serves as well.
            let hasLeft = state.news.events.contains { if case .left = $0 { true } else { false } }
            guard !hasLeft, !state.isLeaving else { return }
            state.isLeaving = true
            state.news.batch = nil
            (state.orders.leave, state.orders.lost) = (reason, lost)
        }
    }

    /// Lets the intake end: nothing is taken any more.
    func finish() {
        order { $0.isFinished = true }
    }

    private func order(_ change: (inout State) -> Void) {
        state.withLock { change(&$0) }
        hasOrders.store(true, ordering: .releasing)
        intake.notify()
    }
}

/// For the intake.
extension BatchMailbox {
    /// What the writer has ordered since the last call; nil when that is nothing.
    func takeOrders() -> Orders? {
        guard hasOrders.load(ordering: .acquiring) else { return nil }
        hasOrders.store(false, ordering: .relaxed)
        return state.withLock { state in
            let orders = state.orders
            state.orders = Orders()
            state.orders.isOutage = orders.isOutage
            return orders
        }
    }

    /// Gives the batch to the writer, if it waits for one; it is empty then.
    ///
    /// - Returns: whether the writer took it.
    func offer(_ batch: inout Batch) -> Bool {
        let isTaken = state.withLock { state in
            guard state.wantsBatch, !state.isLeaving else { return false }
            give(&batch, to: &state)
            return true
        }
        if isTaken { writer.notify() }
        return isTaken
    }

    private func give(_ batch: inout Batch, to state: inout State) {
        state.wantsBatch = false
        state.news.batch = batch
        batch = state.spare ?? Batch()
        state.spare = nil
    }

    /// Waits for orders, or for the writer to ask for a batch, for at most `duration`; whether there was one of these.
    func waitForWriter(_ duration: Duration) -> Bool {
        intake.wait(until: .now + duration) {
            hasOrders.load(ordering: .acquiring) || state.withLock { $0.wantsBatch && !$0.isLeaving }
        }
    }

    /// Reports what has changed in the group; what is `gone` is taken out of a batch that waits.
    func tell(_ changes: [AssignmentChange], gone: Set<TopicPartition>) {
        state.withLock { state in
            state.news.events += changes.map { .changed($0) }
            state.news.batch?.drop(gone)
        }
        writer.notify()
    }

    /// Reports messages that Kafka no longer has, or (`isReplaced`) that another log stands in their place.
    func tell(holeIn partition: TopicPartition, kept: (low: Int64, high: Int64), isReplaced: Bool = false) {
        state.withLock { $0.news.holes.append((partition, kept, isReplaced)) }
        writer.notify()
    }

    /// Sets why Kafka's group does not accept this loader.
    func set(groupProblem: String?) {
        state.withLock { $0.groupProblem = groupProblem }
    }

    /// Reports that the group was left: what waits is dropped.
    func tellLeft() {
        state.withLock { state in
            state.news.events.append(.left)
            state.news.batch = nil
            state.news.holes = []
            (state.orders.leave, state.orders.lost) = (nil, nil)
            state.isLeaving = false
        }
        writer.notify()
    }

    /// Gives the last batch and waits until the writer is done.
    ///
    /// - Parameters:
    ///   - batch: what was taken and not given yet.
    ///   - failure: what ended the intake; nil when it was the stop.
    ///   - obey: does what is ordered meanwhile.
    func end(_ batch: inout Batch, failure: (any Error)? = nil, _ obey: (Orders) -> Void) {
        var isGiven = false
        while !state.withLock({ $0.isFinished }) {
            if !isGiven {
                isGiven = state.withLock { state in
                    guard state.news.batch == nil else { return false }
                    if !state.isLeaving { give(&batch, to: &state) }
                    state.news.isOver = true
                    state.news.failure = failure
                    return true
                }
                writer.notify()
            }
            intake.wait(until: .now + .milliseconds(100)) { hasOrders.load(ordering: .acquiring) }
            if let orders = takeOrders() { obey(orders) }
        }
        if let orders = takeOrders() { obey(orders) }
    }
}
