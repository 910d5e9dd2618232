import Glibc
import Synchronization

/// The wish that a service ends, raised once and seen by every loop.
///
/// A loop that blocks in C registers how to wake it (`curl_multi_wakeup`, a condition, …); every other wait
/// goes through `wait(for:)`.
package final class Stop: Sendable {
    private let deadline = Mutex<ContinuousClock.Instant?>(nil)
    private let wakers = Wakers()
    private let raised = Atomic(false)
    private let immediate = Atomic(false)
    private let signal = Signal()

    package init() {}

    /// Whether the service shall end.
    package var isRaised: Bool { raised.load(ordering: .acquiring) }

    /// Whether it shall end without draining: a second signal came, or the drain's time is over.
    package var isImmediate: Bool {
        if immediate.load(ordering: .acquiring) { return true }
        guard isRaised, let deadline = deadline.withLock({ $0 }) else { return false }
        return ContinuousClock.now >= deadline
    }

    /// Asks every loop to finish what it has begun, for at most `drain`.
    package func raise(drain: Duration = .seconds(30)) {
        deadline.withLock { $0 = $0 ?? .now + drain }
        // Before the functions are looked up: who registers then is either among them or sees that the stop is raised.
        raised.store(true, ordering: .releasing)
        signal.notify()
        wakers.wake()
    }

    /// Asks every loop to leave at once; what is durable stays so.
    package func raiseImmediately() {
        immediate.store(true, ordering: .releasing)
        raise(drain: .zero)
    }

    /// Adds a function that wakes a loop out of a blocking call; called at once if the stop is already raised.
    ///
    /// It may run on any thread and more than once.
    ///
    /// - Returns: what keeps it registered.
    package func onRaise(_ wake: @escaping @Sendable () -> Void) -> Registration {
        let registration = wakers.add(wake)
        if isRaised { wake() }
        return registration
    }

    /// How many functions are registered.
    package var registrations: Int { wakers.count }

    /// Sleeps for `duration` or until the stop is raised; returns whether it is raised.
    @discardableResult
    package func wait(for duration: Duration) -> Bool {
        signal.wait(until: .now + duration) { self.isRaised }
        return isRaised
    }
}
