import Core
import Synchronization

/// The one thread that starts child processes.
///
/// A child requests a signal from the kernel for its parent's end, and the kernel means the *thread* that created it
/// (prctl(2), PR_SET_PDEATHSIG). A thread of Swift's or Dispatch's pools may end at any time, this one never does.
enum SpawnThread {
    private static let queue = SpawnQueue()
    private static let thread = JoinableThread(name: "spawn") { while true { queue.runNext() } }

    /// Runs `body` on the thread and returns its result; the caller blocks meanwhile.
    static func run<Result: Sendable>(_ body: @escaping @Sendable () -> Result) -> Result {
        _ = thread
        return queue.run(body)
    }
}

private final class SpawnQueue: Sendable {
    private let waiting = Mutex<[@Sendable () -> Void]>([])
    private let signal = Signal()

    func runNext() {
        signal.wait(until: .now + .seconds(3600)) { self.waiting.withLock { !$0.isEmpty } }
        let next = waiting.withLock { $0.isEmpty ? nil : $0.removeFirst() }
        next?()
    }

    func run<Result: Sendable>(_ body: @escaping @Sendable () -> Result) -> Result {
        let answer = Promise<Result>()
        waiting.withLock { $0.append { answer.set(body()) } }
        signal.notify()
        return answer.wait()
    }
}
