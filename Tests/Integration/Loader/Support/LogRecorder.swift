import Core
import Logging
import Synchronization

/// Keeps what is logged, and waits for it.
final class LogRecorder: Sendable {
    private let lines = Mutex<[String]>([])
    private let signal = Signal()

    var logger: Logger {
        Logger(label: "test") { _ in Handler(recorder: self) }
    }

    var all: [String] { lines.withLock { $0 } }

    func count(_ text: String) -> Int {
        all.count { $0.contains(text) }
    }

    /// Waits until a line holds the text; false when none came in time.
    func wait(for text: String, within time: Duration = .seconds(90)) -> Bool {
        signal.wait(until: .now + time) { self.count(text) > 0 }
    }

    private struct Handler: LogHandler {
        let recorder: LogRecorder
        var logLevel = Logger.Level.debug
        var metadata: Logger.Metadata = [:]

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            recorder.lines.withLock { $0.append("\(event.level) \(event.message) \(event.metadata ?? [:])") }
            recorder.signal.notify()
        }
    }
}

/// Looks again until a condition holds; false when it did not in time.
func eventually(within time: Duration = .seconds(90), _ condition: () throws -> Bool) rethrows -> Bool {
    let stop = Stop()
    let deadline = ContinuousClock.now + time
    while ContinuousClock.now < deadline {
        if try condition() { return true }
        stop.wait(for: .milliseconds(20))
    }
    return try condition()
}

/// A thread for what must go on while a test does something else; keeps the error that ended it.
final class Background {
    private final class Outcome: Sendable {
        let failure = Mutex<(any Error)?>(nil)
    }

    private let outcome: Outcome
    private var thread: JoinableThread?

    init(_ body: @escaping @Sendable () throws -> Void) {
        let outcome = Outcome()
        self.outcome = outcome
        thread = JoinableThread(name: "test") {
            do { try body() } catch { outcome.failure.withLock { $0 = error } }
        }
    }

    /// Waits for the end, and throws what ended it.
    func join() throws {
        if let thread = thread.take() { thread.join() }
        if let error = outcome.failure.withLock({ $0 }) { throw error }
    }

    /// A failed test may leave before it has joined.
    deinit {
        if let thread = thread.take() { thread.join() }
    }
}
