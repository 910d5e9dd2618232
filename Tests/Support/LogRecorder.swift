internal import Core
package import Logging
import Synchronization

/// Keeps what is logged, so that a test can wait for it.
package final class LogRecorder: Sendable {
    /// One call of the logger.
    package struct Line: Sendable {
        package let level: Logger.Level
        package let message: String
        package let metadata: [String: String]
        /// Level, message and the metadata of this call, as one text to search.
        package let text: String

        /// The announced wait before the next attempt, in seconds; nil when it is a minute or more, or not announced.
        package var wait: Double? {
            guard let text = metadata["next_attempt_in"] else { return nil }
            if text.hasSuffix("ms") { return Double(text.dropLast(2)).map { $0 / 1000 } }
            return text.hasSuffix("s") ? Double(text.dropLast()) : nil
        }
    }

    private let kept = Mutex<[Line]>([])
    private let changed = Signal()

    /// Starts with nothing.
    package init() {}

    /// Everything so far, in order.
    package var lines: [Line] { kept.withLock { $0 } }

    /// The texts of everything so far, in order.
    package var texts: [String] { lines.map(\.text) }

    /// A logger that keeps every level here.
    package var logger: Logger {
        var logger = Logger(label: "test") { _ in Handler(recorder: self) }
        logger.logLevel = .trace
        return logger
    }

    /// Waits until some line satisfies `isWanted`; false when none has within `seconds`.
    package func wait(seconds: Int = 90, _ isWanted: (Line) -> Bool) -> Bool {
        changed.wait(until: .now + .seconds(seconds)) { self.lines.contains(where: isWanted) }
    }

    /// Waits until the text of some line holds a text; false when none has within 90 seconds.
    package func wait(for text: String) -> Bool { wait { $0.text.contains(text) } }

    /// The number of lines whose text holds a text.
    package func count(containing text: String) -> Int { texts.count { $0.contains(text) } }

    /// How many lines have this message and cause.
    package func count(_ message: String, cause: String? = nil) -> Int {
        lines.count { $0.message == message && (cause == nil || $0.metadata["cause"] == cause) }
    }

    private struct Handler: LogHandler {
        let recorder: LogRecorder
        var logLevel = Logger.Level.trace
        var metadata: Logger.Metadata = [:]

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let values = metadata.merging(event.metadata ?? [:]) { _, new in new }.mapValues { "\($0)" }
            let line = Line(
                level: event.level, message: "\(event.message)", metadata: values,
                text: "\(event.level) \(event.message) \(event.metadata ?? [:])")
            recorder.kept.withLock { $0.append(line) }
            recorder.changed.notify()
        }
    }
}
