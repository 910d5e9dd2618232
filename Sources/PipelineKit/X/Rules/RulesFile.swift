import Yams

/// A rule as the user wants it at X: where it stands in the file, and what it says.
package struct WantedRule: Equatable, Sendable {
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
}

/// The file of rules: a YAML list of `value`, `tag` and, if wanted, `note`.
package struct RulesFile: Sendable {
    package let path: String
    package let rules: [WantedRule]
    /// What is written in a way that is probably not meant, one text each.
    package let doubts: [String]

    /// The setting that names it.
    package static let setting = Setting("X_RULES_FILE", flag: "rules-file")

    /// Reads and checks a file.
    ///
    /// - Throws: `Failure` (65) that lists every mistake with line and column, 65 also when the file cannot be read.
    package init(path: String, plan: AccountPlan) throws(Failure) {
        let text: String
        do { text = try readTextFile(path) } catch { throw Failure(.badData, "rules file: \(error)") }
        try self.init(path: path, text: text, plan: plan)
    }

    /// Checks the text of a file; `path` is only named.
    package init(path: String, text: String, plan: AccountPlan) throws(Failure) {
        var reading = RulesFileReading(path: path)
        reading.read(text)
        reading.check(plan)
        guard reading.mistakes.isEmpty else { throw Failure(.badData, reading.mistakes.joined(separator: "\n")) }
        self.path = path
        rules = reading.rules
        doubts = reading.doubts
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
    private static func scalar(_ text: String) -> String {
        let isPlain = text.unicodeScalars.allSatisfy { !["Cc", "Zl", "Zp"].contains($0.categoryCode) }
        return isPlain ? "'\(text.replacing("'", with: "''"))'" : JSONText.string(text)
    }
}

extension Unicode.Scalar {
    fileprivate var categoryCode: String {
        switch properties.generalCategory {
        case .control: "Cc"
        case .lineSeparator: "Zl"
        case .paragraphSeparator: "Zp"
        default: ""
        }
    }
}

/// One pass over a rules file, collecting everything that is wrong.
private struct RulesFileReading {
    let path: String
    private(set) var rules: [WantedRule] = []
    private(set) var mistakes: [String] = []
    private(set) var doubts: [String] = []

    init(path: String) {
        self.path = path
    }

    mutating func read(_ text: String) {
        let root: Node?
        do { root = try Yams.compose(yaml: text) } catch {
            mistakes.append("\(path): not YAML: \(error)")
            return
        }
        guard let root, root.scalar?.string.isEmpty != true else { return }
        guard let list = root.sequence else {
            mistakes.append("\(path)\(line(of: root)): expected a list of rules: `- value: …`, `  tag: …`")
            return
        }
        for node in list { readRule(node) }
    }

    private mutating func readRule(_ node: Node) {
        guard let mapping = node.mapping else {
            mistakes.append("\(path)\(line(of: node)): a rule is written `- value: …` with `tag: …` below it")
            return
        }
        var texts: [String: (text: String, line: Int)] = [:]
        for (keyNode, valueNode) in mapping {
            guard let key = keyNode.string, ["value", "tag", "note"].contains(key) else {
                mistakes.append(
                    "\(path)\(line(of: keyNode)): unknown key '\(keyNode.string ?? "?")'; a rule has value, tag and note"
                )
                continue
            }
            if valueNode.isNull { continue }
            guard let text = valueNode.scalar?.string else {
                mistakes.append("\(path)\(line(of: keyNode)): \(key) must be a single text")
                continue
            }
            texts[key] = (Self.oneLine(text), valueNode.mark?.line ?? 0)
        }
        guard let value = texts["value"] else {
            mistakes.append("\(path)\(line(of: node)): the rule has no value")
            return
        }
        let tag = texts["tag"]?.text ?? ""
        rules.append(
            WantedRule(
                value: value.text, tag: tag.isEmpty ? nil : tag, note: texts["note"]?.text, line: value.line))
    }

    /// A rule may be written over several lines of the file; to X it is one.
    private static func oneLine(_ text: String) -> String {
        let lines = text.split(whereSeparator: \.isNewline).map { $0.drop(while: \.isWhitespace) }
        var joined = lines.joined(separator: " ")
        while joined.last?.isWhitespace == true { joined.removeLast() }
        return joined
    }

    private func line(of node: Node) -> String {
        node.mark.map { ":\($0.line)" } ?? ""
    }

    // MARK: Checks

    mutating func check(_ plan: AccountPlan) {
        var known: [String: Int] = [:]
        for rule in rules {
            if let first = known.updateValue(rule.line, forKey: rule.value) {
                mistakes.append(
                    "\(path):\(rule.line): the same value stands in line \(first); X holds a value only once")
            }
            let check = RuleCheck(rule.value, plan: plan)
            mistakes += check.mistakes.map { told($0, in: rule) }
            doubts += check.doubts.map { told($0, in: rule) }
        }
        if rules.count > plan.maximalRules {
            mistakes.append(
                "\(path): \(rules.count) rules; the plan \(plan.rawValue) allows \(plan.maximalRules) (X_PLAN, --plan)")
        }
    }

    private func told(_ mistake: RuleMistake, in rule: WantedRule) -> String {
        let name = rule.tag.map { " (tag \($0))" } ?? ""
        return "\(path):\(rule.line)\(name), column \(mistake.column): \(mistake.text)\n"
            + mistake.excerpt(of: rule.value)
    }
}
