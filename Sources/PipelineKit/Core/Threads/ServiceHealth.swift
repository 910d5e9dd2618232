import Synchronization

/// Whether a service lives and is ready, for those who ask from outside. Thread-safe.
///
/// It lives while every loop gives signs of life, by the bounds of the watchdog. It is ready when its start is finished and it does
/// not drain.
package final class ServiceHealth: Sendable {
    private struct State {
        /// What the start still waits for.
        var pending: [String]
        var isDraining = false
        var loops: [(name: String, heart: Heartbeat)] = []
        /// Loops without a sign of life for too long.
        var silent: [String] = []
        /// When the loops were last looked at; nil before the loops run.
        var looked: ContinuousClock.Instant?
        var interval = Duration.zero
        var summary: (@Sendable () -> String)?
    }

    private let state: Mutex<State>
    /// - Parameter steps: what the start waits for, such as `journal`.
    package init(startsWith steps: [String] = []) {
        state = Mutex(State(pending: steps))
    }

    // MARK: Start and end

    /// Adds to what the start waits for.
    package func await(_ step: String) {
        state.withLock { $0.pending.append(step) }
    }

    /// Ends a step of the start; a second call does nothing.
    package func done(_ step: String) {
        state.withLock { $0.pending.removeAll { $0 == step } }
    }

    func drain() {
        state.withLock { $0.isDraining = true }
    }

    /// Why the service is not ready: steps of its start, or `draining`; empty when it is.
    package var obstacles: [String] {
        state.withLock { $0.pending + ($0.isDraining ? ["draining"] : []) }
    }

    // MARK: A line for people

    /// Takes over how the service is described in a line.
    ///
    /// - Parameter describe: makes the line, from memory alone.
    package func summarize(_ describe: @escaping @Sendable () -> String) {
        state.withLock { $0.summary = describe }
    }

    /// One line about the service, for `systemctl status`; nil for none.
    var summary: String? { state.withLock { $0.summary }?() }

    // MARK: Loops

    /// The loops run from now on.
    ///
    /// - Parameters:
    ///   - loops: all of them, with the threads that they have started.
    ///   - interval: how often they are looked at.
    func begin(_ loops: [(name: String, heart: Heartbeat)], interval: Duration) {
        state.withLock { ($0.loops, $0.interval, $0.looked) = (loops, interval, .now) }
    }

    /// The loops were looked at.
    func look(_ silent: [String]) {
        state.withLock { ($0.silent, $0.looked) = (silent, .now) }
    }

    /// The loops that have been silent for too long; empty while all is well, and before the loops run.
    package var silent: [String] {
        state.withLock { state in
            // Nobody looks at the thread that looks but who asks here.
            let isLate = state.looked.map { $0.duration(to: .now) > state.interval * 4 } ?? false
            return state.silent + (isLate ? ["main"] : [])
        }
    }

    /// When each loop last gave a sign of life, in milliseconds since 1970; 0 for never.
    package var beats: [(loop: String, last: Int64)] {
        state.withLock { $0.loops }.map { ($0.name, $0.heart.lastBeat) }
    }
}
