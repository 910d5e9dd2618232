/// The tables of `docs/settings.md`.
package enum SettingsDocument {
    /// One group as a table of Markdown under its title.
    ///
    /// - Parameter group: the settings.
    /// - Returns: heading and table, without a line feed at the end.
    package static func table(_ group: any SettingGroup.Type) -> String {
        let rows = group.settings.map { setting in
            let flag = setting.writtenFlag.map { "`\($0)`" } ?? "–"
            let value = setting.defaultText.map { "`\($0)`" } ?? setting.unset ?? ""
            let name = setting.isFlagOnly ? "–" : "`\(setting.environment)`"
            return "| \(name) | \(flag) | \(setting.kindText) | \(value) | \(escaped(setting.meaning)) |"
        }
        let head = [
            "### \(group.title)", "", "| environment | flag | value | default | meaning |", "|---|---|---|---|---|",
        ]
        return (head + rows).joined(separator: "\n")
    }

    private static func escaped(_ text: String) -> String { text.replacing("|", with: "\\|") }
}

extension Setting {
    /// Whether only a flag can give it.
    package var isFlagOnly: Bool {
        if case .properties = kind { return true }
        return false
    }

    /// The form of the value, for the document.
    var kindText: String {
        switch kind {
        case .text: "text"
        case .url: "URL"
        case .file: "file"
        case .folder: "folder"
        case .duration: "duration"
        case .bytes: "bytes"
        case .count(let range): "\(range.lowerBound) to \(range.upperBound)"
        case .number: kind.expectation("")
        case .choice(let words): words.map { "`\($0)`" }.joined(separator: ", ")
        case .list: "list"
        case .secret: "secret"
        case .notation(let form): form
        case .properties: "`key=value`, repeatable"
        }
    }
}
