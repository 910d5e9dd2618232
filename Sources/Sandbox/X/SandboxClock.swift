import Core
import Synchronization

/// The simulator's time: the real one plus an offset, so that tests need not wait for hours.
///
/// Ids and times of posts, budgets of requests, lingering connections and a scenario's times follow it; keep-alives do not.
package final class SandboxClock: Sendable {
    private let offset: Mutex<Duration>

    /// - Parameter offset: how far ahead of the real time it begins; negative: behind.
    package init(offset: Duration = .zero) {
        self.offset = Mutex(offset)
    }

    /// The wall clock.
    package var now: Timestamp { Timestamp.now().advanced(by: offset.withLock { $0 }) }

    /// The monotonic clock; only differences mean something.
    var instant: ContinuousClock.Instant { .now + offset.withLock { $0 } }

    /// Lets time pass at once; what would have become due meanwhile is due now.
    package func advance(by duration: Duration) {
        offset.withLock { $0 += max(.zero, duration) }
    }
}
