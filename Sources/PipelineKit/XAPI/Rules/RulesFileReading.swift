import Yams

/// One pass over a rules file, collecting everything that is wrong.
struct RulesFileReading {
    let path: String
    private(set) var entries: [RulesFile.Entry] = []
    /// What makes the file no list of rules.
    var formErrors: [String] = []
    /// What X would reject.
    private(set) var ruleErrors: [RulesFile.Finding] = []
    /// What is probably not meant.
    private(set) var doubts: [RulesFile.Finding] = []
    private var lines: [Substring] = []

    init(path: String) {
        self.path = path
    }

    mutating func read(_ text: String) {
        lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        let root: Node?
        do { root = try Yams.compose(yaml: text) } catch {
            formErrors.append("\(path): not YAML: \(error)\(hint(for: error))")
            return
        }
        guard let root, !root.isNull else { return }
        guard let list = root.sequence else {
            formErrors.append("\(path)\(line(of: root)): expected a list of rules: `- value: …`, `  tag: …`")
            return
        }
        for node in list { readEntry(node) }
    }

    private mutating func readEntry(_ node: Node) {
        guard let mapping = node.mapping else {
            formErrors.append(
                "\(path)\(line(of: node)): a rule is written `- value: …` with `tag: …` below it, a filter `- filter: …`"
                    + " with `words: […]` below it")
            return
        }
        if mapping["filter"] != nil {
            if let filter = readFilter(mapping) { entries.append(.filter(filter)) }
        } else {
            readRule(mapping, at: node)
        }
    }

    private mutating func readRule(_ mapping: Node.Mapping, at node: Node) {
        let texts = texts(of: mapping)
        guard let value = texts["value"] else {
            if mapping["value"] == nil { formErrors.append("\(path)\(line(of: node)): the rule has no value") }
            return
        }
        let tag = texts["tag"]?.text ?? ""
        entries.append(
            .rule(
                WantedRule(
                    value: value.text, tag: tag.isEmpty ? nil : tag, note: texts["note"]?.text, line: value.line)))
    }

    /// The texts of a rule by key, with their lines; what has no text is left out.
    private mutating func texts(of rule: Node.Mapping) -> [String: (text: String, line: Int)] {
        var texts: [String: (text: String, line: Int)] = [:]
        for (keyNode, valueNode) in rule {
            guard let key = keyNode.string, ["value", "tag", "note"].contains(key) else {
                formErrors.append(
                    "\(path)\(line(of: keyNode)): unknown key '\(keyNode.string ?? "?")'; a rule has value, tag and note"
                )
                continue
            }
            if valueNode.isNull {
                if key == "value" { formErrors.append(emptyValue(at: keyNode)) }
                continue
            }
            guard let scalar = valueNode.scalar else {
                formErrors.append(
                    "\(path)\(line(of: keyNode)): \(key) must be a single text; put it in quotation marks")
                continue
            }
            texts[key] = (text(of: scalar), valueNode.mark?.line ?? 0)
        }
        return texts
    }

    /// What stands in quotation marks counts as it is; block scalars become one line.
    func text(of scalar: Node.Scalar) -> String {
        switch scalar.style {
        case .singleQuoted: scalar.string
        // Yams drops a byte order mark at the beginning of a scalar, also one that is escaped.
        case .doubleQuoted:
            source(at: scalar.mark).hasPrefix("\"\\U0000feff") ? "\u{feff}" + scalar.string : scalar.string
        default: scalar.string.onOneLine
        }
    }

    /// The rest of the line at a place of the file.
    private func source(at mark: Mark?) -> Substring {
        guard let mark, lines.indices.contains(mark.line - 1) else { return "" }
        let scalars = lines[mark.line - 1].unicodeScalars
        return Substring(scalars.dropFirst(mark.column - 1))
    }

    func line(of node: Node) -> String {
        node.mark.map { ":\($0.line)" } ?? ""
    }

    // MARK: Hints

    private func emptyValue(at key: Node) -> String {
        let place = "\(path)\(line(of: key))"
        guard let text = key.mark.flatMap({ written(behindValueIn: $0.line) }), text.hasPrefix("#") else {
            return "\(place): the rule has no value"
        }
        return "\(place): the rule is empty, because YAML reads # as a comment; put the rule in quotation"
            + " marks: value: \(RulesFile.scalar(text))"
    }

    /// What to do about text that YAML cannot read.
    private func hint(for error: any Error) -> String {
        guard let error = error as? YamlError else { return "" }
        let mark: Mark
        switch error {
        case .scanner(_, _, let place, _), .parser(_, _, let place, _), .composer(_, _, let place, _): mark = place
        default: return ""
        }
        guard let text = written(behindValueIn: mark.line), !text.isEmpty, !"'\"|>".contains(text.prefix(1)) else {
            return "\nput every value and tag in quotation marks: value: '…'"
        }
        return "\nput it in quotation marks: value: \(RulesFile.scalar(text))"
    }

    /// What a line of the file has behind `value:`; nil when it has no such key.
    private func written(behindValueIn line: Int) -> String? {
        guard lines.indices.contains(line - 1) else { return nil }
        let text = lines[line - 1].drop { $0 == " " || $0 == "-" }
        guard text.hasPrefix("value:") else { return nil }
        return String(text.dropFirst("value:".count)).onOneLine
    }

    // MARK: Checks

    /// Checks what X would reject, or what is probably not meant.
    ///
    /// - Parameters:
    ///   - plan: limits number and length.
    ///   - rules: the rules of the file, and of its filters.
    mutating func check(_ plan: AccountPlan, _ rules: [WantedRule]) {
        checkNames()
        var known: [ExactText: Int] = [:]
        for rule in rules {
            if let first = known.updateValue(rule.line, forKey: ExactText(rule.value)) {
                formErrors.append(
                    "\(path):\(rule.line): the same value is in line \(first); X holds a value only once")
            }
            let check = RuleCheck(rule.oneLine, plan: plan)
            ruleErrors += check.mistakes.map { RulesFile.Finding(value: rule.value, text: located($0, in: rule)) }
            doubts += check.doubts.map { RulesFile.Finding(value: rule.value, text: located($0, in: rule)) }
        }
        if rules.count > plan.maximalRules {
            let text = "\(rules.count) rules; the plan \(plan.rawValue) allows \(plan.maximalRules) (X_PLAN, --plan)"
            ruleErrors.append(RulesFile.Finding(value: nil, text: "\(path): \(text)"))
        }
    }

    /// A tag names the filter that a rule at X belongs to, so only the filter's own rules may have it.
    private mutating func checkNames() {
        var filters: [String: RuleFilter] = [:]
        for case .filter(let filter) in entries {
            if let other = filters.updateValue(filter, forKey: filter.name) {
                formErrors.append(
                    "\(path):\(filter.line): the filter '\(filter.name)' is also in line \(other.line); give one another name"
                )
            }
        }
        for case .rule(let rule) in entries {
            guard let tag = rule.tag else { continue }
            let owner = filters[tag] ?? tag.lastIndex(of: ".").flatMap { filters[String(tag[..<$0])] }
            if let owner, owner.number(of: tag) != nil {
                formErrors.append(
                    "\(path):\(rule.line): the tag '\(tag)' belongs to the filter in line \(owner.line); choose another tag"
                )
            }
        }
    }

    private func located(_ mistake: RuleMistake, in rule: WantedRule) -> String {
        let name = rule.tag.map { " (tag \($0.onOneLine))" } ?? ""
        return "\(path):\(rule.line)\(name), column \(mistake.column): \(mistake.text)\n"
            + mistake.excerpt(of: rule.oneLine)
    }
}
