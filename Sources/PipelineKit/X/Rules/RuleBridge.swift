/// Other ways to write a rule that matches the same posts.
///
/// X cannot change a tag, and refuses a value that it already holds. So while a rule is replaced by one with the same value
/// and a new tag, a stand-in of the same meaning keeps its posts coming.
enum RuleBridge {
    /// The ways, the plainest first; empty when the rule is too long and too simple for any.
    static func standIns(for value: String, plan: AccountPlan) -> [String] {
        let expression = RuleCheck(value, plan: plan).expression
        let candidates = ["(\(value))", "((\(value)))", rotated(value, expression), opened(value, expression)]
        return candidates.compactMap { $0 }.filter { $0 != value && RuleCheck($0, plan: plan).isValid }
    }

    /// The first part moved to the end: the order of parts means nothing.
    private static func rotated(_ value: String, _ expression: RuleExpression?) -> String? {
        let (parts, separator): ([RuleExpression], String)
        switch expression {
        case .all(let found): (parts, separator) = (found, " ")
        case .any(let found): (parts, separator) = (found, " OR ")
        default: return nil
        }
        let texts = parts.map { text(of: value, $0.place) }
        return (texts.dropFirst() + texts.prefix(1)).joined(separator: separator)
    }

    /// Without the parentheses around everything.
    private static func opened(_ value: String, _ expression: RuleExpression?) -> String? {
        guard case .group(let inner, _) = expression else { return nil }
        return text(of: value, inner.place)
    }

    private static func text(of value: String, _ place: Range<Int>) -> String {
        String(String.UnicodeScalarView(value.unicodeScalars.dropFirst(place.lowerBound).prefix(place.count)))
    }
}
