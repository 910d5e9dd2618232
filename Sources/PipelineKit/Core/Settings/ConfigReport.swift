/// Every setting with its value and its source: what `config show` prints. Secrets are only `set` or `not set`.
package struct ConfigReport: Report {
    private let groups: [any SettingGroup.Type]
    private let reader: SettingsReader

    /// - Parameters:
    ///   - groups: the settings of the service.
    ///   - reader: has read them all, so that its mistakes are known.
    package init(_ groups: [any SettingGroup.Type], _ reader: SettingsReader) {
        self.groups = groups
        self.reader = reader
    }

    /// One line for each setting under the title of its group, and the errors.
    ///
    /// - Parameter terminal: nil for any width.
    /// - Returns: the text.
    package func text(on terminal: Terminal?) -> String {
        let columns = terminal?.columns
        var lines: [String] = []
        let all = groups.flatMap { $0.settings }
        let name = all.map(\.environment.count).max() ?? 0
        let source = all.map { reader.source($0).count }.max() ?? 0
        let widest = all.map { shown($0).count }.max() ?? 0
        let value = max(10, min(widest, (columns ?? .max) - name - source - 4))
        for group in groups {
            lines.append((lines.isEmpty ? "" : "\n") + group.title)
            for setting in group.settings {
                let text = [
                    setting.environment.padded(name), shown(setting).cut(to: value).padded(value),
                    reader.source(setting),
                ].joined(separator: "  ")
                lines.append(text.cut(to: columns))
                lines += mistakes(of: setting).map { "  error: \($0)" }
            }
        }
        return lines.joined(separator: "\n")
    }

    private enum Key: CodingKey {
        case settings, errors
    }

    /// A setting in JSON; numbers are numbers, bytes and seconds, too.
    private struct Entry: Encodable {
        let name: String
        let flag: String?
        let value: Value
        let source: String
        let unit: String?
        let errors: [String]?

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: Key.self)
            try container.encode(name, forKey: .name)
            try container.encode(flag, forKey: .flag)
            try container.encode(value, forKey: .value)
            try container.encode(source, forKey: .source)
            try container.encodeIfPresent(unit, forKey: .unit)
            try container.encodeIfPresent(errors, forKey: .errors)
        }

        private enum Key: CodingKey {
            case name, flag, value, source, unit, errors
        }
    }

    private enum Value: Encodable {
        case text(String)
        case whole(Int64)
        case number(Double)
        case unset

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch self {
            case .text(let text): try container.encode(text)
            case .whole(let number): try container.encode(number)
            case .number(let number): try container.encode(number)
            case .unset: try container.encodeNil()
            }
        }
    }

    /// `"settings":[{"name":…,"flag":…,"value":…,"source":…}],"errors":[…]`; the flag and the value are null where there is none.
    ///
    /// - Parameter encoder: JSON's.
    /// - Throws: what the encoder throws.
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(groups.flatMap { $0.settings }.map(entry), forKey: .settings)
        try container.encode(reader.mistakes, forKey: .errors)
    }

    private func entry(_ setting: Setting) -> Entry {
        let unit: String? =
            switch setting.kind {
            case .duration: "seconds"
            case .bytes: "bytes"
            default: nil
            }
        let errors = mistakes(of: setting)
        return Entry(
            name: setting.environment, flag: setting.writtenFlag, value: value(setting), source: reader.source(setting),
            unit: unit, errors: errors.isEmpty ? nil : errors)
    }

    /// The value for people.
    private func shown(_ setting: Setting) -> String {
        if setting.isSecret { return reader.string(setting) == nil ? "not set" : "set" }
        guard let text = reader.string(setting) ?? setting.defaultText else { return setting.unset ?? "not set" }
        return Redaction.clean(text).plain
    }

    private func value(_ setting: Setting) -> Value {
        if setting.isSecret { return .text(shown(setting)) }
        guard let text = reader.string(setting) ?? setting.defaultText else { return .unset }
        let number: Value? =
            switch setting.kind {
            case .count: Int64(text).map { .whole($0) }
            case .number: Double(text).flatMap { $0.isFinite ? .number($0) : nil }
            case .bytes: parseByteCount(text).map { .whole(Int64($0)) }
            case .duration: Duration(setting: text).map { .number(Double($0.milliseconds) / 1000) }
            default: nil
            }
        return number ?? .text(Redaction.clean(text))
    }

    /// What is wrong about one setting: messages begin with the origin or the name of what they are about.
    private func mistakes(of setting: Setting) -> [String] {
        reader.mistakes.filter { mistake in
            [reader.origin(setting), setting.title, setting.environment].contains {
                mistake.hasPrefix($0 + ":") || mistake.hasPrefix($0 + " ")
            }
        }
    }
}
