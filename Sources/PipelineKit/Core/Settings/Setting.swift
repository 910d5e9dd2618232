/// One setting of a service: the one place for its names, its kind, its default and what it means.
///
/// Its environment variable is the upper-case name (`KAFKA_TOPIC`), its key in the settings file the lower-case
/// one (`kafka_topic`), its flag the one given here. `--help`, completions, error messages, `config show` and
/// `docs/settings.md` are made from this declaration.
package struct Setting: Sendable {
    /// The form of a setting's value.
    package enum Kind: Sendable {
        case text
        case url
        case file
        case folder
        /// `250ms`, `30s`, `5m`, `2h`, `30d`.
        case duration
        /// `65536`, `64KiB`, `16MiB`, `1GiB`.
        case bytes
        /// A whole number.
        case count(ClosedRange<Int>)
        case number(ClosedRange<Double>)
        /// One of these words.
        case choice([String])
        /// Names with commas between them.
        case list
        /// A value that must never be shown.
        case secret
        /// A notation of its own; the text completes "'x' is not …".
        case notation(String)
        /// `key=value` with a flag of one letter that may be repeated; no environment variable, not in the settings file.
        case properties

        /// The words of an enumeration.
        ///
        /// - Parameter type: the enumeration.
        /// - Returns: the kind of a setting that holds one of its raw values.
        package static func one<Choice: RawRepresentable<String> & CaseIterable>(of type: Choice.Type) -> Kind {
            .choice(type.allCases.map(\.rawValue))
        }
    }

    /// The environment variable.
    package let environment: String
    /// The flag without dashes, or nil when a flag would be unwise (secrets).
    package let flag: String?
    /// The form of the value.
    package let kind: Kind
    /// The value when it is set nowhere; nil for none.
    package let defaultText: String?
    /// What happens when it is set nowhere and has no default, for help and documents: `no limit`.
    package let unset: String?
    /// What `--help` shows for the value.
    package let valueName: String
    /// Whether the settings file may hold it.
    package let isInFile: Bool
    /// What it is, without a full stop.
    package let meaning: String

    /// - Parameters:
    ///   - environment: the environment variable.
    ///   - flag: without dashes; nil for none.
    ///   - kind: the form of the value.
    ///   - defaultText: the default as a user would write it.
    ///   - unset: what happens without a value, when there is no default.
    ///   - valueName: for `--help`; nil for one that fits the kind.
    ///   - isInFile: whether the settings file may hold it.
    ///   - meaning: a noun phrase without a full stop.
    package init(
        _ environment: String, flag: String? = nil, _ kind: Kind, default defaultText: String? = nil,
        unset: String? = nil, value valueName: String? = nil, isInFile: Bool = true, _ meaning: String
    ) {
        self.environment = environment
        self.flag = flag
        self.kind = kind
        self.defaultText = defaultText
        self.unset = unset
        self.valueName = valueName ?? kind.valueName
        self.isInFile = isInFile
        self.meaning = meaning
    }

    /// Whether the value must never be shown.
    package var isSecret: Bool {
        switch kind {
        case .secret, .properties: true
        default: false
        }
    }

    /// The key in the settings file.
    package var fileKey: String { environment.lowercased() }

    /// The flag as it is written: `--topic`, `-X`; nil for none.
    package var writtenFlag: String? { flag.map { ($0.count == 1 ? "-" : "--") + $0 } }

    /// How to name the setting in a message: `KAFKA_TOPIC (--topic)`.
    package var title: String { writtenFlag.map { "\(environment) (\($0))" } ?? environment }
}

extension Setting.Kind {
    /// What `--help` shows for a value of this kind.
    var valueName: String {
        switch self {
        case .text, .secret, .notation: "text"
        case .url: "url"
        case .file: "file"
        case .folder: "folder"
        case .duration: "time"
        case .bytes: "size"
        case .count: "n"
        case .number: "number"
        case .choice(let words): words.joined(separator: "|")
        case .list: "names"
        case .properties: "key=value"
        }
    }

    /// What a value must be, for messages.
    ///
    /// - Parameter text: the wrong value; digits alone get a hint about the unit of a time.
    /// - Returns: the end of "'x' is not …".
    func expectation(_ text: String) -> String {
        switch self {
        case .count(let range): return "a whole number from \(range.lowerBound) to \(range.upperBound)"
        case .number(let range):
            return "a number from \(Self.plain(range.lowerBound)) to \(Self.plain(range.upperBound))"
        case .duration:
            let isNumber = !text.isEmpty && text.allSatisfy(\.isASCIIDigit)
            return "a time such as 250ms, 30s, 5m, 2h or 30d" + (isNumber ? "; seconds are written \(text)s" : "")
        case .bytes: return "a size such as 65536, 64KiB, 16MiB or 1GiB"
        case .choice(let words): return "one of \(words.joined(separator: ", "))"
        case .notation(let form): return form
        case .text, .url, .file, .folder, .list, .secret, .properties: return "a valid value"
        }
    }

    private static func plain(_ number: Double) -> String {
        Int(exactly: number).map { "\($0)" } ?? "\(number)"
    }
}

/// Settings that belong together: a table of `docs/settings.md`, a section of `--help`.
package protocol SettingGroup: SendableMetatype {
    /// The heading.
    static var title: String { get }
    /// The settings in the order in which they are shown.
    static var settings: [Setting] { get }
}

extension SettingGroup {
    package static var title: String { "" }
}
