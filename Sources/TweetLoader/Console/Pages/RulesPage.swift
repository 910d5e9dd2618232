import Core

/// What each rule and tag has matched, and what that costs.
struct RulesPage {
    private let session: ConsoleSession
    private let context: PageContext
    private static let pageSize = 50

    init(_ session: ConsoleSession, _ context: PageContext) {
        (self.session, self.context) = (session, context)
    }

    func content() throws -> HTML {
        if let rule = context.request.number("rule") { return try detail(.rule(rule), "Rule \(rule)") }
        if let tag = context.request["tag"] { return try detail(.tag(tag), "Rules with the tag \(tag)") }
        return try tags() + rules()
    }

    private func cost(_ posts: Int64?) -> HTML {
        posts.map { Shown.dollars(Double($0) * context.configuration.postPrice) } ?? "–"
    }

    /// Midnight, a week ago and 30 days ago, as whole days in UTC.
    private var days: [String] {
        let midnight = context.now.milliseconds / 86_400_000 * 86_400_000
        return [0, 6, 29].map { Timestamp(milliseconds: midnight - $0 * 86_400_000).description }
    }

    private static let sums = """
        coalesce(sum(posts) FILTER (WHERE hour >= $1::timestamptz), 0)::bigint AS today,
        coalesce(sum(posts) FILTER (WHERE hour >= $2::timestamptz), 0)::bigint AS week,
        coalesce(sum(posts), 0)::bigint AS month, max(hour) AS last
        """

    private func tags() throws -> HTML {
        let rows = try session.rows(
            """
            SELECT tag, today, week, month, \(sqlMilliseconds("last")) FROM (
                SELECT tag, \(Self.sums) FROM rule_hours WHERE hour >= $3::timestamptz GROUP BY tag) t
            ORDER BY month DESC, tag LIMIT 100
            """, days, doing: "count the posts by tag")
        let cells = rows.map { row -> [HTML] in
            let name: HTML = row[0].map { Link.to("/rules", [("tag", $0)], .foreign($0)) } ?? "no tag"
            return [
                name, Shown.number(row.integer(1)), Shown.number(row.integer(2)), Shown.number(row.integer(3)),
                Shown.time(row.integer(4)), cost(row.integer(3)),
            ]
        }
        let columns: [PageTable.Column] = [
            .init("tag"), .number("today"), .number("7 days"), .number("30 days"), .init("last post in the hour from"),
            .number("cost, 30 days"),
        ]
        return PageTable("By tag", columns, rows: cells, empty: "No rule has matched a post in the last 30 days.").html
    }

    private static let rulesSQL = """
        WITH counts AS (
            SELECT rule_id, max(tag) AS tag, \(sums) FROM rule_hours WHERE hour >= $3::timestamptz GROUP BY rule_id
        ), known AS (
            SELECT DISTINCT ON (rule_id) rule_id, tag, value, seen_from, seen_until FROM rules
            ORDER BY rule_id, seen_last DESC
        )
        SELECT rule_id, coalesce(k.tag, c.tag), left(k.value, 300), c.today, c.week, c.month, \(sqlMilliseconds("c.last")),
            \(sqlMilliseconds("k.seen_until")), k.rule_id IS NOT NULL
        FROM known k FULL JOIN counts c USING (rule_id)
        WHERE $4::bigint IS NULL OR (coalesce(c.month, 0), rule_id) < ($4::bigint, $5::bigint)
        ORDER BY coalesce(c.month, 0) DESC, rule_id DESC LIMIT \(pageSize + 1)
        """

    /// Every rule that was seen at X or that has matched, those with most posts first.
    private func rules() throws -> HTML {
        let request = context.request
        let rows = try session.rows(
            Self.rulesSQL, days + [request.number("posts").map { "\($0)" }, "\(request.number("before") ?? 0)"],
            doing: "count the posts by rule")
        let columns: [PageTable.Column] = [
            .init("rule"), .init("tag"), .init("text"), .number("today"), .number("7 days"), .number("30 days"),
            .init("last post in the hour from"), .number("cost, 30 days"), .init("at X"),
        ]
        var more = HTML()
        if rows.count > Self.pageSize {
            let last = rows[Self.pageSize - 1]
            let key = [("posts", "\(last.integer(5) ?? 0)" as String?), ("before", last[0])]
            more = "<p>\(Link.to("/rules", key, "More rules"))</p>\n"
        }
        return PageTable(
            "By rule", columns, rows: rows.prefix(Self.pageSize).map(cells), empty: "No rule was ever seen."
        )
        .html
            + more
    }

    private func cells(_ row: ConsoleRow) -> [HTML] {
        let state: HTML =
            !row.isTrue(8) ? "never recorded" : row.integer(7).map { "until \(Shown.time($0))" } ?? "yes"
        return [
            Link.to("/rules", [("rule", row[0])], HTML(text: row.text(0))), Shown.foreign(row[1]),
            Shown.foreign(row[2]),
            Shown.number(row.integer(3) ?? 0), Shown.number(row.integer(4) ?? 0), Shown.number(row.integer(5) ?? 0),
            Shown.time(row.integer(6)), cost(row.integer(5) ?? 0), state,
        ]
    }

    // MARK: One rule or tag

    private func detail(_ source: PostsOverTime.Source, _ title: String) throws -> HTML {
        let window = context.request.choice("window", PostsOverTime.Window.days7)
        let chart = try PostsOverTime(session, now: context.now).chart(
            source, window, title: "Posts, last \(window.rawValue)")
        let own: (String, String?)
        switch source {
        case .tag(let tag): own = ("tag", tag)
        case .rule(let id): own = ("rule", "\(id)")
        case .all: own = ("", nil)
        }
        let links = Choices(label: "Time", path: "/rules", name: "window", others: [own])
            .html(PostsOverTime.Window.allCases.map(\.rawValue), window.rawValue)
        return "<h2>\(HTML.foreign(title))</h2>\n" + links + chart.html + chart.table + (try texts(source))
            + "<p>\(Link.to("/rules", [], "All rules"))</p>\n"
    }

    /// The texts now and before: a changed rule is a new one at X.
    private func texts(_ source: PostsOverTime.Source) throws -> HTML {
        let (condition, value): (String, String) =
            switch source {
            case .tag(let tag): ("tag = $1", tag)
            case .rule(let id):
                (
                    """
                    rule_id = $1::bigint
                        OR tag IN (SELECT s.tag FROM rules s WHERE s.rule_id = $1::bigint)
                    """, "\(id)"
                )
            case .all: ("$1::text IS NULL", "")
            }
        let rows = try session.rows(
            """
            SELECT rule_id, stream, tag, left(value, 2000), \(sqlMilliseconds("seen_from")), \(sqlMilliseconds("seen_until"))
            FROM rules WHERE \(condition) ORDER BY seen_until DESC NULLS FIRST, seen_from DESC, rule_id LIMIT 100
            """, [value], doing: "read the texts of the rules")
        let cells = rows.map { row -> [HTML] in
            [
                Link.to("/rules", [("rule", row[0])], HTML(text: row.text(0))), .foreign(row.text(1)),
                Shown.foreign(row[2]),
                Shown.foreign(row[3]), Shown.time(row.integer(4)), row.integer(5).map { Shown.time($0) } ?? "now",
            ]
        }
        let columns: [PageTable.Column] = [
            .init("rule"), .init("stream"), .init("tag"), .init("text"), .init("seen from"), .init("until"),
        ]
        return PageTable("Texts, now and before", columns, rows: cells, empty: "The text was never recorded.").html
    }
}
