/// Other ways to write a rule that matches the same posts.
///
/// X cannot change a tag, and refuses a value that it already holds. So while a rule is replaced by one with the same value
/// and a new tag, a stand-in of the same meaning keeps its posts coming.
enum EquivalentRules {
    /// The other ways to write a rule, the plainest first.
    ///
    /// - Parameters:
    ///   - value: the rule.
    ///   - plan: limits the length.
    /// - Returns: none when the rule is too long and too simple for any.
    static func of(_ value: String, plan: AccountPlan) -> [String] {
        let check = RuleCheck(value, plan: plan)
        let expression = check.expression
        let grouped = ["(\(value))", "((\(value)))"]
        // What X holds although it is not understood here can be replaced all the same; X judges the stand-in.
        guard check.isValid else { return grouped.filter { $0.unicodeScalars.count <= plan.maximalRuleLength } }
        let candidates = grouped + [rotated(value, expression), opened(value, expression)].compactMap { $0 }
        return candidates.filter { $0 != value && RuleCheck($0, plan: plan).isValid }
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
