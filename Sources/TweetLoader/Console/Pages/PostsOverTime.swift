import Core

/// Posts by hour or day, from the counts that the loader keeps, with the gaps of that time.
struct PostsOverTime {
    /// How far back a chart looks.
    enum Window: String, CaseIterable {
        case hours6 = "6h"
        case hours24 = "24h"
        case days7 = "7d"
        case days30 = "30d"
        case days90 = "90d"

        var step: Int64 { [.days30, .days90].contains(self) ? 86_400_000 : 3_600_000 }
        var count: Int64 {
            switch self {
            case .hours6: 6
            case .hours24: 24
            case .days7: 168
            case .days30: 30
            case .days90: 90
            }
        }
    }

    /// Which posts are counted.
    enum Source {
        case all
        case rule(Int64)
        case tag(String)

        fileprivate var table: String { if case .all = self { "stream_hours" } else { "rule_hours" } }
        fileprivate var condition: String {
            switch self {
            case .all: "$2::text IS NULL"
            case .rule: "rule_id = $2::bigint"
            case .tag: "tag = $2"
            }
        }
        fileprivate var value: String? {
            switch self {
            case .all: nil
            case .rule(let id): "\(id)"
            case .tag(let tag): tag
            }
        }
    }

    private let session: ConsoleSession
    private let now: Int64

    init(_ session: ConsoleSession, now: Timestamp) {
        (self.session, self.now) = (session, now.milliseconds)
    }

    /// The first moment of a window: whole hours or days, the current one included.
    func start(of window: Window) -> Int64 { now / window.step * window.step - (window.count - 1) * window.step }

    /// A chart of a window.
    ///
    /// - Parameters:
    ///   - source: which posts.
    ///   - window: how far back.
    ///   - title: of the chart.
    /// - Returns: the chart with its numbers.
    /// - Throws: what the session throws.
    func chart(_ source: Source, _ window: Window, title: String) throws -> Chart {
        let from = start(of: window)
        let unit = window.step == 3_600_000 ? "hour" : "day"
        let rows = try session.rows(
            """
            SELECT \(sqlMilliseconds("date_trunc('\(unit)', hour, 'UTC')")), sum(posts)::bigint FROM \(source.table)
            WHERE hour >= $1::timestamptz AND \(source.condition) GROUP BY 1
            """, [Timestamp(milliseconds: from).description, source.value], doing: "read the posts over time")
        var posts = [Int64](repeating: 0, count: Int(window.count))
        for row in rows {
            let index = ((row.integer(0) ?? 0) - from) / window.step
            // A post may be of the next hour by X's clock.
            if posts.indices.contains(Int(index)) { posts[Int(index)] += row.integer(1) ?? 0 }
        }
        return Chart(title: title, from: from, step: window.step, posts: posts, gaps: try gaps(from: from))
    }

    private func gaps(from: Int64) throws -> [Chart.Gap] {
        try session.rows(
            """
            SELECT \(sqlMilliseconds("started_at")), \(sqlMilliseconds("ended_at")), status FROM stream_gaps
            WHERE coalesce(ended_at, 'infinity') > $1::timestamptz AND \(Dismissals.gapCounts)
            ORDER BY started_at DESC LIMIT 500
            """, [Timestamp(milliseconds: from).description], doing: "read the gaps"
        ).map { row in
            Chart.Gap(from: row.integer(0) ?? now, to: row.integer(1) ?? now, filling: .init(status: row.text(2)))
        }
    }
}
