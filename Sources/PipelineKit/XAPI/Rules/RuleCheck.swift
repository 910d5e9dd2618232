import Core

/// A rule read by X's grammar, with everything that is wrong with it.
///
/// X has the last word (`dry_run`); this finds what can be found without asking, with its place.
package struct RuleCheck: Sendable {
    /// What X would reject, in the order of the rule; what this list does not know is a doubt instead.
    package private(set) var mistakes: [RuleMistake] = []
    /// What X takes, but what is probably not meant.
    package private(set) var doubts: [RuleMistake] = []
    /// What the rule says; nil when it could not be read.
    package private(set) var expression: RuleExpression?
    /// In code points of Unicode, spaces included.
    package let length: Int

    private let plan: AccountPlan

    /// Checks a rule as it would be sent to X.
    ///
    /// The length counts code points. X's page only speaks of characters; counted so, no rule is longer than X can mean,
    /// except where X composes letters and marks first.
    package init(_ rule: String, plan: AccountPlan) {
        self.plan = plan
        let scalars = Array(rule.unicodeScalars)
        length = scalars.count
        if length > plan.maximalRuleLength {
            mistakes = [
                RuleMistake(
                    plan.maximalRuleLength..<length,
                    "the rule has \(length) characters, and the plan \(plan.rawValue) allows \(plan.maximalRuleLength)")
            ]
        }
        // What is far too long is not read: its length is the mistake.
        guard length <= 4 * plan.maximalRuleLength else { return }
        let tokenizer = RuleTokenizer(scalars)
        let parser = RuleParser(tokenizer.tokens)
        mistakes += tokenizer.mistakes + parser.mistakes
        expression = parser.expression
        let canBeWhole = mistakes.isEmpty
        expression?.terms.forEach { check($0) }
        if let expression {
            if canBeWhole { checkCompany(expression) }
        } else if mistakes.isEmpty {
            mistakes.append(RuleMistake(0..<length, "the rule is empty"))
        }
        if canBeWhole, let expression { findMixedParts(expression, scalars) }
        mistakes.sort { $0.place.lowerBound < $1.place.lowerBound }
        doubts.sort { $0.place.lowerBound < $1.place.lowerBound }
    }

    package var isValid: Bool { mistakes.isEmpty }

    // MARK: Terms

    private mutating func check(_ term: RuleTerm) {
        switch term.kind {
        case .keyword(let word): check(word, of: term)
        case .phrase: break
        case .operator(let name, let value): check(name, value, of: term)
        }
    }

    private mutating func check(_ word: String, of term: RuleTerm) {
        if let text = Self.mistake(in: word) { mistakes.append(RuleMistake(term.place, text)) }
        if let text = Self.doubt(about: word) { doubts.append(RuleMistake(term.place, text)) }
    }

    private static func mistake(in word: String) -> String? {
        let rest = word.unicodeScalars.dropFirst()
        switch word.unicodeScalars.first {
        case "#" where rest.isEmpty, "@" where rest.isEmpty, "$" where rest.isEmpty:
            return "'\(word)' stands alone; write the name without a space after it"
        case "@" where !RuleValueCheck.isUserName(word.dropFirst()):
            return "'\(word)' is not a user's name: letters, digits and '_'"
        case "$" where !rest.allSatisfy({ $0.properties.isAlphabetic || $0 == "." || $0 == "_" || ("0"..."9") ~= $0 }):
            return "'\(word)' is not a cashtag such as $TWTR"
        default: break
        }
        switch word {
        case "and", "And":
            return "X rejects the word '\(word)' by itself: a space means and; to look for the word write \"and\""
        case "or", "Or":
            return "X rejects the word '\(word)' by itself: write OR, or \"or\" to look for the word"
        case "]", "[": return "'\(word)' belongs behind an operator, or into quotation marks"
        default: return nil
        }
    }

    private static func doubt(about word: String) -> String? {
        if word == "AND" { return "X looks for the word AND; a space alone means and" }
        if word == "NOT" { return "X looks for the word NOT; '-' leaves something out" }
        let isMarked = word.hasPrefix("#") || word.hasPrefix("@") || word.hasPrefix("$")
        guard !isMarked, word.unicodeScalars.count > 1,
            let sign = word.unicodeScalars.first(where: RuleValueCheck.isPunctuation)
        else { return nil }
        return "'\(sign)' splits words; write \"\(word)\" to find them side by side"
    }

    private mutating func check(_ name: String, _ value: RuleValue, of term: RuleTerm) {
        guard let known = RuleOperator.named(name) else {
            if let text = Self.textTakenForOperator(name) {
                mistakes.append(RuleMistake(term.place, text))
            } else {
                doubts.append(RuleMistake(term.place, Self.unknown(name)))
            }
            return
        }
        if term.isNegated, !known.isNegatable {
            mistakes.append(RuleMistake(term.place, "'\(name):' cannot be left out with '-'"))
        }
        if name == "is", value.text.lowercased() == "nullcast", !term.isNegated {
            mistakes.append(RuleMistake(term.place, "'is:nullcast' can only be left out: -is:nullcast"))
        }
        if known.plan == .enterprise, plan != .enterprise {
            mistakes.append(
                RuleMistake(term.place, "'\(name):' is only for accounts with X_PLAN (--plan) enterprise"))
        }
        switch RuleValueCheck.look(at: value, of: name, kind: known.value) {
        case .mistake(let text): mistakes.append(RuleMistake(value.place.isEmpty ? term.place : value.place, text))
        case .doubt(let text): doubts.append(RuleMistake(value.place, text))
        case nil: break
        }
    }

    /// Why a word with a colon is no operator; nil when it may be one.
    private static func textTakenForOperator(_ name: String) -> String? {
        if name.isEmpty { return "a ':' without an operator's name; put it in quotation marks" }
        if ["http", "https"].contains(name) { return "an address after 'url:' must be in quotation marks: url:\"…\"" }
        return nil
    }

    private static func unknown(_ name: String) -> String {
        let hint =
            nearest(name, among: RuleOperator.names).map { "did you mean '\($0):'?" }
            ?? "put it in quotation marks if it is text to look for."
        return "'\(name):' is not in the list of X's operators; \(hint) X decides (dry run)"
    }

    // MARK: Company

    private mutating func checkCompany(_ expression: RuleExpression) {
        checkBranches(expression)
        guard mistakes.isEmpty else { return }
        if let lonely = Self.lonely(in: expression, mayStandAlone: { $0 != .needsAnother }) {
            let text =
                expression.terms.allSatisfy(\.isNegated)
                ? "a rule needs a positive term; this one only excludes"
                : "this cannot stand alone; put a word, #tag, @user, from: or the like beside it"
            mistakes.append(RuleMistake(lonely.place, text))
        } else if let lonely = Self.lonely(in: expression, mayStandAlone: { $0 == .canStandAlone }) {
            doubts.append(
                RuleMistake(lonely.place, "X's pages do not say whether this can stand alone; X decides (dry run)"))
        }
    }

    /// A branch of OR that only leaves out would match nearly every post there is.
    private mutating func checkBranches(_ expression: RuleExpression) {
        switch expression {
        case .term: break
        case .group(let inner, _): checkBranches(inner)
        case .all(let parts): parts.forEach { checkBranches($0) }
        case .any(let parts):
            parts.forEach { checkBranches($0) }
            for part in parts where part.terms.allSatisfy(\.isNegated) {
                mistakes.append(RuleMistake(part.place, "a side of OR needs a positive term; this one only excludes"))
            }
        }
    }

    /// The first part that would have to stand alone and cannot; nil when there is none.
    private static func lonely(
        in expression: RuleExpression, mayStandAlone: (RuleOperator.Company) -> Bool
    ) -> RuleExpression? {
        switch expression {
        case .term(let term): mayStandAlone(term.company) ? nil : expression
        case .group(let inner, _): lonely(in: inner, mayStandAlone: mayStandAlone)
        case .any(let parts): parts.compactMap { lonely(in: $0, mayStandAlone: mayStandAlone) }.first
        case .all(let parts):
            parts.contains { lonely(in: $0, mayStandAlone: mayStandAlone) == nil } ? nil : expression
        }
    }

    // MARK: Precedence

    /// Parts that stand side by side within an OR without parentheses: many expect OR to bind tighter.
    private mutating func findMixedParts(_ expression: RuleExpression, _ scalars: [Unicode.Scalar]) {
        switch expression {
        case .term: return
        case .group(let inner, _): findMixedParts(inner, scalars)
        case .all(let parts): for part in parts { findMixedParts(part, scalars) }
        case .any(let parts):
            for part in parts { findMixedParts(part, scalars) }
            let texts = parts.map { part in
                let text = String(String.UnicodeScalarView(scalars[part.place]))
                if case .all = part { return (text: "(\(text))", isMixed: true) }
                return (text: text, isMixed: false)
            }
            guard texts.contains(where: \.isMixed) else { return }
            let meaning = texts.map(\.text).joined(separator: " OR ")
            doubts.append(RuleMistake(expression.place, "means \(meaning); write the parentheses"))
        }
    }
}

extension RuleTerm {
    /// Whether a rule may consist of it.
    fileprivate var company: RuleOperator.Company {
        if isNegated { return .needsAnother }
        guard case .operator(let name, _) = kind else { return .canStandAlone }
        return RuleOperator.named(name)?.company ?? .unknown
    }
}
