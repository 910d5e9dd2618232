import Core
import Synchronization

/// Lets one thread end the sleep of several others.
final class WakeUp: Sendable {
    private let count = Atomic(0)
    private let signal = Signal()

    /// Changes with every wake-up: look before what is slept for is looked up.
    var generation: Int { count.load(ordering: .acquiring) }

    /// Ends every sleep that began with an older generation.
    func wake() {
        count.wrappingAdd(1, ordering: .acquiringAndReleasing)
        signal.notify()
    }

    /// Sleeps until the time is over or `wake` was called after `generation` was read.
    func sleep(for time: Duration, since generation: Int) {
        signal.wait(until: .now + time) { self.generation != generation }
    }
}
