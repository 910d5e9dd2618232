import Core
import Hummingbird
import Synchronization

/// What the simulator's account has used, and in which of X's forms the usage endpoint reports it.
package struct AccountUsage: Sendable {
    package enum Form: String, Sendable, Codable, CaseIterable {
        /// Sums of the project, numbers as text (2.167).
        case texts
        /// The same with numbers (2.166).
        case numbers
        /// Days with what each app consumed, without sums (prose pages).
        case days
    }

    package var form = Form.texts
    package var cap: Int64 = 3_000_000
    package var used: Int64 = 0
    package var resetDay = 9
    /// Posts a day: today last.
    package var daily: [Int64] = []

    /// Nothing used of three million.
    package init() {}
}

/// `/2/usage/tweets` and `/2/tweets/counts/recent` (documentation, "Usage" and "Post counts").
final class AccountEndpoints: Sendable {
    private let state = Mutex<(usage: AccountUsage, counts: [String: Int64], asked: [String])>(
        (AccountUsage(), [:], []))

    var usage: AccountUsage {
        get { state.withLock { $0.usage } }
        set { state.withLock { $0.usage = newValue } }
    }

    /// Posts in seven days, by query; other queries have none.
    var counts: [String: Int64] {
        get { state.withLock { $0.counts } }
        set { state.withLock { $0.counts = newValue } }
    }

    /// The queries that were asked about, in order.
    var asked: [String] { state.withLock { $0.asked } }

    func answerUsage() -> Response {
        let usage = usage
        let today = Timestamp.now().milliseconds / 86_400_000
        let days = usage.daily.enumerated().map { index, posts in
            (
                date: "\(Timestamp(milliseconds: (today - Int64(usage.daily.count - 1 - index)) * 86_400_000))",
                posts: posts
            )
        }
        var writer = JSONWriter()
        writer.object { answer in
            if usage.form == .days {
                answer.field("data", objects: days) { object, day in
                    object.field("date", day.date)
                    object.field("usage", objects: [day.posts]) { app, posts in
                        app.field("app_id", "1")
                        app.field("tweets_consumed", literal: posts)
                    }
                }
            } else {
                answer.field("data") { data in Self.write(usage, days, &data) }
            }
        }
        return Response(status: 200, json: writer.bytes)
    }

    private static func write(
        _ usage: AccountUsage, _ days: [(date: String, posts: Int64)], _ data: inout JSONWriter
    ) {
        func number(_ name: String, _ value: Int64, _ writer: inout JSONWriter) {
            if usage.form == .texts { writer.field(name, String(value)) } else { writer.field(name, literal: value) }
        }
        data.field("cap_reset_day", literal: usage.resetDay)
        number("project_cap", usage.cap, &data)
        data.field("project_id", "1")
        number("project_usage", usage.used, &data)
        data.field("daily_project_usage") { project in
            project.field("project_id", "1")
            project.field("usage", objects: days) { object, day in
                object.field("date", day.date)
                number("usage", day.posts, &object)
            }
        }
    }

    /// Seven days that end now, each with a seventh.
    func answerCounts(_ request: Request) -> Response {
        guard let query = request.uri.queryParameters["query"].map(String.init), !query.isEmpty else {
            return Response(.invalidRequest("The `query` query parameter can not be empty"))
        }
        let total = state.withLock { state in
            state.asked.append(query)
            return state.counts[query] ?? 0
        }
        let now = Timestamp.now().milliseconds
        var writer = JSONWriter()
        writer.object { answer in
            answer.field("data", objects: Array(0..<7)) { object, day in
                object.field("start", "\(Timestamp(milliseconds: now - Int64(7 - day) * 86_400_000))")
                object.field("end", "\(Timestamp(milliseconds: now - Int64(6 - day) * 86_400_000))")
                object.field("tweet_count", literal: day == 0 ? total - total / 7 * 6 : total / 7)
            }
            answer.field("meta") { $0.field("total_tweet_count", literal: total) }
        }
        return Response(status: 200, json: writer.bytes)
    }
}

extension XSimulator {
    func addAccountRoutes(to router: Router<XContext>) {
        router.group("2/usage/tweets").add(middleware: XGate(simulator: self, endpoint: "usage"))
            .get { [account] _, _ in account.answerUsage() }
        router.group("2/tweets/counts/recent").add(middleware: XGate(simulator: self, endpoint: "counts"))
            .get { [account] request, _ in account.answerCounts(request) }
    }

    /// What the usage endpoint reports.
    package var usage: AccountUsage {
        get { account.usage }
        set { account.usage = newValue }
    }

    /// What the counts endpoint reports, by query; other queries have no posts.
    package var counts: [String: Int64] {
        get { account.counts }
        set { account.counts = newValue }
    }

    /// The queries that the counts endpoint was asked about, in order.
    package var countedQueries: [String] { account.asked }

    /// The rules after each call that could change them, since the simulator was made or the rules were replaced.
    package var ruleHistory: [[StreamRule]] { history.all }

    /// Begins again with these rules, a new history, and no faults.
    package func replaceRules(_ rules: [(value: String, tag: String?)]) {
        _ = self.rules.delete(isDryRun: false) { _ in true }
        faults.clear()
        addRules(rules)
        history.clear()
        history.add(self.rules.all)
    }

    /// Makes these the rules that X holds, without a look at what they say.
    package func holdRules(_ rules: [(value: String, tag: String?)]) {
        self.rules.hold(rules)
        history.clear()
        history.add(self.rules.all)
    }
}
