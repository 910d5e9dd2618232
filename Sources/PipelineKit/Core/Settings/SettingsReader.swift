import Glibc

/// Reads settings once, at start: flags over environment over settings file over default.
///
/// Errors are collected and thrown together by `finish()`, so that a user sees all of them in one run.
package struct SettingsReader {
    /// The environment that is read.
    package let environment: [String: String]
    private let flags: [String: String]
    private var file: SettingsFile?
    /// The settings file; nil for none.
    package var filePath: String? { file?.path }
    /// What is wrong, one text each.
    package private(set) var mistakes: [String] = []

    /// - Parameters:
    ///   - flags: the flags that were given, by the setting's environment name.
    ///   - configFile: the settings file, or nil for that of --config or `TWEET_PIPELINE_CONFIG`.
    ///   - known: every setting that the settings file may hold.
    ///   - environment: the environment to read.
    /// - Throws: `SettingsError` when the settings file cannot be read as YAML.
    package init(
        flags: [String: String], configFile: String? = nil, known: [Setting],
        environment: [String: String] = ProcessEnvironment.current
    ) throws(SettingsError) {
        self.flags = flags
        self.environment = environment
        let config = CommonSettings.config.environment
        if let path = configFile ?? flags[config] ?? environment[config] {
            let found = try SettingsFile(path, known: known)
            mistakes = found.mistakes
            file = found
        }
    }

    /// - Parameters:
    ///   - file: settings that were read already, in place of those of a settings file.
    ///   - environment: the environment to read.
    package init(file: SettingsFile, environment: [String: String] = [:]) {
        (flags, self.environment, self.file) = ([:], environment, file)
        mistakes = file.mistakes
    }

    /// The text of a setting, or nil when it is set nowhere. An empty text counts as not set.
    package func string(_ setting: Setting) -> String? {
        let name = setting.environment
        let text = flags[name] ?? environment[name] ?? file?.values[name]?.text
        return text?.isEmpty == true ? nil : text
    }

    /// Where the value of a setting stands, for messages: `--topic`, `environment KAFKA_TOPIC` or
    /// `producer.yaml:3 kafka_topic`; the setting's name when it is set nowhere.
    package func origin(_ setting: Setting) -> String {
        let name = setting.environment
        if flags[name] != nil { return setting.writtenFlag ?? name }
        if environment[name] != nil { return "environment \(name)" }
        if let file, let value = file.values[name] { return "\(file.path):\(value.line) \(setting.fileKey)" }
        return setting.title
    }

    /// The text of a setting or its default; empty when it has neither.
    package func text(_ setting: Setting) -> String {
        string(setting) ?? setting.defaultText ?? ""
    }

    /// The values of a flag that may be repeated.
    package func list(_ setting: Setting) -> [String] {
        (flags[setting.environment] ?? "").split(separator: "\0").map(String.init)
    }

    /// A whole number of a setting that has a default.
    package mutating func int(_ setting: Setting) -> Int {
        optionalInt(setting) ?? 0
    }

    /// A whole number; nil when it is not set and has no default.
    package mutating func optionalInt(_ setting: Setting) -> Int? {
        value(setting) { text in
            guard case .count(let range) = setting.kind else { return nil }
            return Int(text).flatMap { range.contains($0) ? $0 : nil }
        }
    }

    /// A number of a setting that has a default.
    package mutating func number(_ setting: Setting) -> Double {
        let found = value(setting) { text -> Double? in
            guard case .number(let range) = setting.kind else { return nil }
            return Double(text).flatMap { range.contains($0) ? $0 : nil }
        }
        return found ?? 0
    }

    /// A length of time of a setting that has a default: `250ms`, `30s`, `5m`, `2h`.
    package mutating func duration(_ setting: Setting) -> Duration {
        value(setting, Duration.init(setting:)) ?? .zero
    }

    /// A number of bytes of a setting that has a default: `65536`, `64KiB`, `16MiB`, `1GiB`.
    package mutating func bytes(_ setting: Setting) -> Int {
        value(setting, parseByteCount) ?? 0
    }

    /// One of the raw values of an enumeration; nil when it is not set and has no default.
    package mutating func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ setting: Setting, _ type: Choice.Type
    ) -> Choice? {
        value(setting) { Choice(rawValue: $0) }
    }

    /// Whether a switch is on.
    package mutating func isOn(_ setting: Setting) -> Bool {
        choice(setting, Switch.self) == .on
    }

    /// A value in any notation.
    ///
    /// - Parameters:
    ///   - setting: what is read.
    ///   - read: returns nil for what it does not know, which becomes a mistake.
    /// - Returns: the value, or that of the default; nil when there is neither.
    package mutating func value<Value>(_ setting: Setting, _ read: (String) -> Value?) -> Value? {
        let usual = setting.defaultText.flatMap(read)
        guard let text = string(setting) else { return usual }
        if let found = read(text) { return found }
        let shown = setting.isSecret ? "the value" : "'\(text)'"
        addMistake("\(origin(setting)): \(shown) is not \(setting.kind.expectation(text))")
        return usual
    }

    /// Where the value of a setting comes from, for tables: `--topic`, `environment`, `producer.yaml:3`, `default` or `-`.
    package func source(_ setting: Setting) -> String {
        let name = setting.environment
        if string(setting) == nil { return setting.defaultText == nil ? "-" : "default" }
        if flags[name] != nil { return setting.writtenFlag ?? name }
        if environment[name] != nil { return "environment" }
        return file.flatMap { file in file.values[name].map { "\(file.path):\($0.line)" } } ?? "-"
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

    /// Ends reading.
    ///
    /// - Throws: one `SettingsError` with all errors that were found.
    package func finish() throws(SettingsError) {
        guard mistakes.isEmpty else { throw SettingsError(mistakes.joined(separator: "\n")) }
    }
}

/// A setting that is on or off.
package enum Switch: String, CaseIterable, Sendable {
    case on, off
}
