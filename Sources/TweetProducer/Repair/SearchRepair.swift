import Core
import FoundationEssentials
import Journal
import TweetFormat
import XAPI

/// Fills gaps by asking X's search for each rule (X: "Search Posts", recent): approximately, because the search differs from
/// the stream in details and knows today's rules only.
struct SearchRepair {
    let api: XAPI
    let fields: [StreamFields: [String]]
    let plan: AccountPlan
    let stop: Stop
    let deliver: (JournalChunk) -> ChunkDelivery

    private static let path = "/2/tweets/search/recent"
    private static let counts = "/2/tweets/counts/recent"
    /// X's smallest and largest page.
    private static let pageSizes = 10...100
    /// X was seen to return pages of the same posts endlessly.
    private static let idlePages = 3

    /// Searches rule by rule; what was finished before is not searched again.
    ///
    /// - Parameters:
    ///   - job: the window.
    ///   - rules: whose values are searched.
    ///   - budget: posts that may come at most.
    ///   - connection: marks the lines.
    /// - Returns: what it came to, with the rules that are finished, also those of earlier tries.
    func run(_ job: RepairPlan.Job, rules: [XRule], budget: Int64, connection: Int64) -> RepairOutcome {
        var outcome = RepairOutcome()
        outcome.searched = job.gaps[0].searched
        var unknown: [String] = []
        for rule in rules where !outcome.searched.contains(rule.id) {
            if let obstacle = Self.obstacle(rule, plan) {
                unknown.append("'\(rule.value.prefix(60))': \(obstacle)")
                continue
            }
            search(rule, job, budget, connection, &outcome)
            if outcome.obstacle != nil { return outcome }
            outcome.searched.append(rule.id)
        }
        if !unknown.isEmpty {
            outcome.fail(
                "\(unknown.count) of \(rules.count) rules cannot be searched: \(unknown.prefix(3).joined(separator: "; "))"
            )
        }
        return outcome
    }

    /// A rule that is longer than a query is searched in parts; a post that is found by several is journalled once.
    private func search(
        _ rule: XRule, _ job: RepairPlan.Job, _ budget: Int64, _ connection: Int64, _ outcome: inout RepairOutcome
    ) {
        var seen: Set<String> = []
        for query in CountQuery.queries(for: rule.value, plan: plan) where outcome.obstacle == nil {
            search(query.text, rule, job, budget, connection, &seen, &outcome)
        }
    }

    private func search(
        _ text: String, _ rule: XRule, _ job: RepairPlan.Job, _ budget: Int64, _ connection: Int64,
        _ seen: inout Set<String>, _ outcome: inout RepairOutcome
    ) {
        var idle = 0
        var token: String?
        repeat {
            let size = min(Int64(Self.pageSizes.upperBound), budget - outcome.posts)
            guard size >= Self.pageSizes.lowerBound else {
                return outcome.fail("the budget of \(budget) posts is used up")
            }
            let page: SearchPage
            do throws(XError) { page = try ask(text, rule, job, size: size, token: token) } catch {
                return outcome.fail(error.description)
            }
            outcome.posts += Int64(page.ids.count)
            let fresh = zip(page.ids, page.lines).filter { seen.insert($0.0).inserted }.map(\.1)
            if !fresh.isEmpty {
                let delivery = deliver(JournalChunk(lines: fresh, connection: connection))
                guard delivery == .durable else { return outcome.fail(delivery) }
            }
            idle = fresh.isEmpty ? idle + 1 : 0
            token = idle < Self.idlePages ? page.nextToken : nil
        } while token != nil
    }

    private func ask(
        _ text: String, _ rule: XRule, _ job: RepairPlan.Job, size: Int64, token: String?
    ) throws(XError) -> SearchPage {
        var query = [(name: "query", value: text)] + Self.window(job) + [(name: "max_results", value: "\(size)")]
        for parameter in StreamFields.allCases {
            guard let names = fields[parameter], !names.isEmpty else { continue }
            query.append((parameter.rawValue, names.joined(separator: ",")))
        }
        if let token { query.append(("next_token", token)) }
        let body = try api.get(Self.path, query: query)
        guard let page = SearchPage(body, rule: .init(id: rule.id, tag: rule.tag)) else {
            throw XError(.wait, "X's answer to a search has an unexpected form (\(body.count) bytes)")
        }
        return page
    }

    /// How many posts a search would bring; each question costs about as much as one post.
    ///
    /// - Throws: `XError` when X cannot be asked.
    func estimate(_ job: RepairPlan.Job, _ rule: XRule) throws(XError) -> Int64 {
        var sum: Int64 = 0
        for part in CountQuery.queries(for: rule.value, plan: plan) {
            let query = [(name: "query", value: part.text)] + Self.window(job) + [(name: "granularity", value: "hour")]
            let answer = try? JSONDecoder().decode(JSONValue.self, from: Data(try api.get(Self.counts, query: query)))
            let meta = answer?["meta"]
            guard let posts = (meta?["total_tweet_count"] ?? meta?["total_post_count"])?.number else {
                throw XError(.wait, "X's answer about counts has an unexpected form")
            }
            sum += Int64(posts)
        }
        return sum
    }

    /// Why a rule cannot be searched; nil when it can.
    static func obstacle(_ rule: XRule, _ plan: AccountPlan) -> String? {
        let queries = CountQuery.queries(for: rule.value, plan: plan)
        return queries.compactMap(\.obstacle).first
            ?? (queries.contains { $0.share < 1 } ? "the search has no sample:" : nil)
    }

    /// X takes whole seconds.
    static func window(_ job: RepairPlan.Job) -> [(name: String, value: String)] {
        [
            ("start_time", job.from.description.prefix(19) + "Z"),
            ("end_time", job.to.advanced(by: .milliseconds(999)).description.prefix(19) + "Z"),
        ]
    }
}
