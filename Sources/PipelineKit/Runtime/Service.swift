import Glibc
import Synchronization

/// Runs a service's loops on threads of their own while the main thread waits for signals.
///
/// SIGTERM or SIGINT raises the stop, a second one makes it immediate, SIGHUP calls `reopen`. systemd is told when the
/// loops run and when they end, and hears from the main thread as often as its watchdog asks.
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
        let supervisor = Supervisor(ProcessEnvironment.current)
        supervisor.tell("READY=1")
        stop.onRaise { supervisor.tell("STOPPING=1") }
        waitForSignals(stop: stop, drain: drain, reopen: reopen, supervisor: supervisor) {
            state.withLock { $0.running == 0 }
        }
        for thread in threads { thread.join() }
        if let failure = state.withLock({ $0.failure }) { throw failure }
    }

    /// How a loop's thread tells the main thread that it has ended; blocked everywhere, so it only ever waits to be taken.
    private static let loopEnded = SIGUSR2

    private static func waitForSignals(
        stop: Stop, drain: Duration, reopen: () -> Void, supervisor: Supervisor, isDone: () -> Bool
    ) {
        var signals = waitedSignals()
        var timeout = timespec(supervisor.interval ?? .seconds(3600))
        while !isDone() {
            let number = unsafe sigtimedwait(&signals, nil, &timeout)
            if supervisor.interval != nil { supervisor.tell("WATCHDOG=1") }
            switch number {
            case -1: break
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

extension timespec {
    fileprivate init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        self.init(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
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
