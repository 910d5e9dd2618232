import Core
import Journal
import XAPI
import Yams

/// One pass over `streams.yaml`, collecting everything that is wrong.
struct StreamsFileReading {
    let path: String
    private(set) var streams: [DeclaredStream] = []
    /// One text each, with file and line.
    private(set) var mistakes: [String] = []
    private var defaults: SettingsFile

    /// A text of the file and the line where it begins.
    private typealias Place = (text: String, line: Int)

    /// Settings of `run` that have a key of their own beside the stream's name.
    private static let ownKeys = [
        StreamSettings.streamSetting.fileKey: "name", BearerToken.fileSetting.fileKey: "token_file",
        RulesFile.setting.fileKey: "rules_file", kindKey: "kind", partitionKey: "partition",
    ]
    private static let (kindKey, partitionKey) = (
        StreamSource.kindSetting.fileKey, StreamSource.partitionSetting.fileKey
    )
    private static let keys = ["name", "kind", "partition", "token_file", "rules_file", "active", "settings"]
    private static let usualJournal = "/var/lib/tweet-pipeline/journal"

    /// What `defaults` and `settings` may hold.
    private static let known: [Setting] = {
        let others = Set(FleetSettings.settings.map(\.environment) + [CommonSettings.config.environment])
        return ProducerSettings.known.filter { !others.contains($0.environment) && ownKeys[$0.fileKey] == nil }
    }()

    init(path: String) {
        self.path = path
        defaults = SettingsFile(path, mapping: nil, known: [])
    }

    mutating func read(_ text: String) {
        let root: Node?
        do { root = try Yams.compose(yaml: text) } catch {
            mistakes.append("\(path): not YAML: \(SettingsFile.reason(error))")
            return
        }
        guard let root, !root.isNull else { return }
        guard let mapping = root.mapping else {
            mistakes.append("\(path): expected `defaults:` and `streams:`")
            return
        }
        for (key, value) in mapping {
            switch key.string {
            // First of all, whatever the order: every stream begins with them.
            case "defaults": defaults = settings(value)
            case "streams": break
            default: note(key, "unknown key '\(key.string ?? "?")'; the file has `defaults:` and `streams:`")
            }
        }
        mistakes += defaults.mistakes
        guard let list = mapping["streams"], !list.isNull else { return }
        guard let items = list.sequence else { return note(list, "expected a list of streams: `- name: …`") }
        for item in items { readStream(item) }
    }

    // MARK: Parts

    private mutating func settings(_ node: Node) -> SettingsFile {
        if node.isNull { return SettingsFile(path, mapping: nil, known: []) }
        guard var mapping = node.mapping else {
            note(node, "expected settings of `run` of the form `name: value`")
            return SettingsFile(path, mapping: nil, known: [])
        }
        for (key, _) in mapping {
            guard let name = key.string, let own = Self.ownKeys[name] else { continue }
            note(key, "'\(name)' is written `\(own)` beside the stream's name")
            mapping[key] = nil
        }
        return SettingsFile(path, mapping: mapping, known: Self.known)
    }

    private mutating func readStream(_ node: Node) {
        guard let mapping = node.mapping else {
            return note(node, "a stream is written `- name: …`, with its keys below")
        }
        var texts: [String: Place] = [:]
        var own = SettingsFile(path, mapping: nil, known: [])
        for (key, value) in mapping {
            let name = key.string ?? "?"
            if value.isNull { continue }
            if name == "settings" {
                own = settings(value)
            } else if !Self.keys.contains(name) {
                let isSetting = Self.known.contains { $0.fileKey == name }
                let meant = nearest(name, among: Self.keys).map { "; did you mean \($0)?" } ?? ""
                note(key, "unknown key '\(name)'" + (isSetting ? "; it belongs into `settings:`" : meant))
            } else if let text = value.scalar?.string {
                texts[name] = (text, value.mark?.line ?? 0)
            } else {
                note(key, "\(name) must be a single value")
            }
        }
        mistakes += own.mistakes
        add(texts, own, at: node)
    }

