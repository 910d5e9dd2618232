import Core
import FoundationEssentials

/// How many posts a rule would bring, by what it would have brought in the last days (X: "Post counts", recent).
package struct RuleEstimate: Equatable, Sendable {
    package enum Outcome: Equatable, Sendable {
        /// Posts in 30 days.
        case posts(Double)
        /// Why X cannot count them.
        case unknown(String)
    }

    package let value: String
    package let outcome: Outcome

    /// The posts in 30 days; nil when X cannot count them.
    package var posts: Double? {
        if case .posts(let count) = outcome { count } else { nil }
    }
}

/// Asks X's counts endpoint about rules; each question costs as much as one post.
package struct RuleEstimator: Sendable {
    private let api: XAPI
    private let plan: AccountPlan

    package init(_ settings: XSettings, plan: AccountPlan) {
        api = XAPI(settings)
        self.plan = plan
    }

    /// Estimates rule by rule. When X's limit of questions is reached, the rest is unknown.
    ///
    /// - Throws: `XError` when X cannot be asked at all.
    package func estimate(_ values: [String]) throws(XError) -> [RuleEstimate] {
        var result: [RuleEstimate] = []
        var limit: String?
        for value in values {
            if let limit {
                result.append(RuleEstimate(value: value, outcome: .unknown(limit)))
                continue
            }
            do throws(XError) { result.append(try estimate(value)) } catch {
                guard error.disposition == .retry, !result.isEmpty else { throw error }
                limit = "X's limit of questions is reached"
                result.append(RuleEstimate(value: value, outcome: .unknown("X's limit of questions is reached")))
            }
        }
        return result
    }

    /// A rule that is asked about in parts counts a post that matches several for each.
    private func estimate(_ value: String) throws(XError) -> RuleEstimate {
        let queries = CountQuery.queries(for: value, plan: plan)
        if let obstacle = queries.compactMap(\.obstacle).first {
            return RuleEstimate(value: value, outcome: .unknown(obstacle))
        }
        do throws(XError) {
            var posts = 0.0
            for query in queries {
                let body = try api.get(
                    "/2/tweets/counts/recent", query: [("query", query.text), ("granularity", "day")])
                guard let month = Self.postsInThirtyDays(body) else {
                    return RuleEstimate(value: value, outcome: .unknown("X's answer has an unexpected form"))
                }
                posts += month * query.share
            }
            return RuleEstimate(value: value, outcome: .posts(posts))
        } catch {
            guard error.disposition == .reject else { throw error }
            return RuleEstimate(value: value, outcome: .unknown("X does not count it: \(error.description)"))
        }
    }

    /// Reads the answer: the total, and the time that its days span.
    private static func postsInThirtyDays(_ body: [UInt8]) -> Double? {
        guard let answer = try? JSONDecoder().decode(JSONValue.self, from: Data(body)) else { return nil }
        let days = answer["data"]?.elements ?? []
        let counts = days.compactMap { ($0["tweet_count"] ?? $0["post_count"])?.number }
        let total = answer["meta"].flatMap { $0["total_tweet_count"] ?? $0["total_post_count"] }?.number
        guard let posts = total ?? (counts.isEmpty ? nil : counts.reduce(0, +)) else { return nil }
        let start = days.compactMap { $0["start"]?.text.flatMap { Timestamp($0) } }.min()
        let end = days.compactMap { $0["end"]?.text.flatMap { Timestamp($0) } }.max()
        let milliseconds = start.flatMap { start in end.map { $0.milliseconds - start.milliseconds } } ?? 0
        let span = milliseconds > 3_600_000 ? Double(milliseconds) / 86_400_000 : 7
        return posts / span * 30
    }
}

/// A rule as X's counts and its search can be asked about it.
package struct CountQuery {
    package private(set) var text: String
    /// The share of the counted posts that the stream would bring.
    package private(set) var share = 1.0
    /// Why it cannot be asked; nil when it can.
    package private(set) var obstacle: String?

    package init(_ value: String, plan: AccountPlan) {
        text = value
        let expression = RuleCheck(value, plan: plan).expression
        takeOutSample(expression)
        let unknown = (expression?.terms ?? []).compactMap { term -> String? in
            guard case .operator(let name, _) = term.kind, RuleOperator.named(name)?.isCountable != true else {
                return nil
            }
            return name == "sample" && share < 1 ? nil : "\(name):"
        }
        if !unknown.isEmpty {
            obstacle = "X's counts do not know \(Set(unknown).sorted().joined(separator: ", "))"
        } else if text.unicodeScalars.count > plan.maximalQueryLength {
            obstacle = "X's counts accept \(plan.maximalQueryLength) characters; the rule is longer"
        }
    }

    /// The queries that together ask about a rule: itself, or, where it is longer than X's counts and search accept, parts of
    /// the alternatives that it consists of (`a OR b OR …`).
    ///
    /// - Parameters:
    ///   - value: the rule.
    ///   - plan: limits the length of a query.
    /// - Returns: at least one; the one of a rule that cannot be cut has the obstacle.
    package static func queries(for value: String, plan: AccountPlan) -> [CountQuery] {
        let whole = CountQuery(value, plan: plan)
        guard value.unicodeScalars.count > plan.maximalQueryLength,
            case .any(let parts) = RuleCheck(value, plan: plan).expression
        else { return [whole] }
        let scalars = Array(value.unicodeScalars)
        let texts = parts.map { String(String.UnicodeScalarView(scalars[$0.place])) }
        guard texts.allSatisfy({ $0.unicodeScalars.count <= plan.maximalQueryLength }) else { return [whole] }
        return TermGroups(texts, limit: plan.maximalQueryLength).groups.map { CountQuery($0.value, plan: plan) }
    }

    /// A `sample:` beside everything else is a factor.
    private mutating func takeOutSample(_ expression: RuleExpression?) {
        guard case .all(let parts) = expression else { return }
        for part in parts {
            guard case .term(let term) = part, case .operator("sample", let value) = term.kind,
                let percent = Double(value.text), percent < 100
            else { continue }
            share *= percent / 100
            var scalars = Array(text.unicodeScalars)
            scalars.replaceSubrange(term.place, with: Array(repeating: " ", count: term.place.count))
            text = String(String.UnicodeScalarView(scalars))
        }
        if share < 1 { text = text.split(separator: " ").joined(separator: " ") }
    }
}
