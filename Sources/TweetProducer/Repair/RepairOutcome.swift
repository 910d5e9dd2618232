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

    mutating func fail(_ obstacle: String) { self.obstacle = obstacle }

    /// What a chunk that was not taken means.
    mutating func fail(_ delivery: ChunkDelivery) {
        switch delivery {
        case .durable: break
        case .limited(let limit): fail("a limit of posts is reached: \(limit)")
        case .failed: fail("the journal could not be written")
        }
    }
}
