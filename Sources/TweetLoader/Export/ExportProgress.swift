import Core
import Glibc
import Synchronization

/// Shows how far an export is: on a terminal all the time, elsewhere on request (SIGUSR1).
struct ExportProgress {
    private let isTerminal: Bool
    private let isRequested: () -> Bool
    private let begin = ContinuousClock.now
    private var pace = Periodic(every: .milliseconds(200))
    /// The lowest and highest id of the window: ids are times, so they measure the way.
    var bounds: ClosedRange<Int64>?

    /// - Parameters:
    ///   - isTerminal: whether standard error is a terminal.
    ///   - isRequested: whether somebody has asked since the last call.
    init(isTerminal: Bool, isRequested: @escaping () -> Bool) {
        (self.isTerminal, self.isRequested) = (isTerminal, isRequested)
    }

    /// Shows it when it is due.
    mutating func report(id: Int64, tweets: Int64) {
        guard isTerminal ? pace.isDue() : isRequested() else { return }
        let text = Self.text(share: share(id), tweets: tweets, elapsed: begin.duration(to: .now))
        writeToStandardError(isTerminal ? "\r\(text)\u{1B}[K" : "export: \(text)\n")
    }

    /// Clears the line.
    func end() {
        if isTerminal { writeToStandardError("\r\u{1B}[K") }
    }

    private func share(_ id: Int64) -> Double {
        guard let bounds, bounds.upperBound > bounds.lowerBound else { return 1 }
        return min(1, max(0, Double(id - bounds.lowerBound) / Double(bounds.upperBound - bounds.lowerBound)))
    }

    /// Tweets, rate, share and time left.
    static func text(share: Double, tweets: Int64, elapsed: Duration) -> String {
        let rate = tweets * 1000 / max(1, elapsed.milliseconds)
        let left = share > 0.01 ? (elapsed * ((1 - share) / share)).short : "?"
        return "\(groupedDigits(tweets)) tweets, \(groupedDigits(rate)) a second, \(Int(share * 100)) %, \(left) left"
    }
}

/// The signals of an export: SIGINT and SIGTERM end it, SIGUSR1 asks how far it is.
///
/// A thread of its own waits for them, so that the export can end its wait for PostgreSQL.
final class ExportSignals: Sendable {
    /// Raised at once when the export shall end.
    let stop = Stop()
    private let asked = Atomic(false)
    private let isOver = Atomic(false)

    /// Whether SIGUSR1 came since the last call.
    func wasAsked() -> Bool { asked.exchange(false, ordering: .relaxed) }

    /// Runs `work` while the signals are waited for; call it before other threads exist. Throws what `work` throws.
    func during<Result>(_ work: () throws -> Result) throws -> Result {
        var signals = Self.signals()
        unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
        let waiting = JoinableThread(name: "signals") { self.wait() }
        let result = Swift.Result { try work() }
        isOver.store(true, ordering: .relaxed)
        waiting.join()
        return try result.get()
    }

    private func wait() {
        var signals = Self.signals()
        var pause = timespec(tv_sec: 0, tv_nsec: 100_000_000)
        while !isOver.load(ordering: .relaxed) {
            switch unsafe sigtimedwait(&signals, nil, &pause) {
            case SIGUSR1: asked.store(true, ordering: .relaxed)
            case SIGINT, SIGTERM: stop.raiseImmediately()
            default: break
            }
        }
    }

    private static func signals() -> sigset_t {
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        for number in [SIGINT, SIGTERM, SIGUSR1] { unsafe sigaddset(&signals, number) }
        return signals
    }
}
