import Core

/// Which rules at X are ours, and how their tags differ from those of the file: by a prefix.
package struct RuleOwnership: Equatable, Sendable {
    /// What our tags begin with at X; empty: every rule is ours.
    package let prefix: String

    /// The setting that says it.
    package static let setting = Setting(
        "X_RULES_PREFIX", flag: "prefix", .text, unset: "every rule is ours",
        "Prefix of the tags of our rules at X; rules with other tags stay as they are")

    package init(prefix: String) {
        self.prefix = prefix
    }

    /// The tag at X of a rule in the file.
    package func storedTag(_ tag: String?) -> String? {
        let stored = prefix + (tag ?? "")
        return stored.isEmpty ? nil : stored
    }

    /// The tag in the file of a rule at X.
    package func fileTag(_ stored: String?) -> String? {
        let tag = (stored ?? "").dropFirst(prefix.count)
        return tag.isEmpty ? nil : String(tag)
    }

    /// Whether a rule at X is ours.
    package func owns(_ rule: XRule) -> Bool {
        prefix.isEmpty || rule.tag?.hasPrefix(prefix) == true
    }
}

/// What has to be done so that X has the rules of the file.
package struct RulePlan: Sendable {
    /// A rule that keeps its value and gets another tag.
    package struct Change: Equatable, Sendable {
        package let old: XRule
        package let new: NewRule
    }

    /// Every rule that X holds.
    package let held: [XRule]
    package private(set) var added: [NewRule] = []
    package private(set) var removed: [XRule] = []
    package private(set) var kept: [XRule] = []
    package private(set) var changed: [Change] = []
    /// Rules of others, which stay as they are.
    package private(set) var foreign: [XRule] = []
    /// Wanted values that X already holds for others: it holds each value only once.
    package private(set) var taken: [XRule] = []

    /// Compares by value and tag, byte by byte. A value that X does not hold as the file has it counts as `oneLine`.
    package init(wanted: [WantedRule], existing: [XRule], ownership: RuleOwnership) {
        held = existing
        let byValue = Dictionary(existing.map { (ExactText($0.value), $0) }) { first, _ in first }
        var values: Set<ExactText> = []
        for rule in wanted {
            let value = byValue[ExactText(rule.value)] == nil ? rule.oneLine : rule.value
            guard values.insert(ExactText(value)).inserted else { continue }
            let new = NewRule(value: value, tag: ownership.storedTag(rule.tag))
            guard let old = byValue[ExactText(value)] else {
                added.append(new)
                continue
            }
            if ExactText(old.tag ?? "") == ExactText(new.tag ?? "") {
                kept.append(old)
            } else if ownership.owns(old) {
                changed.append(Change(old: old, new: new))
            } else {
                taken.append(old)
            }
        }
        for rule in existing where !values.contains(ExactText(rule.value)) {
            if ownership.owns(rule) { removed.append(rule) } else { foreign.append(rule) }
        }
    }

    /// Whether X has just what the file says.
    package var isEmpty: Bool { added.isEmpty && removed.isEmpty && changed.isEmpty && taken.isEmpty }

    /// How many rules X holds when this is done.
    package var finalCount: Int { added.count + changed.count + kept.count + foreign.count + taken.count }
}

extension RulePlan {
    /// `2 to add, 1 to remove, 0 to change, 5 to keep`.
    package var summary: String {
        var text =
            "\(added.count) to add, \(removed.count) to remove, \(changed.count) to change, \(kept.count) to keep"
        if !taken.isEmpty { text += ", \(taken.count) taken by others" }
        if !foreign.isEmpty { text += "; \(foreign.count) of others stay" }
        return text
    }
}
