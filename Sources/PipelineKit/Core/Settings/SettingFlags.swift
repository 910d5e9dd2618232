import ArgumentParser

/// The command-line options of a group of settings, made from their declarations.
///
/// ArgumentParser finds the options of a type by its mirror and decodes them by their keys; both come from the group here,
/// so that no property has to be declared for a setting.
package struct SettingFlags<Group: SettingGroup>: ParsableArguments, CustomReflectable {
    /// The flags that were given, by environment name; several values of a repeated one are separated by NUL.
    package private(set) var values: [String: String] = [:]

    /// Required by the argument parser.
    public init() {}

    /// Decodes the options that were given.
    ///
    /// - Parameter decoder: ArgumentParser's.
    /// - Throws: what the decoder throws.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: FlagKey.self)
        for setting in Group.settings {
            guard let flag = setting.flag else { continue }
            if case .properties = setting.kind {
                let all = try container.decode(Option<[String]>.self, forKey: FlagKey(flag)).wrappedValue
                if !all.isEmpty { values[setting.environment] = all.joined(separator: "\0") }
            } else if let text = try container.decode(Option<String?>.self, forKey: FlagKey(flag)).wrappedValue {
                values[setting.environment] = text
            }
        }
    }

    /// The options, by flag.
    public var customMirror: Mirror {
        let options = Group.settings.compactMap { setting -> (label: String?, value: Any)? in
            guard let flag = setting.flag else { return nil }
            return (label: flag, value: setting.option(flag))
        }
        return Mirror(self, children: options)
    }
}

/// A key of the argument parser: the flag.
private struct FlagKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(_ flag: String) { stringValue = flag }
    init?(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}

extension Setting {
    /// The option of `--help` and of the parser.
    fileprivate func option(_ flag: String) -> Any {
        let help = ArgumentHelp(ArgumentHelp.StringLiteralType(helpText), valueName: valueName)
        if case .properties = kind {
            return Option<[String]>(
                wrappedValue: [], name: .customShort(Character(flag)), parsing: .unconditionalSingleValue, help: help)
        }
        return Option<String?>(wrappedValue: nil, name: .customLong(flag), help: help, completion: completion)
    }

    /// The meaning, the environment variable and the default.
    package var helpText: String {
        if case .properties = kind { return "\(meaning)." }
        let value = (defaultText ?? unset).map { "; default \($0)" } ?? ""
        return "\(meaning) (\(environment)\(value))."
    }

    private var completion: CompletionKind? {
        switch kind {
        case .file: .file()
        case .folder: .directory
        case .choice(let words): .list(words)
        default: nil
        }
    }
}

/// The flags of several groups as one.
///
/// - Parameter groups: by environment name.
/// - Returns: all of them; the later one wins.
package func flags(_ groups: [String: String]...) -> [String: String] {
    groups.reduce([:]) { $0.merging($1) { _, new in new } }
}
