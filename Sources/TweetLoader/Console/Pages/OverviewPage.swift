import Core

/// The state of everything on one page.
struct OverviewPage {
    private let session: ConsoleSession
    private let context: PageContext

    init(_ session: ConsoleSession, _ context: PageContext) {
        (self.session, self.context) = (session, context)
    }

    func content() throws -> HTML {
        let streams = try StreamFacts.read(session)
        let load = try LoadFacts(session)
        return PipelineVerdict(streams, load, now: context.now).html + Boxes(streams, load, now: context.now).html
            + ServiceFacts(context.configuration).html
            + (try part("Posts over time") { try posts() })
            + (try part("Money") { try Money(session, context, streams).html() })
            + (try part("Rules") { try rules() }) + (try part("What happened") { try events() }) + producers(streams)
    }

    /// A part of the page that may take too long while the others are shown.
    private func part(_ title: String, _ content: () throws -> HTML) throws -> HTML {
        do { return "<h2>\(title)</h2>\n\(try content())" } catch is OutOfTime {
            return "<h2>\(title)</h2>\n<p class=\"problem\">PostgreSQL did not answer in time.</p>\n"
        }
    }

    private func posts() throws -> HTML {
        let window = context.request.choice("window", PostsOverTime.Window.hours24)
        let chart = try PostsOverTime(session, now: context.now).chart(
            .all, window, title: "Posts of all streams, last \(window.rawValue)")
        let links = Choices(label: "Time", path: "/", name: "window")
            .html(PostsOverTime.Window.allCases.map(\.rawValue), window.rawValue)
        return links + chart.html + chart.table
    }

    /// The rules with most posts of a week, by tag.
    private func rules() throws -> HTML {
        let midnight = context.now.milliseconds / 86_400_000 * 86_400_000
        let rows = try session.rows(
            """
            SELECT coalesce(tag, rule_id::text), tag IS NULL,
                coalesce(sum(posts) FILTER (WHERE hour >= $1::timestamptz), 0)::bigint, sum(posts)::bigint,
                \(sqlMilliseconds("max(hour)"))
            FROM rule_hours WHERE hour >= $2::timestamptz GROUP BY 1, 2 ORDER BY 4 DESC, 1 LIMIT 10
            """, [0, 6].map { Timestamp(milliseconds: midnight - $0 * 86_400_000).description },
            doing: "read the top rules")
        let cells = rows.map { row -> [HTML] in
            [
                Link.to("/rules", [(row.isTrue(1) ? "rule" : "tag", row[0])], .foreign(row.text(0))),
                Shown.number(row.integer(2)), Shown.number(row.integer(3)), Shown.time(row.integer(4)),
            ]
        }
        let columns: [PageTable.Column] = [
            .init("tag or rule"), .number("today"), .number("7 days"), .init("last post in the hour from"),
        ]
        return PageTable("Most posts in 7 days", columns, rows: cells, empty: "No rule has matched a post in 7 days.")
            .html
    }

    private func events() throws -> HTML {
        let rows = try session.rows(
            """
            SELECT \(sqlMilliseconds("at")), type, stream, cause, left(detail, 300) FROM stream_events
            WHERE at > now() - interval '30 days' AND type NOT IN ('tally', 'rules')
            ORDER BY at DESC LIMIT 12
            """, doing: "read the last events")
        let cells = rows.map { row -> [HTML] in
            [
                Shown.time(row.integer(0)), HTML(text: row.text(1).replacing("_", with: " ")), Shown.foreign(row[2]),
                HTML(text: row[3] ?? ""), row[4].map { .foreign($0) } ?? "",
            ]
        }
        let columns: [PageTable.Column] = [
            .init("when"), .init("what"), .init("stream"), .init("cause"), .init("detail"),
        ]
        return PageTable("The last events", columns, rows: cells, empty: "Nothing happened in the last 30 days.").html
    }

