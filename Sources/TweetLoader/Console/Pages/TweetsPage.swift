import Core
import TweetFormat

/// Tweets by id, link, user, rule, time and text.
struct TweetsPage {
    private let session: ConsoleSession
    private let context: PageContext
    private let conditions: TweetSearch.Conditions
    private let window: Window
    private static let pageSize = 50

    /// How much time is searched.
    enum Window: String, CaseIterable {
        case hour = "1h"
        case day = "24h"
        case week = "7d"

        var duration: Duration {
            switch self {
            case .hour: .seconds(3600)
            case .day: .seconds(86_400)
            case .week: .seconds(7 * 86_400)
            }
        }
    }

    init(_ session: ConsoleSession, _ context: PageContext) {
        (self.session, self.context) = (session, context)
        let request = context.request
        conditions = .init(user: request["user"], rule: request["rule"], text: request["text"])
        window = request.choice("window", .day)
    }

    func content() throws -> HTML {
        let form = form
        guard let wanted = context.request["id"] else { return form + (try search()) }
        guard let id = TweetLink.id(in: wanted) else {
            return form + "<p class=\"problem\" role=\"alert\">This is neither an id nor a link to a tweet.</p>\n"
        }
        let found = try TweetCards.html([id], session)
        guard found.count == 0 else { return form + found.html }
        return form
            + "<p>Tweet \(id) is not stored, or its author is protected. \(Link.to("/explain", [("id", "\(id)")], "Explain why"))</p>\n"
    }

    private var form: HTML {
        let request = context.request
        var form = Form("/tweets")
        form.text("id", "Id or link", request["id"], size: 22)
        form.text("user", "User", conditions.user, hint: "handle or id")
        form.text("rule", "Tag or rule id", conditions.rule)
        form.text("text", "Text contains", conditions.text, size: 22)
        form.text("until", "Before (UTC)", request["until"], size: 20, hint: "2026-11-20T08:00")
        form.choice("window", "Time searched", Window.allCases.map { ($0.rawValue, $0.rawValue) }, window.rawValue)
        return form.html("Search")
    }

    private func search() throws -> HTML {
        let request = context.request
        let until = request.time("until")
        // Clocks differ: what is there counts as past.
        let end = until ?? context.now.advanced(by: .seconds(60))
        let from = end.advanced(by: .zero - window.duration)
        let top = request.number("before") ?? Snowflake.firstID(at: end) ?? 0
        if request["until"] != nil, until == nil {
            return "<p class=\"problem\" role=\"alert\">Before is not \(Timestamp.argumentForm).</p>\n"
        }
        let result = try TweetSearch(session, conditions).run(from: from, to: top, limit: Self.pageSize + 1)
        let ids = Array(result.ids.prefix(Self.pageSize))
        let cards = try TweetCards.html(ids, session)
        return statement(result, from, end) + cards.html + (try links(result, from, end))
    }

    /// What was searched, so that nothing found is not taken for nothing there.
    private func statement(_ result: TweetSearch.Result, _ from: Timestamp, _ end: Timestamp) -> HTML {
        let isFull = result.ids.count > Self.pageSize
        let shown = min(result.ids.count, Self.pageSize)
        let far: HTML =
            result.isCut
            ? "The search stopped when its time was over: it reached \(Shown.time(result.searchedFrom.milliseconds))."
            : isFull ? "There are more." : "All of that time was searched."
        return """
            <p role="status">\(counted(shown, "tweet")) from \(Shown.time(from.milliseconds)) to \
            \(Shown.time(end.milliseconds)) (UTC, by the time of posting). \(far)</p>

            """
    }

    private func links(_ result: TweetSearch.Result, _ from: Timestamp, _ end: Timestamp) throws -> HTML {
        func link(_ until: Timestamp, before: Int64?, _ label: HTML) -> HTML {
            let parameters: [(String, String?)] = [
                ("user", conditions.user), ("rule", conditions.rule), ("text", conditions.text),
                ("window", window.rawValue), ("until", until.description), ("before", before.map { "\($0)" }),
            ]
            return "<p>\(Link.to("/tweets", parameters, label))</p>\n"
        }
        if result.ids.count > Self.pageSize {
            return link(end, before: result.ids[Self.pageSize - 1], "Older tweets")
        }
        if result.isCut { return link(result.searchedFrom, before: nil, "Continue from there") }
        var answer = link(from, before: nil, "The \(window.rawValue) before")
        guard result.ids.isEmpty else { return answer }
        let newest = try session.number(
            "SELECT id FROM tweets ORDER BY id DESC LIMIT 1", doing: "look for the newest tweet")
        if let newest, let moment = Snowflake.timestamp(of: newest), moment < from {
            answer += link(
                moment.advanced(by: .seconds(1)), before: nil,
                "The newest tweet is of \(Shown.time(moment.milliseconds))")
        }
        return answer
    }
}
