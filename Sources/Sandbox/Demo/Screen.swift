import Glibc
import Synchronization

/// The demo's output: things that happen, each on a line of its own, and one line of counts that is refreshed on a
/// terminal and repeated occasionally elsewhere.
final class Screen: Sendable {
    private struct State {
        var hasLiveLine = false
        var lastLine: ContinuousClock.Instant?
    }

    private let start = ContinuousClock.now
    private let isTerminal = isatty(STDOUT_FILENO) == 1
    private let state = Mutex(State())

    /// Says that something happened.
    func say(_ text: String) {
        state.withLock { state in
            let clear = state.hasLiveLine ? "\r\u{1b}[K" : ""
            state.hasLiveLine = false
            write(clear + "\(clock)  \(text)\n")
        }
    }

    /// Shows the counts.
    func show(_ progress: PipelineProgress) {
        state.withLock { state in
            let now = ContinuousClock.now
            let pause = Duration.milliseconds(isTerminal ? 200 : 2000)
            if let last = state.lastLine, now - last < pause { return }
            state.lastLine = now
            let line = "\(clock)  \(Self.text(progress))"
            write(isTerminal ? "\r\u{1b}[K\(line)" : "\(line)\n")
            state.hasLiveLine = isTerminal
        }
    }

    /// Text as it is, after the line of counts.
    func print(_ text: String) {
        state.withLock { state in
            write((state.hasLiveLine ? "\n" : "") + text + "\n")
            state.hasLiveLine = false
        }
    }

    private static func text(_ progress: PipelineProgress) -> String {
        let stored = progress.stored.map(String.init) ?? "–"
        let lag = progress.lag.map(String.init) ?? "–"
        return "received \(padded(String(progress.sent)))  published \(padded(String(progress.published)))"
            + "  stored \(padded(stored))  lag \(padded(lag))"
    }

    private static func padded(_ text: String) -> String {
        String(repeating: " ", count: max(0, 6 - text.count)) + text
    }

    private var clock: String {
        let tenths = Int((ContinuousClock.now - start).seconds * 10)
        return Self.padded("\(tenths / 10).\(tenths % 10)s")
    }

    private func write(_ text: String) {
        let bytes = Array(text.utf8)
        unsafe bytes.withUnsafeBytes { buffer in _ = unsafe Glibc.write(STDOUT_FILENO, buffer.baseAddress, buffer.count)
        }
    }
}
