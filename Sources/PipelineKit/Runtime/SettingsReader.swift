import Configuration
import Glibc
import Yams

/// Reads settings once, at start: flags over environment over settings file over default.
///
/// Mistakes are collected and thrown together by `finish()`, so that a user sees all of them in one run.
package struct SettingsReader {
    private let reader: ConfigReader
    private var mistakes: [String] = []

    /// - Parameters:
    ///   - flags: the flags that were given, by the setting's environment name.
    ///   - configFile: the settings file, or nil; `TWEET_PIPELINE_CONFIG` counts when nil.
    ///   - known: every setting that the settings file may hold.
    ///   - environment: the environment to read.
    /// - Throws: `Failure` (78) when the settings file cannot be read or holds an unknown key.
    package init(
        flags: [String: String], configFile: String?, known: [Setting],
        environment: [String: String] = ProcessEnvironment.current
    ) throws(Failure) {
        var fileValues: [String: String] = [:]
        if let path = configFile ?? environment["TWEET_PIPELINE_CONFIG"] {
            fileValues = try Self.readFile(path, known: known)
        }
        reader = ConfigReader(providers: [
            InMemoryProvider(name: "flags", values: Self.configValues(flags)),
            EnvironmentVariablesProvider(environmentVariables: environment),
            InMemoryProvider(name: "settings file", values: Self.configValues(fileValues)),
        ])
    }

    private static func key(_ environment: String) -> String {
        environment.lowercased().split(separator: "_").joined(separator: ".")
    }

    private static func configValues(_ values: [String: String]) -> [AbsoluteConfigKey: ConfigValue] {
        var result: [AbsoluteConfigKey: ConfigValue] = [:]
        for (name, value) in values {
            result[AbsoluteConfigKey(ConfigKey(key(name)))] = ConfigValue(.string(value), isSecret: false)
        }
        return result
    }

    private static func readFile(_ path: String, known: [Setting]) throws(Failure) -> [String: String] {
        let text: String
        do { text = try readTextFile(path) } catch {
            throw Failure(.badSettings, "settings file \(path): \(error)")
        }
        let mapping: Node.Mapping
        do {
            guard let node = try Yams.compose(yaml: text) else { return [:] }
            guard let found = node.mapping else {
                throw Failure(.badSettings, "settings file \(path): expected lines of the form `name: value`")
            }
            mapping = found
        } catch {
            throw error as? Failure ?? Failure(.badSettings, "settings file \(path): not YAML: \(error)")
        }
        let names = Dictionary(known.map { ($0.fileKey, $0.environment) }) { first, _ in first }
        var values: [String: String] = [:]
        var mistakes: [String] = []
        for (keyNode, valueNode) in mapping {
            let line = keyNode.mark.map { ":\($0.line)" } ?? ""
            guard let key = keyNode.string, let name = names[key] else {
                mistakes.append("\(path)\(line): unknown setting '\(keyNode.string ?? "?")'")
                continue
            }
            guard let value = valueNode.scalar?.string else {
                mistakes.append("\(path)\(line): \(key) must be a single value")
                continue
            }
            values[name] = value
        }
        if !mistakes.isEmpty {
            let list = names.keys.sorted().joined(separator: ", ")
            throw Failure(.badSettings, mistakes.joined(separator: "\n") + "\nknown settings: \(list)")
        }
        return values
    }

    /// The text of a setting, or nil when it is set nowhere. An empty text counts as not set.
    package func string(_ setting: Setting) -> String? {
        let key = ConfigKey(Self.key(setting.environment))
        let text = reader.string(forKey: key, isSecret: setting.isSecret)
        return text?.isEmpty == true ? nil : text
    }

    package func string(_ setting: Setting, default value: String) -> String {
        string(setting) ?? value
    }

    /// A whole number within `range`.
    package mutating func int(_ setting: Setting, default value: Int, in range: ClosedRange<Int>) -> Int {
        parse(setting, default: value, expected: "a whole number from \(range.lowerBound) to \(range.upperBound)") {
            Int($0).flatMap { range.contains($0) ? $0 : nil }
        }
    }

    /// A length of time: `250ms`, `30s`, `5m`, `2h`.
    package mutating func duration(_ setting: Setting, default value: Duration) -> Duration {
        parse(setting, default: value, expected: "a time such as 250ms, 30s, 5m or 2h", Duration.init(setting:))
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

    /// Adds a mistake found elsewhere to those that `finish()` reports.
    package mutating func addMistake(_ text: String) {
        mistakes.append(text)
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
        addMistake("\(setting.title): \(shown) is not \(expected)")
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

extension Duration {
    /// Reads `250ms`, `30s`, `5m`, `2h` or `3d`; nil for anything else.
    package init?(setting text: String) {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let number = Int64(digits), number <= 1_000_000_000 else { return nil }
        switch text.dropFirst(digits.count) {
        case "ms": self = .milliseconds(number)
        case "s": self = .seconds(number)
        case "m": self = .seconds(number * 60)
        case "h": self = .seconds(number * 3600)
        case "d": self = .seconds(number * 86_400)
        default: return nil
        }
    }
}

/// Reads `65536`, `64KiB`, `16MiB` or `1GiB`; nil for anything else.
package func parseByteCount(_ text: String) -> Int? {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    guard let number = Int(digits), number <= 1 << 50 else { return nil }
    switch text.dropFirst(digits.count) {
    case "", "B": return number
    case "KiB": return number << 10
    case "MiB": return number << 20
    case "GiB": return number << 30
    default: return nil
    }
}
