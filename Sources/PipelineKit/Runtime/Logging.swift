import Glibc
package import Logging

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

/// Writes a log line to standard error with one `write(2)`, so that lines of several threads never mix.
struct StandardErrorLogHandler: LogHandler {
    let label: String
    let format: LogFormat
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let pairs = metadata.merging(event.metadata ?? [:]) { _, new in new }.sorted { $0.key < $1.key }
        let line =
            switch format {
            case .text: textLine(event, pairs)
            case .json: jsonLine(event, pairs)
            }
        writeToStandardError(line + "\n")
    }

    private func textLine(_ event: LogEvent, _ pairs: [(key: String, value: Logger.MetadataValue)]) -> String {
        let fields = pairs.map { key, value in
            let text = "\(value)"
            return text.contains(where: { $0 == " " || $0 == "\"" || $0.isNewline }) || text.isEmpty
                ? " \(key)=\(JSONText.string(text))" : " \(key)=\(text)"
        }
        let level = event.level.rawValue.uppercased()
        return "\(Timestamp.now()) \(level) \(event.message)\(fields.joined())"
    }

    private func jsonLine(_ event: LogEvent, _ pairs: [(key: String, value: Logger.MetadataValue)]) -> String {
        let fields = pairs.map { ",\(JSONText.string($0.key)):\(JSONText.string("\($0.value)"))" }
        return "{\"time\":\"\(Timestamp.now())\",\"level\":\"\(event.level.rawValue)\","
            + "\"logger\":\(JSONText.string(label)),\"message\":\(JSONText.string("\(event.message)"))"
            + fields.joined() + "}"
    }
}
