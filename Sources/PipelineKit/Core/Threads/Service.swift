internal import CMalloc
import Glibc
package import Logging
import Synchronization

/// Runs a service's loops on threads of their own while the main thread waits for signals.
///
/// SIGTERM or SIGINT raises the stop, a second one makes it immediate, SIGHUP calls `reopen`. systemd is notified when the
/// loops run and when they end, and its watchdog hears from us as long as every loop gives signs of life (`Heartbeat`).
/// Call `Service.prepareProcess()` as the first statement of the process, so that every thread inherits the mask.
package enum Service {
    /// One loop: its name, and its work, which returns when the stop is raised or throws what ended it.
    package struct Loop: Sendable {
        let name: String
        let bound: Duration
        let helper: (name: String, heart: Heartbeat)?
        let body: @Sendable () throws -> Void

        /// - Parameters:
        ///   - name: of the thread.
        ///   - bound: how long it may be without a sign of life at most, when systemd's watchdog would wait less.
        ///   - helper: another thread that the loop starts and joins, with the same bound.
        ///   - body: its work.
        package init(
            _ name: String, bound: Duration = .zero, helper: (name: String, heart: Heartbeat)? = nil,
            _ body: @escaping @Sendable () throws -> Void
        ) {
            self.name = name
            self.bound = bound
            self.helper = helper
            self.body = body
        }

        /// - Parameters:
        ///   - name: of the thread.
        ///   - bound: as above.
        ///   - helper: as above.
        ///   - value: what the thread owns from its start on.
        ///   - body: its work with it.
        package init<Value: ~Copyable>(
            _ name: String, bound: Duration = .zero, helper: (name: String, heart: Heartbeat)? = nil,
            owning value: consuming sending Value, _ body: @escaping @Sendable (consuming Value) throws -> Void
        ) {
            let parcel = Mutex<Value?>(value)
            self.init(name, bound: bound, helper: helper) {
                if let value = parcel.withLock({ $0.take() }) { try body(value) }
            }
        }
    }

    /// How many arenas malloc has in a service.
    static let arenas: Int32 = 2

    /// Blocks the signals that `run` waits for, ignores SIGPIPE, and bounds memory.
    ///
    /// glibc gives each thread that allocates an arena of its own, and keeps what is free in it; with each large piece that is
    /// freed, it keeps larger ones (mallopt(3), M_ARENA_MAX and M_MMAP_THRESHOLD). With these limits the bounds in
    /// docs/operations.md, "Memory", hold: a third less than without.
    package static func prepareProcess() {
        mallopt(M_ARENA_MAX, arenas)
        mallopt(M_MMAP_THRESHOLD, 1 << 20)
        var signals = waitedSignals()
        unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
        signal(SIGPIPE, SIG_IGN)
    }

    /// Shows a text as the service's status in systemd (`STATUS=` of sd_notify(3)).
    package static func show(status: String) {
        Supervisor(ProcessEnvironment.current).tell("STATUS=\(status)")
    }

    /// Starts every loop, waits until all have returned, and throws the first error among them.
    ///
    /// A loop that throws raises the stop for the others. The whole drain is bounded by `drain`.
    ///
    /// - Parameters:
    ///   - loops: each on a thread of its own.
    ///   - stop: ends them.
    ///   - drain: the longest duration of the end.
    ///   - logger: gets what happens.
    ///   - health: learns how the loops are.
    ///   - reopen: is called for SIGHUP.
    /// - Throws: what the first loop that failed has thrown.
    package static func run(
        _ loops: [Loop], stop: Stop, drain: Duration, logger: Logger, health: ServiceHealth = ServiceHealth(),
        reopen: @escaping @Sendable () -> Void = {}
    ) throws {
        let ends = LoopEnds()
        let hearts = loops.map { _ in Heartbeat() }
        let threads = start(loops, hearts, ends) { stop.raise(drain: drain) }
        let supervisor = Supervisor(ProcessEnvironment.current)
        supervisor.tell("READY=1")
        let farewell = stop.onRaise {
            supervisor.tell("STOPPING=1")
            health.drain()
        }
        defer { farewell.end() }
        // A first sign at once: a loop that hangs from the beginning hangs as well.
        for heart in hearts { heart.beat() }
        let pulses = watched(loops, hearts)
        var watch = PulseWatch(pulses, watchdog: supervisor.watchdog ?? usualWatchdog)
        health.begin(pulses.map { ($0.name, $0.heart) }, interval: watch.interval)
        var status = StatusLine(supervisor, health)
        waitForSignals(stop: stop, drain: drain, reopen: reopen, interval: watch.interval) {
            let ended = ends.places
            // Helpers end with the loops that have started them.
            let silent = watch.silent(hasEnded: { ended.contains($0) || $0 >= loops.count && stop.isRaised })
            health.look(silent.all)
            status.show()
            if supervisor.watchdog != nil {
                report(silent.new, logger)
                if silent.all.isEmpty { supervisor.tell("WATCHDOG=1") }
            }
            return ended.count == loops.count
        }
        for thread in threads { thread.join() }
        if let failure = ends.failure { throw failure }
    }

    /// What gives signs of life: each loop, and then the helpers.
    private static func watched(
        _ loops: [Loop], _ hearts: [Heartbeat]
    ) -> [(name: String, heart: Heartbeat, bound: Duration)] {
        let helpers = loops.compactMap { loop in
            loop.helper.map { (name: $0.name, heart: $0.heart, bound: loop.bound) }
        }
        return zip(loops, hearts).map { (name: $0.name, heart: $1, bound: $0.bound) } + helpers
    }

    /// By whose bounds loops are judged when systemd has no watchdog.
    private static let usualWatchdog = Duration.seconds(30)

    /// Starts every loop; one that throws calls `onFailure`.
    private static func start(
        _ loops: [Loop], _ hearts: [Heartbeat], _ ends: LoopEnds, onFailure: @escaping @Sendable () -> Void
    ) -> [LoopThread] {
        loops.indices.map { place in
            start(loops[place], hearts[place]) { failure in
                ends.note(place, failure)
                if failure != nil { onFailure() }
            }
        }
    }

    private static func start(
        _ loop: Loop, _ heart: Heartbeat, onEnd: @escaping @Sendable ((any Error)?) -> Void
    ) -> LoopThread {
        LoopThread(
            JoinableThread(name: loop.name) {
                var failure: (any Error)?
                do { try Heartbeat.$current.withValue(heart) { try loop.body() } } catch { failure = error }
                onEnd(failure)
                kill(getpid(), loopEnded)
            })
    }

    private static func report(_ silent: [String], _ logger: Logger) {
        for name in silent {
            logger.error(
                "a thread no longer responds; systemd will restart this service", metadata: ["loop": "\(name)"])
        }
    }

    /// Signal with which a loop's thread notifies the main thread of its end; blocked everywhere, so it only ever waits to be taken.
    private static let loopEnded = SIGUSR2

    /// Waits until `isDone`, which is asked at least every `interval`.
    private static func waitForSignals(
        stop: Stop, drain: Duration, reopen: () -> Void, interval: Duration, isDone: () -> Bool
    ) {
        var signals = waitedSignals()
        var timeout = timespec(interval)
        while !isDone() {
            let number = unsafe sigtimedwait(&signals, nil, &timeout)
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

/// Shows systemd how a service is, when that has changed and not more often than every 10 s.
private struct StatusLine {
    private let supervisor: Supervisor
    private let health: ServiceHealth
    private var pace = Periodic(every: .seconds(10), atOnce: true)
    private var shown = ""

    init(_ supervisor: Supervisor, _ health: ServiceHealth) {
        (self.supervisor, self.health) = (supervisor, health)
    }

    mutating func show() {
        guard supervisor.isThere, pace.isDue(), let summary = health.summary, summary != shown else { return }
        shown = summary
        // A message is lines of assignments.
        supervisor.tell("STATUS=\(summary.replacing("\n", with: " "))")
    }
}

/// Which loops have ended, and the first error among theirs.
private final class LoopEnds: Sendable {
    private let state = Mutex<(places: Set<Int>, failure: (any Error)?)>(([], nil))

    var places: Set<Int> { state.withLock { $0.places } }
    var failure: (any Error)? { state.withLock { $0.failure } }

    func note(_ place: Int, _ failure: (any Error)?) {
        state.withLock { state in
            state.places.insert(place)
            if state.failure == nil { state.failure = failure }
        }
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
