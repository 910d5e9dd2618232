import Glibc
package import Logging
import Synchronization

/// How log lines look.
package enum LogFormat: String, CaseIterable, Sendable {
    /// One line for people: time, level, message, `key=value`.
    case text
    /// One JSON object a line.
    case json
}

/// The levels a user can choose.
package enum LogLevel: String, CaseIterable, Sendable {
    case trace, debug, info, warning, error

    package var level: Logger.Level { Logger.Level(rawValue: rawValue) ?? .info }
}

/// Sends every `Logger` of this process to standard error.
///
/// - Parameters:
///   - level: what is below it is not written.
///   - format: nil chooses text on a terminal, else JSON.
package func startLogging(level: Logger.Level, format: LogFormat?) {
    let chosen = format ?? (isatty(STDERR_FILENO) == 1 ? .text : .json)
    LoggingSystem.bootstrap { label in
        StandardErrorLogHandler(label: label, format: chosen, logLevel: level)
    }
}

/// How many messages this process has logged.
enum LogCounts {
    private static let warning = Atomic<Int64>(0)
    private static let error = Atomic<Int64>(0)

    /// Counts a message, if it is a warning or worse.
    static func add(_ level: Logger.Level) {
        if level == .warning { warning.add(1, ordering: .relaxed) }
        if level > .warning { error.add(1, ordering: .relaxed) }
    }

    static var warnings: Int64 { warning.load(ordering: .relaxed) }
    /// Messages of level `error` or `critical`.
    static var errors: Int64 { error.load(ordering: .relaxed) }
}

/// Writes a log line to standard error with one `write(2)`, so that lines of several threads never mix.
struct StandardErrorLogHandler: LogHandler {
    let label: String
    let format: LogFormat
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    /// Whether `LogCopies` get the messages, too.
    var isCopied = true

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        LogCounts.add(event.level)
        guard isCopied, let copy = LogCopies.recipient(of: event.level) else {
            return writeToStandardError(line(event) + "\n")
        }
        let pairs = pairs(event)
        let json = jsonLine(event, pairs)
        // First, because standard error may be a pipe that nobody reads.
        copy.take(json)
        writeToStandardError((format == .json ? json : textLine(event, pairs)) + "\n")
    }

    /// The event as one line, without its end.
    func line(_ event: LogEvent) -> String {
        switch format {
        case .text: textLine(event, pairs(event))
        case .json: jsonLine(event, pairs(event))
        }
    }

    private func pairs(_ event: LogEvent) -> [(key: String, value: Logger.MetadataValue)] {
        metadata.merging(event.metadata ?? [:]) { _, new in new }.sorted { $0.key < $1.key }
    }

    private func textLine(_ event: LogEvent, _ pairs: [(key: String, value: Logger.MetadataValue)]) -> String {
        let fields = pairs.map { key, value in
            let text = "\(value)"
            let isPlain = !text.isEmpty && text.unicodeScalars.allSatisfy { $0 != " " && $0 != "\"" && !$0.breaksLine }
            return isPlain ? " \(key)=\(text)" : " \(key)=\(Self.escaped(JSONText.string(text)))"
        }
        let level = event.level.rawValue.uppercased()
        return "\(Timestamp.now()) \(level) \(Self.escaped("\(event.message)"))\(fields.joined())"
    }

    /// A text that cannot begin a line of its own or move a terminal's cursor, whatever it holds.
    private static func escaped(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: \.breaksLine) else { return text }
        return text.unicodeScalars.map { scalar in
            guard scalar.breaksLine else { return String(scalar) }
            let digits = String(scalar.value, radix: 16)
            return "\\u" + String(repeating: "0", count: max(0, 4 - digits.utf8.count)) + digits
        }.joined()
    }

    private func jsonLine(_ event: LogEvent, _ pairs: [(key: String, value: Logger.MetadataValue)]) -> String {
        let fields = pairs.map { ",\(JSONText.string($0.key)):\(Self.json($0.value))" }
        return "{\"time\":\"\(Timestamp.now())\",\"level\":\"\(event.level.rawValue)\","
            + "\"logger\":\(JSONText.string(label)),\"message\":\(JSONText.string("\(event.message)"))"
            + fields.joined() + "}"
    }

    /// A value as JSON: a number or boolean when the caller passed one as `.stringConvertible`, else a string.
    private static func json(_ value: Logger.MetadataValue) -> String {
        switch value {
        case .string(let text): return JSONText.string(text)
        case .array(let values): return "[" + values.map(json).joined(separator: ",") + "]"
        case .dictionary(let values):
            let members = values.sorted { $0.key < $1.key }
            return "{" + members.map { "\(JSONText.string($0.key)):\(json($0.value))" }.joined(separator: ",") + "}"
        case .stringConvertible(let value):
            switch value {
            case let value as Bool: return "\(value)"
            case let value as any BinaryInteger: return "\(value)"
            case let value as Double where value.isFinite: return "\(value)"
            case let value as Float where value.isFinite: return "\(value)"
            default: return JSONText.string("\(value)")
            }
        }
    }
}

extension Unicode.Scalar {
    /// Control characters, and what Unicode takes for line and paragraph ends or a change of direction.
    fileprivate var breaksLine: Bool {
        switch properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator: true
        case .format: (0x202A...0x202E).contains(value) || (0x2066...0x2069).contains(value)
        default: false
        }
    }
}
