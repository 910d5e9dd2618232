import Core
import Journal
import XAPI

/// A stream as `streams.yaml` declares it.
struct DeclaredStream: Sendable {
    /// Which of X's streams is read.
    enum Kind: String, CaseIterable, Sendable {
        case filtered, sample, sample10
    }

    let name: String
    let kind: Kind
    /// The part of `sample10` that is read; nil for the others.
    let partition: String?
    /// Whether it is to run.
    let isActive: Bool
    /// Where it stands in the file, from 1.
    let line: Int
    /// Every setting of `run` that it has, defaults included; paths are absolute.
    let settings: SettingsFile

    /// The text of a setting; nil when it is set nowhere.
    ///
    /// - Parameter setting: of `run`.
    /// - Returns: the text.
    func text(_ setting: Setting) -> String? { settings.values[setting.environment]?.text }

    /// The stream's folder in the journal.
    var journal: String { (text(JournalSettings.folder) ?? "") + "/" + name }

    /// What is the same for two streams that X would serve over the same endpoint: with an enterprise plan each endpoint has
    /// connections of its own.
    var endpoint: String { "\(kind.rawValue)/\(partition ?? "")" }
}

/// The settings file of one stream, as `streams apply` writes it and `run --config` reads it.
struct StreamSettingsFile: Equatable, Sendable {
    /// A setting in the form of a settings file.
    struct Entry: Equatable, Sendable {
        let key: String
        let value: String
    }

    /// In alphabetical order.
    let entries: [Entry]
    /// The whole file.
    let text: String
    /// Of the entries, as the file states it.
    let hash: String
    /// Whether the entries are those that were written.
    let isIntact: Bool

    /// The beginning of every file that `streams apply` writes, behind the sign of a comment.
    static let mark = "Made by `tweet-producer streams apply`"
    private static let hashKey = "# settings: "

    /// - Parameters:
    ///   - stream: an active stream.
    ///   - source: the file that declares it.
    ///   - listen: where it answers HTTP requests, when it does not say so itself.
    init(_ stream: DeclaredStream, from source: String, listen: String? = nil) {
        var values = stream.settings.values.mapValues(\.text)
        if let listen { values[StreamAddresses.setting.environment] = listen }
        entries = values.sorted { $0.key < $1.key }.map { Entry(key: $0.key.lowercased(), value: $0.value) }
        let body = entries.map { "\($0.key): \(quotedYAML($0.value))\n" }.joined()
        hash = Self.hash(body)
        text = "# \(Self.mark) from \(source); change that file instead.\n\(Self.hashKey)\(hash)\n\(body)"
        isIntact = true
    }

    /// Reads a file that was written earlier; nil for one that is not ours.
    ///
    /// - Parameter text: the whole file.
    init?(text: String) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count > 2, lines[0].hasPrefix("# \(Self.mark)"), lines[1].hasPrefix(Self.hashKey) else {
            return nil
        }
        self.text = text
        hash = String(lines[1].dropFirst(Self.hashKey.count))
        isIntact = hash == Self.hash(lines[2...].joined(separator: "\n"))
        entries = lines[2...].compactMap { line in
            guard let colon = line.firstRange(of: ": ") else { return nil }
            return Entry(key: String(line[..<colon.lowerBound]), value: unquotedYAML(line[colon.upperBound...]))
        }
    }

    /// The value of a setting; nil when the file does not have it.
    ///
    /// - Parameter setting: of `run`.
    /// - Returns: the text.
    func value(_ setting: Setting) -> String? { entries.first { $0.key == setting.fileKey }?.value }

    var stream: String { value(StreamSettings.streamSetting) ?? "" }
    /// The stream's folder in the journal.
    var journal: String { (value(JournalSettings.folder) ?? "") + "/" + stream }
    /// Where it answers HTTP requests; nil for nowhere.
    var listen: String? { value(StreamAddresses.setting).flatMap { $0 == StreamAddresses.off ? nil : $0 } }
    /// Where the token comes from; it is only compared.
    var token: [String?] { [value(BearerToken.fileSetting), value(BearerToken.valueSetting)] }

    /// What differs from another file, one text for each setting; the values of secrets are left out.
    ///
    /// - Parameter old: the file before.
    /// - Returns: such as `journal_segment_age: 1h → 15m`.
    func changes(from old: StreamSettingsFile) -> [String] {
        let (before, after) = (Self.byKey(old), Self.byKey(self))
        let secrets = Set(ProducerSettings.known.filter(\.isSecret).map(\.fileKey))
        return Set(before.keys).union(after.keys).sorted().compactMap { key in
            guard before[key] != after[key] else { return nil }
            if secrets.contains(key) { return "\(key) is changed" }
            return "\(key): \(before[key] ?? "unset") → \(after[key] ?? "unset")"
        }
    }

    private static func byKey(_ file: StreamSettingsFile) -> [String: String] {
        Dictionary(file.entries.map { ($0.key, $0.value) }) { $1 }
    }

    private static func hash(_ body: String) -> String { String(hexDigest(of: body).prefix(16)) }
}
