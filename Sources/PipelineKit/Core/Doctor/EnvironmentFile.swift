/// A file of environment variables as systemd reads it (systemd.exec(5), EnvironmentFile=), so that a check judges what the
/// service will get, and not what the shell of an operator has.
package struct EnvironmentFile: Sendable {
    /// Names and values.
    package private(set) var values: [String: String] = [:]
    /// What a reader other than its author would take differently, each with its line.
    package private(set) var oddities: [String] = []

    /// Reads a file.
    ///
    /// - Parameter path: the file.
    /// - Throws: `FileError` when it cannot be read.
    package init(_ path: String) throws(FileError) {
        self.init(text: try readTextFile(path), path: path)
    }

    init(text: String, path: String) {
        for (number, line) in text.replacing("\r\n", with: "\n").split(
            separator: "\n", omittingEmptySubsequences: false
        )
        .enumerated() {
            read(line.trimmed, at: "\(path):\(number + 1)")
        }
    }

    private mutating func read(_ line: String, at place: String) {
        guard let first = line.first, first != "#", first != ";" else { return }
        guard let equals = line.firstIndex(of: "=") else {
            return oddities.append("\(place): neither a comment nor NAME=value")
        }
        let name = line[..<equals].trimmed
        guard !name.isEmpty, name.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }) else {
            let what = name.hasPrefix("export ") ? "systemd does not know `export`" : "this is no name of a variable"
            return oddities.append("\(place): \(what)")
        }
        let raw = line[line.index(after: equals)...].trimmed
        values[name] = Self.unquoted(raw)
        // A comment behind a value is a part of it for systemd and docker, and not for a shell.
        if let mark = raw.firstRange(of: " #"), !raw.hasPrefix("\""), !raw.hasPrefix("'") {
            oddities.append("\(place): `\(raw[mark.lowerBound...].trimmed.prefix(20))` belongs to the value of \(name)")
        }
        let quotes = raw.filter { $0 == "\"" || $0 == "'" }.count
        if quotes % 2 == 1 { oddities.append("\(place): a quotation mark of \(name) has no partner") }
    }

    /// Quotation marks around parts, and a backslash before a character, go.
    private static func unquoted(_ raw: String) -> String {
        var (value, quote) = ("", Character?.none)
        var rest = Substring(raw)
        while let character = rest.popFirst() {
            switch (character, quote) {
            case ("'", nil), ("\"", nil): quote = character
            case (let mark, let open?) where mark == open: quote = nil
            case ("\\", nil), ("\\", "\""?): value += rest.popFirst().map(String.init) ?? ""
            default: value.append(character)
            }
        }
        return value
    }
}
