import Core
import Synchronization

/// One thread at a time looks for what is due, and sleeps until then; the others wait for their turn.
final class Turn: Sendable {
    private let isTaken = Atomic(false)
    private let signal = Signal()

    /// Waits for the turn.
    ///
    /// - Parameter stop: ends the wait.
    /// - Returns: false when the stop was raised; then it is nobody's turn.
    func take(_ stop: Stop) -> Bool {
        var isMine = false
        while !isMine, !stop.isRaised {
            signal.wait(until: .now + .milliseconds(500)) {
                isMine =
                    isTaken.compareExchange(expected: false, desired: true, ordering: .acquiringAndReleasing).exchanged
                return isMine
            }
        }
        if isMine, stop.isRaised {
            pass()
            return false
        }
        return isMine
    }

    /// Passes the turn on.
    func pass() {
        isTaken.store(false, ordering: .releasing)
        signal.notify()
    }
}

/// Whether something lasts, so that its begin and its end are logged once, whoever notices.
final class Lasting: Sendable {
    private let isOn = Atomic(false)

    /// Whether it lasts.
    var isLasting: Bool { isOn.load(ordering: .acquiring) }

    /// - Returns: whether it begins now.
    func begin() -> Bool { !isOn.exchange(true, ordering: .acquiringAndReleasing) }

    /// - Returns: whether it ends now.
    func end() -> Bool { isOn.exchange(false, ordering: .acquiringAndReleasing) }
}
