package import Logging
import Synchronization

/// What gets a copy of each message that this process logs, beside standard error.
package protocol LogCopy: Sendable {
    /// Takes a message; it must not wait for a network, and must not log.
    ///
    /// - Parameter line: the message as one JSON object, as `LOG_FORMAT=json` writes it.
    func take(_ line: String)
}

/// Whether messages are copied, and to what. At most one thing in a process gets copies.
package enum LogCopies {
    private static let copy = Mutex<(any LogCopy)?>(nil)
    /// The severity from which on messages are copied; above all severities while nothing gets copies.
    private static let threshold = Atomic<Int>(Int.max)

    /// Copies messages from now on, in place of what got copies so far.
    ///
    /// - Parameters:
    ///   - new: gets them on the threads that log.
    ///   - level: messages below it are not copied.
    package static func begin(_ new: any LogCopy, from level: Logger.Level) {
        copy.withLock { $0 = new }
        threshold.store(level.severity, ordering: .releasing)
    }

    /// Copies nothing from now on.
    package static func end() {
        threshold.store(Int.max, ordering: .releasing)
        copy.withLock { $0 = nil }
    }

    /// What gets a message of a level; nil for nothing.
    static func recipient(of level: Logger.Level) -> (any LogCopy)? {
        guard level.severity >= threshold.load(ordering: .acquiring) else { return nil }
        return copy.withLock { $0 }
    }

    /// A logger like every other one, except that its messages are not copied.
    ///
    /// - Parameter label: its name.
    /// - Returns: the logger, for what gets the copies.
    package static func logger(_ label: String) -> Logger {
        var logger = Logger(label: label)
        if var handler = logger.handler as? StandardErrorLogHandler {
            handler.isCopied = false
            logger.handler = handler
        }
        return logger
    }
}

extension Logger.Level {
    /// 0 for the least severe level.
    fileprivate var severity: Int {
        switch self {
        case .trace: 0
        case .debug: 1
        case .info: 2
        case .notice: 3
        case .warning: 4
        case .error: 5
        case .critical: 6
        }
    }
}