    private mutating func add(_ texts: [String: Place], _ own: SettingsFile, at node: Node) {
        guard let name = texts["name"] else { return note(node, "the stream has no name") }
        if !StreamName.isValid(name.text) { note(name, "'\(name.text)' is not \(StreamName.rule)") }
        if let first = streams.first(where: { $0.name == name.text }) {
            note(name, "stream '\(name.text)' is in line \(first.line), too; a name stands for one stream")
        }
        let kind = DeclaredStream.Kind(rawValue: texts["kind"]?.text ?? "filtered")
        if kind == nil, let written = texts["kind"] {
            note(written, "kind '\(written.text)' is not one of filtered, sample, sample10")
        }
        checkParts(texts, kind ?? .filtered, name)
        streams.append(
            DeclaredStream(
                name: name.text, kind: kind ?? .filtered, partition: texts["partition"]?.text,
                isActive: isActive(texts["active"]), line: name.line, settings: merged(texts, own, kind ?? .filtered)))
    }

    /// What belongs to one kind of stream only.
    private mutating func checkParts(_ texts: [String: Place], _ kind: DeclaredStream.Kind, _ name: Place) {
        switch (kind, texts["partition"]) {
        case (.sample10, nil): note(name, "stream '\(name.text)': sample10 needs `partition: 1` or `partition: 2`")
        case (.sample10, let part?) where Int(part.text).map { $0 > 0 } != true:
            note(part, "partition '\(part.text)' is not a number from 1 on")
        case (.filtered, let part?), (.sample, let part?): note(part, "only sample10 has a partition")
        default: break
        }
        if kind != .filtered, let rules = texts["rules_file"] {
            note(rules, "stream '\(name.text)': a sample stream has no rules")
        }
    }

    private mutating func isActive(_ written: Place?) -> Bool {
        guard let written else { return true }
        switch written.text.lowercased() {
        case "true", "yes", "on": return true
        case "false", "no", "off": return false
        default:
            note(written, "active: '\(written.text)' is not true or false")
            return false
        }
    }

    // MARK: Settings

    /// The settings of `run`: defaults, those of the stream, and what its own keys stand for.
    private mutating func merged(
        _ texts: [String: Place], _ own: SettingsFile, _ kind: DeclaredStream.Kind
    ) -> SettingsFile {
        var result = defaults.overridden(by: own)
        let line = texts["name"]?.line ?? 0
        for (key, written) in Self.ownKeys {
            guard let place = texts[written], written != "kind" else { continue }
            result.set(key.uppercased(), to: place.text, line: place.line)
        }
        if kind != .filtered {
            result.set(Self.kindKey.uppercased(), to: kind.rawValue, line: texts["kind"]?.line ?? line)
        }
        if result.values[JournalSettings.folder.environment] == nil {
            result.set(JournalSettings.folder.environment, to: Self.usualJournal, line: line)
        }
        for (name, value) in result.values where value.text.unicodeScalars.contains(where: { $0.value < 0x20 }) {
            note(value, "\(name.lowercased()) must stand on one line")
        }
        makePathsAbsolute(&result)
        return result
    }

    /// Relative paths begin at the folder of `streams.yaml`, wherever the streams run.
    private func makePathsAbsolute(_ settings: inout SettingsFile) {
        let folder = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
        for setting in ProducerSettings.known {
            switch setting.kind {
            case .file, .folder: break
            default: continue
            }
            guard let value = settings.values[setting.environment], !value.text.isEmpty, !value.text.hasPrefix("/")
            else {
                continue
            }
            settings.set(setting.environment, to: folder + "/" + value.text, line: value.line)
        }
    }

    // MARK: Mistakes

    private mutating func note(_ node: Node, _ text: String) {
        mistakes.append("\(path)\(node.mark.map { ":\($0.line)" } ?? ""): \(text)")
    }

    private mutating func note(_ place: Place, _ text: String) {
        mistakes.append("\(path):\(place.line): \(text)")
    }
}
