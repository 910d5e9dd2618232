import Core
import Postgres

/// How all accounts are together, as `timelines` and `x_accounts` have it.
struct TimelineTotals: Sendable {
    /// Why no timeline is read.
    struct Pause: Encodable, Sendable {
        let cause: String
        let until: String
        let detail: String?
    }

    let byState: [String: Int64]
    /// Accounts that are being read now.
    let reading: Int64
    /// Of the most overdue timeline; nil when none is overdue.
    let lagSeconds: Int64?
    /// Posts that X has charged today (UTC).
    let postsToday: Int64
    let callsToday: Int64
    let gaps: Int64
    let pauses: [Pause]

    /// How many accounts there are.
    var accounts: Int64 { byState.values.reduce(0, +) }

    /// - Parameter connection: to the database.
    /// - Throws: `PostgresError`.
    init(_ connection: borrowing PostgresConnection) throws(PostgresError) {
        let states = try connection.query(
            "SELECT state, count(*), count(*) FILTER (WHERE leased_until > now()) FROM x_accounts GROUP BY state",
            doing: "count accounts")
        var (byState, reading): ([String: Int64], Int64) = ([:], 0)
        for row in 0..<states.rowCount {
            byState[states.text(row, 0) ?? ""] = states.integer(row, 1)
            reading += states.integer(row, 2) ?? 0
        }
        (self.byState, self.reading) = (byState, reading)
        let row = try connection.query(
            """
            SELECT (SELECT extract(epoch FROM max(now() - l.due_at))::bigint
                    FROM timelines l JOIN x_accounts a USING (user_id)
                    WHERE l.due_at <= now() AND a.state IN \(AccountState.polled)
                        AND EXISTS (SELECT FROM x_tokens t WHERE t.user_id = l.user_id)),
                (SELECT posts FROM timeline_days WHERE day = (now() AT TIME ZONE 'UTC')::date),
                (SELECT calls FROM timeline_days WHERE day = (now() AT TIME ZONE 'UTC')::date),
                (SELECT count(*) FROM timeline_gaps)
            """, doing: "look at today's timelines")
        lagSeconds = row.integer(0, 0)
        (postsToday, callsToday, gaps) = (row.integer(0, 1) ?? 0, row.integer(0, 2) ?? 0, row.integer(0, 3) ?? 0)
        let found = try connection.query(
            "SELECT cause, \(rfc3339("until")), detail FROM timeline_pauses WHERE until > now() ORDER BY cause",
            doing: "look at pauses")
        pauses = found.rows.map { Pause(cause: $0[0] ?? "", until: $0[1] ?? "", detail: $0[2]) }
    }
}
