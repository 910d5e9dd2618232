import Glibc

/// Every setting with its value and its source: what `config show` prints. Secrets are only `set` or `not set`.
package struct ConfigReport {
    private let groups: [any SettingGroup.Type]
    private let reader: SettingsReader

    /// - Parameters:
    ///   - groups: the settings of the service.
    ///   - reader: has read them all, so that its mistakes are known.
    package init(_ groups: [any SettingGroup.Type], _ reader: SettingsReader) {
        self.groups = groups
        self.reader = reader
    }

    /// Prints the table that fits the terminal, or JSON.
    ///
    /// - Parameter json: whether to print JSON.
    /// - Throws: `Failure` (78) that lists what is wrong; after the output.
    package func show(json: Bool) throws(Failure) {
        print(json ? self.json : table(columns: Self.terminalColumns))
        fflush(nil)
        try reader.finish()
    }

    /// One line for each setting under the title of its group, and the errors.
    ///
    /// - Parameter columns: the width; nil for any.
    /// - Returns: the text.
    func table(columns: Int?) -> String {
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
                    Self.padded(setting.environment, name), Self.padded(Self.cut(shown(setting), value), value),
                    reader.source(setting),
                ].joined(separator: "  ")
                lines.append(Self.cut(text, columns ?? .max))
                lines += mistakes(of: setting).map { "  error: \($0)" }
            }
        }
        return lines.joined(separator: "\n")
    }

    /// `{"version":1,"settings":[{"name":…,"value":…,"source":…}],"errors":[…]}`; numbers are numbers, bytes and seconds too.
    var json: String {
        let settings = groups.flatMap { $0.settings }.map { setting in
            var fields = [
                "\"name\":\(JSONText.string(setting.environment))",
                "\"flag\":\(setting.writtenFlag.map { JSONText.string($0) } ?? "null")",
                "\"value\":\(jsonValue(setting))", "\"source\":\(JSONText.string(reader.source(setting)))",
            ]
            switch setting.kind {
            case .duration: fields.append("\"unit\":\"seconds\"")
            case .bytes: fields.append("\"unit\":\"bytes\"")
            default: break
            }
            let wrong = mistakes(of: setting).map { JSONText.string($0) }
            if !wrong.isEmpty { fields.append("\"errors\":[\(wrong.joined(separator: ","))]") }
            return "{\(fields.joined(separator: ","))}"
        }
        let errors = reader.mistakes.map { JSONText.string($0) }
        return
            "{\"version\":1,\"settings\":[\(settings.joined(separator: ","))],\"errors\":[\(errors.joined(separator: ","))]}"
    }

    /// The value for people.
    private func shown(_ setting: Setting) -> String {
        if setting.isSecret { return reader.string(setting) == nil ? "not set" : "set" }
        guard let text = reader.string(setting) ?? setting.defaultText else { return setting.unset ?? "not set" }
        let scalars = Redaction.clean(text).unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }
        return String(String.UnicodeScalarView(scalars))
    }

    private func jsonValue(_ setting: Setting) -> String {
        if setting.isSecret { return JSONText.string(shown(setting)) }
        guard let text = reader.string(setting) ?? setting.defaultText else { return "null" }
        let number: String? =
            switch setting.kind {
            case .count: Int(text).map { "\($0)" }
            case .number: Double(text).flatMap { $0.isFinite ? "\($0)" : nil }
            case .bytes: parseByteCount(text).map { "\($0)" }
            case .duration: Duration(setting: text).map { Self.seconds($0) }
            default: nil
            }
        return number ?? JSONText.string(Redaction.clean(text))
    }

    private static func seconds(_ time: Duration) -> String {
        let milliseconds = time.milliseconds
        return milliseconds % 1000 == 0 ? "\(milliseconds / 1000)" : "\(Double(milliseconds) / 1000)"
    }

    /// What is wrong about one setting: messages begin with the origin or the name of what they are about.
    private func mistakes(of setting: Setting) -> [String] {
        reader.mistakes.filter { mistake in
            [reader.origin(setting), setting.title, setting.environment].contains {
                mistake.hasPrefix($0 + ":") || mistake.hasPrefix($0 + " ")
            }
        }
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    private static func cut(_ text: String, _ width: Int) -> String {
        text.count > width ? text.prefix(max(0, width - 1)) + "…" : text
    }

    /// The width of the terminal at standard output; nil when there is none.
    private static var terminalColumns: Int? {
        var size = winsize()
        guard isatty(STDOUT_FILENO) == 1, unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0
        else { return nil }
        return Int(size.ws_col)
    }
}
