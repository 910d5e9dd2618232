/// States that this loader has stored lately: what comes again unchanged needs no word with PostgreSQL.
///
/// Forgets everything every minute, because another loader may have stored a newer state meanwhile: what a minute's
/// forgetting costs is one look at each thing that comes again.
struct KnownStates {
    /// What was stored of one thing.
    struct State {
        let fingerprint: Int64
        /// When it was received, in milliseconds since 1970.
        let seenAt: Int64
    }

    private var states: [Int64: State] = [:]
    private var forgetAt = ContinuousClock.now + .seconds(60)
    private let capacity: Int

    /// - Parameter capacity: how many things are remembered at most.
    init(capacity: Int = 100_000) {
        self.capacity = capacity
    }

    subscript(key: Int64) -> State? { states[key] }

    /// Remembers rows whose transaction is committed.
    mutating func insert(_ rows: [RelationRows.Row]) {
        if states.count + rows.count > capacity || ContinuousClock.now >= forgetAt { forget() }
        for row in rows { states[row.key] = State(fingerprint: row.detail, seenAt: row.seenAt) }
    }

    /// Forgets everything.
    mutating func forget() {
        states.removeAll(keepingCapacity: true)
        forgetAt = .now + .seconds(60)
    }
}
