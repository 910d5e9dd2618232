/// Parses tokens into an expression; continues after an error where that makes sense.
struct RuleParser {
    private let tokens: [RuleToken]
    private var index = 0
    private var depth = 0
    private var isTooDeep = false
    private(set) var mistakes: [RuleMistake] = []
    /// What the rule says; nil when nothing could be read.
    private(set) var expression: RuleExpression?

    /// Groups inside each other; more than any rule needs, and few enough for the stack.
    private static let maximalDepth = 100

    init(_ tokens: [RuleToken]) {
        self.tokens = tokens
        expression = parseAny()
        while let token = peek {
            mistakes.append(RuleMistake(token.place, "this ')' closes nothing"))
            index += 1
            expression = parseAny() ?? expression
        }
    }

    private var peek: RuleToken? { index < tokens.count ? tokens[index] : nil }

    private mutating func parseAny() -> RuleExpression? {
        var parts: [RuleExpression] = []
        var danglingOr: RuleToken?
        while true {
            let part = parseAll()
            if let part {
                parts.append(part)
                danglingOr = nil
            }
            guard let token = peek, token.kind == .or else { break }
            if part == nil {
                mistakes.append(RuleMistake(token.place, "OR needs something before it"))
            } else {
                danglingOr = token
            }
            index += 1
        }
        if let danglingOr { mistakes.append(RuleMistake(danglingOr.place, "OR needs something behind it")) }
        return parts.count > 1 ? .any(parts) : parts.first
    }

    private mutating func parseAll() -> RuleExpression? {
        var parts: [RuleExpression] = []
        while let token = peek, token.kind != .or, token.kind != .close {
            if let part = parseOne(token) { parts.append(part) }
        }
        return parts.count > 1 ? .all(parts) : parts.first
    }

    private mutating func parseOne(_ token: RuleToken) -> RuleExpression? {
        index += 1
        switch token.kind {
        case .open: return parseGroup(from: token)
        case .term(let kind): return .term(RuleTerm(kind: kind, isNegated: false, place: token.place))
        case .minus: return parseNegated(token)
        case .or, .close: return nil
        }
    }

    private mutating func parseNegated(_ minus: RuleToken) -> RuleExpression? {
        guard let next = peek else { return nil }
        if case .term(let kind) = next.kind {
            index += 1
            let place = minus.place.lowerBound..<next.place.upperBound
            return .term(RuleTerm(kind: kind, isNegated: true, place: place))
        }
        if next.kind == .open {
            mistakes.append(
                RuleMistake(
                    minus.place, "a group cannot be left out as a whole; write the '-' before each part: -a -b"))
        }
        return nil
    }

    private mutating func parseGroup(from open: RuleToken) -> RuleExpression? {
        guard depth < Self.maximalDepth else {
            mistakes.append(RuleMistake(open.place, "more than \(Self.maximalDepth) groups are inside each other"))
            isTooDeep = true
            index = tokens.count
            return nil
        }
        depth += 1
        defer { depth -= 1 }
        let inner = parseAny()
        guard let close = peek, close.kind == .close else {
            if !isTooDeep { mistakes.append(RuleMistake(open.place, "this '(' is never closed")) }
            return inner
        }
        index += 1
        let place = open.place.lowerBound..<close.place.upperBound
        guard let inner else {
            mistakes.append(RuleMistake(place, "there is nothing between the parentheses"))
            return nil
        }
        return .group(inner, place: place)
    }
}
