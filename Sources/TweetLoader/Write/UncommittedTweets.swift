import Core
import Synchronization

/// The tweets of one batch that a rule matched, until the transaction that stores them has ended.
final class UncommittedTweets: Sendable {
    let ids: Set<Int64>
    /// Nil until the transaction has ended.
    private let areStored = Mutex<Bool?>(nil)
    private let end = Signal()

    /// - Parameter batch: what the transaction stores.
    init(_ batch: Batch) {
        ids = Set(batch.lines.map(\.id))
    }

    /// Whether a tweet is one of them.
    func contains(_ id: Int64) -> Bool { ids.contains(id) }

    /// Whether the transaction has ended.
    var hasEnded: Bool { areStored.withLock { $0 != nil } }

    /// Whether it has ended, and all of them are stored.
    var areAllStored: Bool { areStored.withLock { $0 ?? false } }

    /// Records the end of the transaction.
    ///
    /// - Parameter areStored: whether all of them are stored now; otherwise who included one has to store it.
    func end(areStored: Bool) {
        self.areStored.withLock { $0 = areStored }
        end.notify()
    }

    /// Waits for the end of the transaction, until `deadline`; returns whether all of them are stored.
    func areStored(by deadline: ContinuousClock.Instant) -> Bool {
        end.wait(until: deadline) { hasEnded }
        return areAllStored
    }
}
