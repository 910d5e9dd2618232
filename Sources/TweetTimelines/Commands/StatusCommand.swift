import ArgumentParser
import Core
import Postgres
import XAPI

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show accounts by state, the lag, and posts and dollars of today.",
        discussion: """
            The lag is how long the most overdue timeline has been due. With --estimate N it also shows what N accounts will \
            cost a day when they get as many posts as those of today.

              tweet-timelines status --json | jq .dollars_today

            Exit status: 0 done, 69 PostgreSQL is unreachable, 77 credentials rejected, 78 invalid settings.
            """)

    @OptionGroup var options: TokenOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup(title: "Prices") var prices: SettingFlags<TimelinesService.PricesOfPosts>

    @Option(help: ArgumentHelp("Estimate the price of this number of accounts.", valueName: "accounts"))
    var estimate: Int?

    func run() throws {
        try runCommand {
            let access = try options.access()
            var reader = try SettingsReader(flags: prices.values, known: TimelinesService.known)
            let price = PostPrice.read(&reader)
            try reader.finish()
            let status = try onDatabase(access.conninfo, role: .any) { try TimelineStatus($0, price, estimate) }
            output.show(status)
        }
    }
}

/// What `status` prints.
struct TimelineStatus: Report {
    struct Pause: Encodable {
        let cause: String
        let until: String
        let detail: String?
    }

    let accounts: Int64
    let byState: [String: Int64]
    /// Of the most overdue timeline; nil when none is due.
    let lagSeconds: Int64?
    /// Accounts that are being read now.
    let reading: Int64
    let postsToday: Int64
    let callsToday: Int64
    let dollarsToday: Double
    let gaps: Int64
    let pauses: [Pause]
    /// Dollars a day of the accounts that are asked about.
    let estimateAccounts: Int?
    let estimateDollars: Double?

    /// - Parameters:
    ///   - connection: to the database.
    ///   - price: of a post.
    ///   - estimate: a number of accounts whose price is wanted.
    /// - Throws: `PostgresError`.
    init(_ connection: borrowing PostgresConnection, _ price: PostPrice, _ estimate: Int?) throws(PostgresError) {
        let states = try connection.query(
            "SELECT state, count(*), count(*) FILTER (WHERE leased_until > now()) FROM x_accounts GROUP BY state",
            doing: "count accounts")
        var (byState, reading): ([String: Int64], Int64) = ([:], 0)
        for row in 0..<states.rowCount {
            byState[states.text(row, 0) ?? ""] = states.integer(row, 1)
            reading += states.integer(row, 2) ?? 0
        }
        (self.byState, self.reading, accounts) = (byState, reading, byState.values.reduce(0, +))
        let row = try connection.query(
            """
            SELECT (SELECT extract(epoch FROM max(now() - l.due_at))::bigint FROM timelines l JOIN x_accounts a USING (user_id)
                    WHERE l.due_at <= now() AND a.state IN ('active', 'limited', 'failing')),
                (SELECT posts FROM timeline_days WHERE day = (now() AT TIME ZONE 'UTC')::date),
                (SELECT calls FROM timeline_days WHERE day = (now() AT TIME ZONE 'UTC')::date),
                (SELECT count(*) FROM timeline_gaps)
            """, doing: "look at today's timelines")
        lagSeconds = row.integer(0, 0)
        (postsToday, callsToday, gaps) = (row.integer(0, 1) ?? 0, row.integer(0, 2) ?? 0, row.integer(0, 3) ?? 0)
        dollarsToday = price.dollars(for: Double(postsToday))
        let found = try connection.query(
            "SELECT cause, \(rfc3339("until")), detail FROM timeline_pauses WHERE until > now() ORDER BY cause",
            doing: "look at pauses")
        pauses = found.rows.map { Pause(cause: $0[0] ?? "", until: $0[1] ?? "", detail: $0[2]) }
        estimateAccounts = estimate
        let perAccount = accounts == 0 ? 0 : Double(postsToday) / Double(accounts)
        estimateDollars = estimate.map { price.dollars(for: perAccount * Double($0)) }
    }

    func text(on terminal: Terminal?) -> String {
        var rows = [
            ["accounts", "\(accounts)" + byState.sorted { $0.key < $1.key }.map { ", \($0.value) \($0.key)" }.joined()],
            ["reading now", "\(reading)"], ["lag", lagSeconds.map(shortAge) ?? "none"],
            ["posts today", "\(groupedDigits(postsToday)) in \(groupedDigits(callsToday)) calls"],
            ["dollars today", "\(dollarsToday)"], ["gaps", "\(gaps)"],
        ]
        rows += pauses.map { ["paused", "\($0.cause) until \($0.until)" + ($0.detail.map { ": \($0.plain)" } ?? "")] }
        if let estimateAccounts, let estimateDollars {
            rows.append(["estimate", "$\(estimateDollars) a day for \(counted(estimateAccounts, "account"))"])
        }
        return FittingTable(header: nil, rows: rows).text(on: terminal)
    }
}
