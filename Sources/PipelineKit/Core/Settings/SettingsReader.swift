import Glibc

/// Reads settings once, at start: flags over environment over settings file over default.
///
/// Errors are collected and thrown together by `finish()`, so that a user sees all of them in one run.
package struct SettingsReader {
    /// The environment that is read.
    package let environment: [String: String]
    private let flags: [String: String]
    private var file: SettingsFile?
    private var mistakes: [String] = []

    /// - Parameters:
    ///   - flags: the flags that were given, by the setting's environment name.
    ///   - configFile: the settings file, or nil; `TWEET_PIPELINE_CONFIG` counts when nil.
    ///   - known: every setting that the settings file may hold.
    ///   - environment: the environment to read.
    /// - Throws: `Failure` (78) when the settings file cannot be read as YAML.
    package init(
        flags: [String: String], configFile: String?, known: [Setting],
        environment: [String: String] = ProcessEnvironment.current
    ) throws(Failure) {
        self.flags = flags
        self.environment = environment
        if let path = configFile ?? environment["TWEET_PIPELINE_CONFIG"] {
            let found = try SettingsFile(path, known: known)
            mistakes = found.mistakes
            file = found
        }
    }

    /// The text of a setting, or nil when it is set nowhere. An empty text counts as not set.
    package func string(_ setting: Setting) -> String? {
        let name = setting.environment
        let text = flags[name] ?? environment[name] ?? file?.values[name]?.text
        return text?.isEmpty == true ? nil : text
    }

    package func string(_ setting: Setting, default value: String) -> String {
        string(setting) ?? value
    }

    /// Where the value of a setting stands, for messages: `--topic`, `environment KAFKA_TOPIC` or
    /// `producer.yaml:3 kafka_topic`; the setting's name when it is set nowhere.
    package func origin(_ setting: Setting) -> String {
        let name = setting.environment
        if flags[name] != nil { return setting.flag.map { "--\($0)" } ?? name }
        if environment[name] != nil { return "environment \(name)" }
        if let file, let value = file.values[name] { return "\(file.path):\(value.line) \(setting.fileKey)" }
        return setting.title
    }

    /// A whole number within `range`.
    package mutating func int(_ setting: Setting, default value: Int, in range: ClosedRange<Int>) -> Int {
        parse(setting, default: value, expected: "a whole number from \(range.lowerBound) to \(range.upperBound)") {
            Int($0).flatMap { range.contains($0) ? $0 : nil }
        }
    }

    /// A length of time: `250ms`, `30s`, `5m`, `2h`.
    package mutating func duration(_ setting: Setting, default value: Duration) -> Duration {
        let isNumber = string(setting).map { !$0.isEmpty && $0.allSatisfy(\.isASCIIDigit) } ?? false
        let hint = isNumber ? "; seconds are written \(string(setting) ?? "")s" : ""
        return parse(
            setting, default: value, expected: "a time such as 250ms, 30s, 5m, 2h or 30d" + hint,
            Duration.init(setting:))
    }

    /// A number of bytes: `65536`, `64KiB`, `16MiB`, `1GiB`.
    package mutating func bytes(_ setting: Setting, default value: Int) -> Int {
        parse(setting, default: value, expected: "a size such as 65536, 64KiB, 16MiB or 1GiB", parseByteCount)
    }

    /// A value in a notation of its own; `read` returns nil for what it does not know.
    package mutating func value<Value>(
        _ setting: Setting, default value: Value, expected: String, _ read: (String) -> Value?
    ) -> Value {
        parse(setting, default: value, expected: expected, read)
    }

    /// One of the raw values of an enumeration.
    package mutating func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ setting: Setting, default value: Choice
    ) -> Choice {
        let names = Choice.allCases.map(\.rawValue).joined(separator: ", ")
        return parse(setting, default: value, expected: "one of \(names)") { Choice(rawValue: $0) }
    }

    /// A setting that must be there.
    package mutating func required(_ setting: Setting, why: String) -> String {
        if let text = string(setting) { return text }
        addMistake("\(setting.title) is not set: \(why)")
        return ""
    }

    /// Adds a mistake found elsewhere to those that `finish()` reports, once.
    package mutating func addMistake(_ text: String) {
        // It may quote a URL with user and password.
        let text = Redaction.clean(text)
        if !mistakes.contains(text) { mistakes.append(text) }
    }

    /// Throws all mistakes that were found, as one `Failure` (78).
    package func finish() throws(Failure) {
        guard mistakes.isEmpty else { throw Failure(.badSettings, mistakes.joined(separator: "\n")) }
    }

    private mutating func parse<Value>(
        _ setting: Setting, default value: Value, expected: String, _ read: (String) -> Value?
    ) -> Value {
        guard let text = string(setting) else { return value }
        if let found = read(text) { return found }
        let shown = setting.isSecret ? "the value" : "'\(text)'"
        addMistake("\(origin(setting)): \(shown) is not \(expected)")
        return value
    }
}

/// A setting that is on or off.
package enum Switch: String, CaseIterable, Sendable {
    case on, off
}

/// The environment of this process.
package enum ProcessEnvironment {
    package static var current: [String: String] {
        var result: [String: String] = [:]
        var entry = unsafe environ
        while let text = unsafe entry.pointee {
            let line = unsafe String(cString: text)
            let pair = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if pair.count == 2 { result[String(pair[0])] = String(pair[1]) }
            unsafe entry += 1
        }
        return result
    }
}
