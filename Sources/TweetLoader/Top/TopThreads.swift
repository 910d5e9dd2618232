import Core
import Synchronization

/// Threads that end with the process.
enum TopThreads {
    /// Keeps a thread that is never joined.
    private final class Kept: Sendable {
        private let thread: JoinableThread

        init(_ number: Int, _ body: @escaping @Sendable () -> Void) {
            thread = JoinableThread(name: "top-\(number)", body)
        }
    }

    private static let kept = Mutex<[Kept]>([])

    /// - Parameter bodies: what they do; none of them returns.
    static func start(_ bodies: [@Sendable () -> Void]) {
        kept.withLock { kept in
            kept += bodies.enumerated().map { Kept($0, $1) }
        }
    }
}
