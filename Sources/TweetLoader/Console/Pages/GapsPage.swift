import Core

/// When streams were not connected, how each gap was filled, and what that cost.
struct GapsPage {
    private let session: ConsoleSession
    private let context: PageContext
    private let window: Window
    private static let pageSize = 50

    /// How far back the page looks.
    enum Window: String, CaseIterable {
        case week = "7d"
        case month = "30d"
        case quarter = "90d"
        case year = "366d"

        var milliseconds: Int64 { Int64(rawValue.dropLast()).map { $0 * 86_400_000 } ?? 0 }
    }

    init(_ session: ConsoleSession, _ context: PageContext) {
        (self.session, self.context) = (session, context)
        window = context.request.choice("window", .week)
    }

    func content() throws -> HTML {
        let now = context.now.milliseconds
        let from = now - window.milliseconds
        let drawn = try timeline(from: from)
        let rows = try gaps(from: from)
        return choices + GapTimeline(from: from, to: now, gaps: drawn).html
            + PageTable("Gaps", Self.columns, rows: rows.prefix(Self.pageSize).map(cells), empty: empty).html
            + older(rows) + advice
    }

    private var empty: String { "No gap in the last \(window.rawValue), or none that is older than this page." }

    private var choices: HTML {
        Choices(label: "Time", path: "/gaps", name: "window").html(Window.allCases.map(\.rawValue), window.rawValue)
    }

    private func timeline(from: Int64) throws -> [(stream: String, gap: Chart.Gap)] {
        let now = context.now.milliseconds
        let rows = try session.rows(
            """
            SELECT stream, \(sqlMilliseconds("started_at")), \(sqlMilliseconds("ended_at")), status FROM stream_gaps
            WHERE coalesce(ended_at, 'infinity') > $1::timestamptz AND \(Dismissals.gapCounts)
            ORDER BY started_at DESC LIMIT 2000
            """, [Timestamp(milliseconds: from).description], doing: "read the gaps")
        return rows.map { row in
            (
                row.text(0),
                Chart.Gap(
                    from: row.integer(1) ?? now, to: row.integer(2) ?? now, filling: .init(status: row.text(3)))
            )
        }
    }

    private static let columns: [PageTable.Column] = [
        .init("stream"), .init("from"), .init("to"), .number("length"), .init("cause"), .init("state"),
        .init("filled by"),
        .number("posts found"), .number("cost"), .init("note"),
    ]

    /// One more than a page has; the key is that of the first gap that is not shown.
    private func gaps(from: Int64) throws -> [ConsoleRow] {
        let request = context.request
        return try session.rows(
            """
            SELECT stream, \(sqlMilliseconds("started_at")), \(sqlMilliseconds("ended_at")), cause, status, repaired_by,
                repaired_posts, coalesce(accepted_reason, repair_detail), journal, opened_seq,
                to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
            FROM stream_gaps
            WHERE coalesce(ended_at, 'infinity') > $1::timestamptz AND \(Dismissals.gapCounts)
                AND ($2::timestamptz IS NULL
                    OR (started_at, stream, journal, opened_seq) < ($2::timestamptz, $3, $4, $5::bigint))
            ORDER BY started_at DESC, stream DESC, journal DESC, opened_seq DESC LIMIT \(Self.pageSize + 1)
            """,
            [
                Timestamp(milliseconds: from).description,
                request["before"].flatMap { Timestamp($0) == nil ? nil : $0 },
                request["stream"] ?? "", request["journal"] ?? "", "\(request.number("seq") ?? 0)",
            ], doing: "read the gaps")
    }

    private func cells(_ row: ConsoleRow) -> [HTML] {
        let now = context.now.milliseconds
        let (start, end) = (row.integer(1) ?? now, row.integer(2))
        let posts = row.integer(6)
        // Only a search is charged by post: what X replays on a stream is charged as it would have been.
        let cost = posts.map { Shown.dollars(Double($0) * context.configuration.postPrice) } ?? "–"
        return [
            .foreign(row.text(0)), Shown.time(start), end.map { Shown.time($0) } ?? "not connected",
            Shown.span((end ?? now) - start), HTML(text: (row[3] ?? "").replacing("_", with: " ")),
            HTML(text: Self.words(row.text(4))), HTML(text: row[5] ?? "–"), Shown.number(posts), cost,
            row[7].map { .foreign($0) } ?? "",
        ]
    }

    private static func words(_ status: String) -> String {
        switch status {
        case "repaired_exactly": "filled exactly"
        case "repaired_approximately": "filled approximately"
        case "covered": "covered by another producer"
        case "accepted": "accepted as lost"
        default: "open"
        }
    }

    private func older(_ rows: [ConsoleRow]) -> HTML {
        guard rows.count > Self.pageSize else { return HTML() }
        let last = rows[Self.pageSize - 1]
        let key = [("before", last[10]), ("stream", last[0]), ("journal", last[8]), ("seq", last[9])]
        return "<p>\(Link.to("/gaps", [("window", window.rawValue)] + key, "Older gaps"))</p>\n"
    }

    private var advice: HTML {
        """
        <h2>Fill or accept a gap</h2>
        <p>On the producer's host. A search costs money; <code>list</code> shows what can still be done for each gap.</p>
        \(Shown.command("tweet-producer gaps list"))\(Shown.command("tweet-producer gaps repair"))
        """
    }
}
