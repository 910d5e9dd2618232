import Core

/// What filling a gap came to.
package struct RepairOutcome: Equatable, Sendable {
    /// Posts that X sent for it, and bills.
    package var posts: Int64 = 0
    /// Ids of the rules whose search is finished.
    package var searched: [String] = []
    /// Why it is not filled; nil when it is.
    package var obstacle: String?
    /// From when on the oldest gap is filled, when X no longer gives what is older.
    package var filledFrom: Timestamp?
    /// Whether another try may do better by itself.
    package var isTransient = false

    mutating func fail(_ obstacle: String, isTransient: Bool = false) {
        self.obstacle = obstacle
        self.isTransient = isTransient
    }

    /// What a chunk that was not taken means.
    mutating func fail(_ delivery: ChunkDelivery) {
        switch delivery {
        case .durable: break
        case .limited(let limit): fail("a limit of posts is reached: \(limit)", isTransient: true)
        case .failed: fail("the journal could not be written", isTransient: true)
        }
    }
}
