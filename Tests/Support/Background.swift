internal import Core
import Synchronization

/// A thread for what must go on while a test does something else; keeps the error that ended it.
package final class Background {
    private final class Outcome: Sendable {
        let failure = Mutex<(any Error)?>(nil)
    }

    private let outcome: Outcome
    private var thread: JoinableThread?

    /// Starts the thread.
    package init(_ body: @escaping @Sendable () throws -> Void) {
        let outcome = Outcome()
        self.outcome = outcome
        thread = JoinableThread(name: "test") {
            do { try body() } catch { outcome.failure.withLock { $0 = error } }
        }
    }

    /// Waits for the end.
    ///
    /// - Throws: the error that ended the thread.
    package func join() throws {
        if let thread = thread.take() { thread.join() }
        if let error = outcome.failure.withLock({ $0 }) { throw error }
    }

    /// A failed test may leave before it has joined.
    deinit {
        if let thread = thread.take() { thread.join() }
    }
}
