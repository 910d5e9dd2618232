import Core

/// The accounts whose timelines are read: how they are, and how far each timeline is. What is in them is shown to nobody.
struct TimelinesPage {
    private let session: ConsoleSession
    private let context: PageContext
    private static let pageSize = 50

    init(_ session: ConsoleSession, _ context: PageContext) {
        (self.session, self.context) = (session, context)
    }

    func content() throws -> HTML {
        try states() + pauses() + list() + days()
    }

    private func states() throws -> HTML {
        let rows = try session.rows(
            "SELECT state, count(*) FROM x_accounts GROUP BY state ORDER BY 2 DESC, 1", doing: "count the accounts")
        let cells = rows.map { [HTML(text: $0.text(0).replacing("_", with: " ")), Shown.number($0.integer(1))] }
        return PageTable(
            "Accounts", [.init("state"), .number("accounts")], rows: cells,
            empty: "No account is read: tweet-timelines accounts add."
        ).html
    }

    private func pauses() throws -> HTML {
        let rows = try session.rows(
            """
            SELECT cause, \(sqlMilliseconds("since")), \(sqlMilliseconds("until")), left(detail, 300) FROM timeline_pauses
            WHERE until > now() ORDER BY since
            """, doing: "read the pauses")
        return rows.map { row -> HTML in
            """
            <p class="problem">No timeline is read: \(row.text(0).replacing("_", with: " ")), since \(Shown.time(row.integer(1))), \
            until \(Shown.time(row.integer(2))). \(HTML.foreign(row[3] ?? ""))</p>

            """
        }.joined()
    }

    private func list() throws -> HTML {
        let request = context.request
        let rows = try session.rows(
            """
            SELECT a.user_id, a.username, t.kind, a.state, \(sqlMilliseconds("t.last_polled_at")), \(sqlMilliseconds("t.last_new_at")),
                CASE WHEN a.state = 'active' AND t.due_at < now() THEN \(sqlMilliseconds("now() - t.due_at")) END, t.interval_ms,
                t.failures, (SELECT count(*) FROM timeline_gaps g WHERE g.user_id = t.user_id AND g.kind = t.kind),
                left(a.state_detail, 200)
            FROM x_accounts a JOIN timelines t USING (user_id)
            WHERE $1::bigint IS NULL OR (t.user_id, t.kind) > ($1::bigint, $2)
            ORDER BY t.user_id, t.kind LIMIT \(Self.pageSize + 1)
            """, [request.number("after").map { "\($0)" }, request["kind"] ?? ""], doing: "list the timelines")
        let columns: [PageTable.Column] = [
            .init("account"), .init("timeline"), .init("state"), .number("late by"), .init("last read"),
            .init("last new post"),
            .number("read every"), .number("failures"), .number("gaps"), .init("reason"),
        ]
        var more = HTML()
        if rows.count > Self.pageSize {
            let last = rows[Self.pageSize - 1]
            more = "<p>\(Link.to("/timelines", [("after", last[0]), ("kind", last[2])], "More timelines"))</p>\n"
        }
        return PageTable(
            "Timelines", columns, rows: rows.prefix(Self.pageSize).map(cells), empty: "No timeline is read."
        )
        .html + more
    }

    private func cells(_ row: ConsoleRow) -> [HTML] {
        let account: HTML = row[1].map { "@\(HTML.foreign($0))" } ?? HTML(text: row.text(0))
        return [
            account, HTML(text: row.text(2)), HTML(text: row.text(3).replacing("_", with: " ")),
            row.integer(6).map { Shown.span($0) } ?? "not late", Shown.time(row.integer(4)), Shown.time(row.integer(5)),
            Shown.span(row.integer(7)), Shown.number(row.integer(8)), Shown.number(row.integer(9)),
            row[10].map { .foreign($0) } ?? "",
        ]
    }

    private func days() throws -> HTML {
        let rows = try session.rows(
            "SELECT day::text, posts, calls FROM timeline_days ORDER BY day DESC LIMIT 14",
            doing: "read the cost of timelines")
        let cells = rows.map { row -> [HTML] in
            let dollars = Double(row.integer(1) ?? 0) * context.configuration.postPrice
            return [
                HTML(text: row.text(0)), Shown.number(row.integer(1)), Shown.number(row.integer(2)),
                Shown.dollars(dollars),
            ]
        }
        let columns: [PageTable.Column] = [.init("day"), .number("posts"), .number("calls"), .number("cost")]
        return PageTable("What it cost", columns, rows: cells, empty: "Nothing was charged yet.").html
    }
}
