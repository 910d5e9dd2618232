import Core

/// A rule as the user wants it at X: where it stands in the file, and what it says.
package struct WantedRule: Equatable, Sendable {
    /// The rule as the file has it; to X it goes as `oneLine`, unless X holds just this.
    package let value: String
    /// Without the prefix; nil for none.
    package let tag: String?
    /// For people; it stays in the file.
    package let note: String?
    /// The line of the value in the file, from 1; 0 when it comes from no file.
    package let line: Int

    package init(value: String, tag: String?, note: String? = nil, line: Int = 0) {
        self.value = value
        self.tag = tag
        self.note = note
        self.line = line
    }

    /// The value on one line and without spaces around it.
    package var oneLine: String { value.onOneLine }
}

extension String {
    /// Its lines joined by spaces, without spaces around them: a rule may be written over several lines, and X reads it as one.
    var onOneLine: String {
        split(whereSeparator: \.isNewline).map { $0.trimmingSpaces }.filter { !$0.isEmpty }.joined(separator: " ")
    }
}

extension Substring {
    fileprivate var trimmingSpaces: Substring {
        var text = drop(while: \.isWhitespace)
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }
}

/// Rules compared by their bytes: X holds two spellings of `é` as two rules, and Swift's `==` takes them for one.
struct ExactText: Hashable, Sendable {
    private let bytes: [UInt8]

    init(_ text: String) { bytes = Array(text.utf8) }
}

/// The file of rules: a YAML list of rules (`value`, `tag`, `note`) and of filters that expand to rules (`filter`, `words`,
/// `people`, `locations`, `following`, `note`).
package struct RulesFile: Sendable {
    /// What stands in the list.
    enum Entry: Equatable, Sendable {
        case rule(WantedRule)
        case filter(RuleFilter)
    }

    /// Something about a rule, which does not matter any more when X holds it.
    struct Finding: Sendable {
        /// Nil for what concerns no single rule.
        let value: String?
        let text: String
    }

    package let path: String
    /// Its rules and those of its filters, as if X held no rule, and without accounts that others follow: what can be checked
    /// without X. What X is to have is `expanded`.
    package let rules: [WantedRule]
    private let entries: [Entry]
    private let plan: AccountPlan
    private let formErrors: [String]
    /// What X would reject.
    private let ruleErrors: [Finding]
    private let ruleDoubts: [Finding]

    /// The setting that names it.
    package static let setting = Setting(
        "X_RULES_FILE", flag: "rules-file", .file,
        "Rules file. `run` compares the rules at X with it, warns, and adds its rules when X has none")

    /// Reads a file of rules; errors of single rules are kept, since X may hold such a rule all the same.
    ///
    /// - Throws: `XError`: `reject` that lists every error when the file cannot be read or is no list of rules.
    package init(path: String, plan: AccountPlan) throws(XError) {
        self = try Self.look(at: path, plan: plan)
        if !formErrors.isEmpty { try requireGood() }
    }

    /// Reads the text of a file of rules; `path` is only named.
    package init(path: String, text: String, plan: AccountPlan) {
        var reading = RulesFileReading(path: path)
        reading.read(text)
        let expansion = RuleExpansion(reading.entries, plan: plan)
        reading.check(plan, expansion.rules)
        self.path = path
        self.plan = plan
        rules = expansion.rules
        entries = reading.entries
        ruleDoubts = reading.doubts
        formErrors = reading.formErrors
        ruleErrors = reading.ruleErrors
    }

    /// Reads a file with everything that is wrong with it.
    ///
    /// - Throws: `XError`: `reject` when the file cannot be read.
    package static func look(at path: String, plan: AccountPlan) throws(XError) -> RulesFile {
        let text: String
        do { text = try readTextFile(path) } catch { throw XError(.reject, "rules file: \(error)") }
        return RulesFile(path: path, text: text, plan: plan)
    }

    /// Its filters, in order.
    package var filters: [RuleFilter] {
        entries.compactMap { if case .filter(let filter) = $0 { filter } else { nil } }
    }

    /// What the file wants X to have: a filter keeps rules that X holds for it as far as they have what it asks for.
    ///
    /// - Parameters:
    ///   - held: the rules that X holds.
    ///   - ownership: which of them are ours.
    ///   - following: the list of the accounts that an account follows; nil when it was never read.
    /// - Returns: the rules, and what each filter has become.
    package func expanded(
        beside held: [XRule], ownership: RuleOwnership, following: (String) -> FollowingList?
    ) -> RuleExpansion {
        RuleExpansion(entries, plan: plan, held: held, ownership: ownership, following: following)
    }

    /// Checks that X can accept the file.
    ///
    /// - Parameter held: the rules that X holds; with the same value they are no errors, whatever they say.
    /// - Throws: `XError`: `reject` that lists every error with line and column.
    package func requireGood(beside held: [XRule] = []) throws(XError) {
        let errors = formErrors + texts(of: ruleErrors, beside: held)
        guard errors.isEmpty else { throw XError(.reject, errors.joined(separator: "\n")) }
    }

    /// What is written in a way that is probably not meant, one text each, apart from the rules that X holds.
    package func doubts(beside held: [XRule] = []) -> [String] { texts(of: ruleDoubts, beside: held) }

    private func texts(of findings: [Finding], beside held: [XRule]) -> [String] {
        let known = Set(held.map { ExactText($0.value) })
        let hasAll = !rules.isEmpty && rules.allSatisfy { known.contains(ExactText($0.value)) }
        return findings.filter { finding in !(finding.value.map { known.contains(ExactText($0)) } ?? hasAll) }
            .map(\.text)
    }

    /// The text of a file that holds these rules.
    package static func text(_ rules: [WantedRule]) -> String {
        if rules.isEmpty { return "[]\n" }
        return rules.map { rule in
            var lines = ["- value: \(scalar(rule.value))"]
            if let tag = rule.tag { lines.append("  tag: \(scalar(tag))") }
            if let note = rule.note { lines.append("  note: \(scalar(note))") }
            return lines.joined(separator: "\n") + "\n"
        }.joined()
    }

    /// A quoted scalar (YAML 1.2, sections 7.3.1 and 7.3.2); single quotes where the text allows, as rules are full of double ones.
    static func scalar(_ text: String) -> String {
        if text.unicodeScalars.allSatisfy(\.isPlainInYAML) { return "'\(text.replacing("'", with: "''"))'" }
        let escaped = text.unicodeScalars.map { scalar in
            if scalar == "\"" || scalar == "\\" { return "\\\(scalar)" }
            return scalar.isPlainInYAML ? String(scalar) : "\\U" + scalar.eightHexDigits
        }
        return "\"\(escaped.joined())\""
    }
}

extension Unicode.Scalar {
    /// Whether it may stand as it is in a quoted scalar of one line (YAML 1.2, section 5.1).
    fileprivate var isPlainInYAML: Bool {
        switch properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator: false
        default: value != 0xfeff && value & 0xfffe != 0xfffe
        }
    }

    fileprivate var eightHexDigits: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 8 - digits.utf8.count) + digits
    }
}
