/// States that this loader has stored or seen in PostgreSQL lately, one partition for each relation: a state that comes again
/// unchanged needs no statement.
///
/// Forgets everything every minute, because another loader may have stored a newer state meanwhile: forgetting costs one
/// look-up of each thing that comes again.
struct StatePartitions {
    /// The state of one thing.
    struct State: Sendable {
        let fingerprint: Int64
        /// When it was received, in milliseconds since 1970.
        let seenAt: Int64
    }

    /// States by key.
    typealias Known = [Int64: State]

    private var partitions: [Known]
    private var forgetAt = ContinuousClock.now + .seconds(60)
    private let capacity: Int

    /// - Parameter capacity: how many states of one relation are remembered at most.
    init(capacity: Int = 100_000) {
        self.capacity = capacity
        partitions = Relation.allCases.map { _ in [:] }
    }

    subscript(relation: Relation) -> Known { partitions[relation.rawValue] }

    /// Remembers states whose transaction is committed, the newest of each thing.
    mutating func insert(_ states: Known, of relation: Relation) {
        if ContinuousClock.now >= forgetAt { forget() }
        let index = relation.rawValue
        if partitions[index].count + states.count > capacity { partitions[index].removeAll(keepingCapacity: true) }
        partitions[index].merge(states) { old, new in new.seenAt >= old.seenAt ? new : old }
    }

    /// Forgets everything.
    mutating func forget() {
        for index in partitions.indices { partitions[index].removeAll(keepingCapacity: true) }
        forgetAt = .now + .seconds(60)
    }
}
