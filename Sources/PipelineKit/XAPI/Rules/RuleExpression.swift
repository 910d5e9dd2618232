/// A rule as X reads it: what is side by side must all hold, and `OR` binds less than that.
package indirect enum RuleExpression: Equatable, Sendable {
    case term(RuleTerm)
    /// At least two parts that must all hold.
    case all([RuleExpression])
    /// At least two parts of which one must hold.
    case any([RuleExpression])
    /// Parentheses; the place includes them.
    case group(RuleExpression, place: Range<Int>)

    /// The code points that it is written in.
    package var place: Range<Int> {
        switch self {
        case .term(let term): term.place
        case .group(_, let place): place
        case .all(let parts), .any(let parts):
            (parts.first?.place.lowerBound ?? 0)..<(parts.last?.place.upperBound ?? 0)
        }
    }

    /// Every term, in order.
    package var terms: [RuleTerm] {
        switch self {
        case .term(let term): [term]
        case .group(let inner, _): inner.terms
        case .all(let parts), .any(let parts): parts.flatMap(\.terms)
        }
    }
}
