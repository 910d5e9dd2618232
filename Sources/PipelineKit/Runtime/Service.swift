import Glibc
import Synchronization

/// Runs a service's loops on threads of their own while the main thread waits for signals.
///
/// SIGTERM or SIGINT raises the stop, a second one makes it immediate, SIGHUP calls `reopen`.
/// Call `Service.blockSignals()` as the first statement of the process, so that every thread inherits the mask.
package enum Service {
    /// One loop: its name, and its work, which returns when the stop is raised or throws what ended it.
    package struct Loop: Sendable {
        let name: String
        let body: @Sendable () throws -> Void

        package init(_ name: String, _ body: @escaping @Sendable () throws -> Void) {
            self.name = name
            self.body = body
        }
    }

    /// Blocks the signals that `run` waits for, and ignores SIGPIPE.
    package static func blockSignals() {
        var signals = waitedSignals()
        unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
        signal(SIGPIPE, SIG_IGN)
    }

    /// Starts every loop, waits until all have returned, and throws the first error among them.
    ///
    /// A loop that throws raises the stop for the others. The whole drain is bounded by `drain`.
    package static func run(
        _ loops: [Loop], stop: Stop, drain: Duration, reopen: @escaping @Sendable () -> Void = {}
    ) throws {
        let state = Mutex<(running: Int, failure: (any Error)?)>((loops.count, nil))
        let threads = loops.map { loop in
            LoopThread(
                JoinableThread(name: loop.name) {
                    do { try loop.body() } catch {
                        state.withLock { if $0.failure == nil { $0.failure = error } }
                        stop.raise(drain: drain)
                    }
                    state.withLock { $0.running -= 1 }
                    kill(getpid(), loopEnded)
                })
        }
        waitForSignals(stop: stop, drain: drain, reopen: reopen) { state.withLock { $0.running == 0 } }
        for thread in threads { thread.join() }
        if let failure = state.withLock({ $0.failure }) { throw failure }
    }

    /// How a loop's thread tells the main thread that it has ended; blocked everywhere, so it only ever waits to be taken.
    private static let loopEnded = SIGUSR2

    private static func waitForSignals(stop: Stop, drain: Duration, reopen: () -> Void, isDone: () -> Bool) {
        var signals = waitedSignals()
        while !isDone() {
            var number: Int32 = 0
            guard unsafe sigwait(&signals, &number) == 0 else { continue }
            switch number {
            case loopEnded: break
            case SIGHUP: reopen()
            case _ where stop.isRaised: stop.raiseImmediately()
            default: stop.raise(drain: drain)
            }
        }
    }

    private static func waitedSignals() -> sigset_t {
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        for number in [SIGTERM, SIGINT, SIGHUP, loopEnded] { unsafe sigaddset(&signals, number) }
        return signals
    }
}

/// Holds a thread that cannot be copied, so that an array can hold it.
private final class LoopThread {
    private var thread: JoinableThread?

    init(_ thread: consuming JoinableThread) {
        self.thread = consume thread
    }

    func join() {
        if let thread = thread.take() { thread.join() }
    }
}
