import Yams

/// A settings file: YAML, one `name: value` a line, names in lower case.
package struct SettingsFile {
    package let path: String
    /// By environment name: the text and its line, from 1.
    package private(set) var values: [String: (text: String, line: Int)] = [:]
    /// Names that are no settings, and values that are none, one text each.
    package private(set) var mistakes: [String] = []

    /// - Parameters:
    ///   - path: of the file.
    ///   - known: every setting that the file may hold.
    /// - Throws: `SettingsError` when it cannot be read as YAML.
    package init(_ path: String, known: [Setting]) throws(SettingsError) {
        self.path = path
        let text: String
        do { text = try readTextFile(path) } catch { throw SettingsError("settings file: \(error)") }
        let root: Node?
        do { root = try Yams.compose(yaml: text) } catch {
            throw SettingsError("settings file \(path): not YAML: \(Self.reason(error))")
        }
        guard let root, !root.isNull else { return }
        guard let mapping = root.mapping else {
            throw SettingsError("settings file \(path): expected lines of the form `name: value`")
        }
        read(mapping, known)
    }

    /// Settings that are a part of another YAML file.
    ///
    /// - Parameters:
    ///   - path: of that file, for messages.
    ///   - mapping: the part; nil for none.
    ///   - known: every setting that it may hold.
    package init(_ path: String, mapping: Node.Mapping?, known: [Setting]) {
        self.path = path
        if let mapping { read(mapping, known) }
    }

    /// The same settings with those of another file over them.
    ///
    /// - Parameter other: what counts where both have a value.
    /// - Returns: the settings of both.
    package func overridden(by other: SettingsFile) -> SettingsFile {
        var result = self
        result.values.merge(other.values) { $1 }
        result.mistakes += other.mistakes
        return result
    }

    /// Gives a setting a value, in place of the one that it had.
    ///
    /// - Parameters:
    ///   - name: the environment name.
    ///   - text: the value.
    ///   - line: where it stands in the file, from 1.
    package mutating func set(_ name: String, to text: String, line: Int) { values[name] = (text, line) }

    private mutating func read(_ mapping: Node.Mapping, _ known: [Setting]) {
        let names = Dictionary(known.filter(\.isInFile).map { ($0.fileKey, $0) }) { first, _ in first }
        for (key, value) in mapping { read(key, value, names) }
    }

    private mutating func read(_ key: Node, _ value: Node, _ names: [String: Setting]) {
        let place = "\(path)\(key.mark.map { ":\($0.line)" } ?? "")"
        let name = key.string ?? "?"
        guard let setting = names[name] else {
            let meant = Self.suggestion(for: name, names).map { "; did you mean \($0)?" } ?? ""
            mistakes.append("\(place): unknown setting '\(name)'\(meant)")
            return
        }
        if value.isNull { return }
        guard let text = value.scalar?.string else {
            mistakes.append("\(place): \(name) must be a single value")
            return
        }
        values[setting.environment] = (text, key.mark?.line ?? 0)
    }

    /// What YAML's parser says without the line of the file that it quotes, which may hold a secret.
    ///
    /// - Parameter error: of the parser.
    /// - Returns: the problem with its line and column.
    package static func reason(_ error: any Error) -> String {
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            "\(problem) at line \(mark.line), column \(mark.column)"
        case .reader(let problem, _, _, _): problem
        case .duplicatedKeysInMapping(let keys, let context):
            "more than one \(keys.sorted().map { "'\($0)'" }.joined(separator: ", ")), the first at line \(context.mark.line)"
        default: "it cannot be read"
        }
    }

    /// The setting that an unknown name probably means: one of a similar name, or the one whose flag has this name.
    private static func suggestion(for name: String, _ names: [String: Setting]) -> String? {
        let key = name.lowercased().replacing("-", with: "_")
        if names[key] != nil { return key }
        let byFlag = names.filter { $0.value.flag?.replacing("-", with: "_") == key }.keys.sorted()
        if let found = byFlag.first { return found }
        return nearest(key, among: names.keys.sorted()) ?? names.keys.sorted().first { $0.hasSuffix("_" + key) }
    }
}
