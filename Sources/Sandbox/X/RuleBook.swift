import Synchronization

/// The rules of the simulator's stream.
final class RuleBook: Sendable {
    /// What became of one rule of a request.
    enum Outcome: Sendable {
        case valid(StreamRule)
        case duplicate(of: StreamRule)
        case invalid(value: String, why: String)
    }

    private let rules = Mutex<[StreamRule]>([])
    private let maximalCount: Int
    private let maximalLength: Int
    private let operators: Set<String>?
    private let onChange: @Sendable ([StreamRule]) -> Void

    /// - Parameters:
    ///   - maximalCount: rules for the project.
    ///   - maximalLength: code points of a rule.
    ///   - operators: those that a rule may hold; nil: all.
    ///   - onChange: is called with the rules after each change.
    init(
        maximalCount: Int, maximalLength: Int, operators: Set<String>?,
        onChange: @escaping @Sendable ([StreamRule]) -> Void
    ) {
        self.maximalCount = maximalCount
        self.operators = operators
        self.maximalLength = maximalLength
        self.onChange = onChange
    }

    var all: [StreamRule] { rules.withLock { $0 } }
    var cap: Int { maximalCount }

    /// Judges new rules, and keeps them when all are fit; nil when there would be too many.
    ///
    /// As X does, one invalid rule refuses the whole request, and a rule with a known value is not added again.
    func add(_ wanted: [(value: String, tag: String?)], isDryRun: Bool) -> [Outcome]? {
        let result = rules.withLock { rules -> [Outcome]? in
            var next = rules
            var outcomes: [Outcome] = []
            for (value, tag) in wanted {
                if let why = RuleSyntax.mistake(in: value, maximalLength: maximalLength, operators) {
                    outcomes.append(.invalid(value: value, why: why))
                } else if let known = next.first(where: { $0.value == value }) {
                    outcomes.append(.duplicate(of: known))
                } else {
                    let rule = StreamRule(id: Self.newID(after: next.last?.id), value: value, tag: tag)
                    next.append(rule)
                    outcomes.append(.valid(rule))
                }
            }
            guard next.count <= maximalCount else { return nil }
            let isRefused = outcomes.contains { if case .invalid = $0 { true } else { false } }
            if !isDryRun, !isRefused { rules = next }
            return outcomes
        }
        if !isDryRun { onChange(all) }
        return result
    }

    /// Holds these rules and no others, whatever they say: X keeps rules that it would not accept any more.
    func hold(_ wanted: [(value: String, tag: String?)]) {
        rules.withLock { rules in
            rules = []
            for (value, tag) in wanted {
                rules.append(StreamRule(id: Self.newID(after: rules.last?.id), value: value, tag: tag))
            }
        }
        onChange(all)
    }

    /// Deletes the rules that `isWanted` picks; returns how many.
    func delete(isDryRun: Bool, _ isWanted: (StreamRule) -> Bool) -> Int {
        let count = rules.withLock { rules in
            let kept = rules.filter { !isWanted($0) }
            let count = rules.count - kept.count
            if !isDryRun { rules = kept }
            return count
        }
        if !isDryRun { onChange(all) }
        return count
    }

    private static func newID(after last: String?) -> String {
        let now = Snowflakes.id(at: .now(), sequence: 0)
        return String(max(now, (last.flatMap { Int64($0) } ?? 0) + 1))
    }
}

/// As much of X's rule grammar as a refusal needs (documentation, "Build a rule").
enum RuleSyntax {
    private static let needsCompany = ["is:", "has:", "lang:", "sample:"]

    /// Why X would refuse a rule; nil when it would not, as far as is checked here.
    static func mistake(in rule: String, maximalLength: Int, _ operators: Set<String>?) -> String? {
        let length = rule.unicodeScalars.count
        if length > maximalLength { return "Rule length exceeds maximum of \(maximalLength) (was \(length))" }
        let words = rule.split(separator: " ").filter { $0 != "OR" }.map { $0.filter { $0 != "(" && $0 != ")" } }
        if words.isEmpty { return "Rule is empty (at position 1)" }
        if rule.count(where: { $0 == "\"" }) % 2 != 0 { return "Missing closing quote (at position \(length))" }
        if let place = unbalanced(rule) { return "Unbalanced parenthesis (at position \(place))" }
        if let operators, let unknown = words.compactMap(operatorName).first(where: { !operators.contains($0) }) {
            return
                "Reference to invalid operator '\(unknown)'. Operator is not available in current product (at position 1)"
        }
        let canStandAlone = words.contains { word in
            !word.hasPrefix("-") && !needsCompany.contains { word.hasPrefix($0) }
        }
        return canStandAlone ? nil : "Rule must contain at least one positive, non-stopword clause (at position 1)"
    }

    private static func operatorName(_ word: String) -> String? {
        guard !word.hasPrefix("\""), let colon = word.firstIndex(of: ":") else { return nil }
        return String(word[..<colon].drop { $0 == "-" })
    }

    /// The position, from 1, of a parenthesis without its partner.
    private static func unbalanced(_ rule: String) -> Int? {
        var open: [Int] = []
        var isQuoted = false
        for (index, character) in rule.unicodeScalars.enumerated() {
            switch character {
            case "\"": isQuoted.toggle()
            case "(" where !isQuoted: open.append(index + 1)
            case ")" where !isQuoted: if open.popLast() == nil { return index + 1 }
            default: break
            }
        }
        return open.last
    }
}