    private func producers(_ streams: [StreamFacts]) -> HTML {
        let now = context.now.milliseconds
        let rows = streams.map { fact -> [HTML] in
            let connection: HTML = fact.isPassive ? "passive" : fact.isConnected.map { $0 ? "yes" : "no" } ?? "–"
            return [
                .foreign(fact.stream), .foreign(fact.journal), Shown.span(now - fact.aliveAt), connection,
                Shown.span(fact.receivedAt.map { now - $0 }), Shown.span(fact.postAt.map { now - $0 }),
                Shown.number(fact.postsToday), Shown.number(fact.rules), Shown.bytes(fact.journalBytes),
                Shown.bytes(fact.availableBytes),
            ]
        }
        let columns: [PageTable.Column] = [
            .init("stream"), .init("journal"), .number("heartbeat"), .init("connected"), .number("last byte"),
            .number("last post"), .number("posts today"), .number("rules"), .number("journal"), .number("disk left"),
        ]
        return "<h2>Producers</h2>\n"
            + PageTable("What each producer last reported", columns, rows: rows, empty: "No producer has reported yet.")
            .html
    }
}

/// The five boxes from X to the ledger.
private struct Boxes {
    private let streams: [StreamFacts]
    private let load: LoadFacts
    private let now: Int64

    init(_ streams: [StreamFacts], _ load: LoadFacts, now: Timestamp) {
        (self.streams, self.load, self.now) = (streams, load, now.milliseconds)
    }

    var html: HTML {
        let boxes = [x, journal, kafka, postgres, ledger].map { box -> HTML in
            let lines = box.lines.map { "<p>\($0)</p>\n" as HTML }
            return "<li><h2>\(box.title)</h2>\n\(lines.joined())</li>\n"
        }
        return "<ul class=\"boxes\">\n\(boxes.joined())</ul>\n"
    }

    private typealias Box = (title: String, lines: [HTML])

    private func age(_ moment: Int64?) -> HTML {
        moment.map { "\(Shown.span(now - $0)) ago" } ?? "never"
    }

    private var x: Box {
        let names = Set(streams.map(\.stream))
        let connected = Set(streams.filter { $0.isConnected == true }.map(\.stream))
        let isOne = names.count == 1
        let state: HTML =
            isOne
            ? (connected.isEmpty ? "not connected" : "connected")
            : "\(connected.count) of \(names.count) streams connected"
        return (
            "X",
            [
                state, "last byte \(age(streams.compactMap(\.receivedAt).max()))",
                "last post \(age(streams.compactMap(\.postAt).max()))",
            ]
        )
    }

    private var journal: Box {
        let waiting = streams.compactMap(\.unacknowledgedFrom).min()
        let sizes = streams.compactMap(\.journalBytes)
        return (
            "Journal",
            [
                waiting.map { "waiting for Kafka since \(Shown.span(now - $0))" } ?? "nothing waits",
                "size \(Shown.bytes(sizes.isEmpty ? nil : sizes.reduce(0, +)))",
                "disk left \(Shown.bytes(streams.compactMap(\.availableBytes).min()))",
            ]
        )
    }

    private var kafka: Box {
        let newest = streams.max { $0.aliveAt < $1.aliveAt }
        return (
            "Kafka",
            [
                "\(counted(load.partitions, "partition"))", "heartbeat \(age(newest?.aliveAt))",
                "on its way for \(Shown.span(newest.map { $0.settledAt - $0.aliveAt }))",
            ]
        )
    }

    private var postgres: Box {
        (
            "PostgreSQL",
            [
                "last commit \(age(load.committedAt))", "\(Shown.number(load.rate)) messages/s",
                load.loaders == 0 ? "no loader runs" : "\(counted(load.loaders, "writer")) at work",
            ]
        )
    }

    private var ledger: Box {
        let rejects: HTML =
            load.rejects >= LoadFacts.mostRejects ? "\(Shown.number(load.rejects)) or more" : Shown.number(load.rejects)
        return (
            "Ledger",
            [
                "\(Shown.number(load.settled)) of \(Shown.number(load.last)) lines settled",
                "\(Link.to("/rejects", [], "rejects")) \(rejects)",
                "\(Link.to("/gaps", [], "open gaps")) \(load.openGaps) · holes \(load.openHoles)",
            ]
        )
    }
}
