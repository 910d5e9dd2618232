import Glibc
import Synchronization

/// The heartbeat of one loop, by which a watchdog distinguishes a loop that works or waits from one that hangs.
///
/// Whatever a loop may legitimately wait in gives them (a `Signal`, a poll of libcurl, Kafka or PostgreSQL), and so does
/// long work, piece by piece. What gives none is the system call that does not return, or a lock that is never free.
package final class Heartbeat: Sendable {
    /// The heart of the loop that runs on this thread; nil on every other one.
    @TaskLocal package static var current: Heartbeat?

    private let count = Atomic<UInt64>(0)
    /// When the last one was, in milliseconds since 1970.
    private let last = Atomic<Int64>(0)

    package init() {}

    /// One sign of life.
    package func beat() {
        count.add(1, ordering: .relaxed)
        // The clock of the last tick costs a few nanoseconds (clock_gettime(2)).
        var now = timespec()
        unsafe clock_gettime(CLOCK_REALTIME_COARSE, &now)
        last.store(Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000, ordering: .relaxed)
    }

    /// One sign of life of the loop that runs on this thread; on every other one it does nothing.
    package static func beat() { current?.beat() }

    /// How many there were.
    var beats: UInt64 { count.load(ordering: .relaxed) }

    /// When the last one was, in milliseconds since 1970; 0 for never.
    var lastBeat: Int64 { last.load(ordering: .relaxed) }
}

/// Looks whether loops beat. Owned by the thread that looks.
struct PulseWatch {
    private struct Pulse {
        let name: String
        let heart: Heartbeat
        /// How long it may be silent.
        let bound: Duration
        var beats: UInt64 = 0
        var silence = Duration.zero
        var isTold = false
    }

    /// How often to look, so that a silence is noticed not much later than it lasts too long.
    let interval: Duration
    private var pulses: [Pulse]
    private var looked = ContinuousClock.now

    /// - Parameters:
    ///   - loops: what to look at: a loop may be silent for `bound`, or `watchdog` when that is longer, from its first
    ///     sign of life on.
    ///   - watchdog: how long systemd waits for a message.
    init(_ loops: [(name: String, heart: Heartbeat, bound: Duration)], watchdog: Duration) {
        interval = watchdog / 4
        pulses = loops.map { Pulse(name: $0.name, heart: $0.heart, bound: max($0.bound, watchdog)) }
    }

    /// The loops that have been silent for too long, apart from those that have ended.
    ///
    /// - Parameters:
    ///   - now: the time; a long while without a look counts as a short one, because then everything stood still.
    ///   - hasEnded: whether the loop at a place has ended.
    /// - Returns: their names, and those that earlier checks did not report.
    mutating func silent(
        now: ContinuousClock.Instant = .now, hasEnded: (Int) -> Bool
    ) -> (all: [String], new: [String]) {
        let passed = min(looked.duration(to: now), interval * 2)
        looked = now
        var (all, new): ([String], [String]) = ([], [])
        for place in pulses.indices {
            let beats = pulses[place].heart.beats
            pulses[place].silence += passed
            if beats == 0 || beats != pulses[place].beats || hasEnded(place) {
                (pulses[place].beats, pulses[place].silence, pulses[place].isTold) = (beats, .zero, false)
            }
            guard pulses[place].silence > pulses[place].bound else { continue }
            all.append(pulses[place].name)
            if !pulses[place].isTold { new.append(pulses[place].name) }
            pulses[place].isTold = true
        }
        return (all, new)
    }
}
