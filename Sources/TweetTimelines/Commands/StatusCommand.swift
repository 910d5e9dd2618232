import ArgumentParser
import Core
import Postgres
import XAPI

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show accounts, their lag, and posts and dollars of today.",
        discussion: """
            The lag is how long a timeline has been due; that of the whole is the longest one. A post that several accounts have \
            is charged once a day, and counts for the account that it was read for first.

            With --estimate N it also shows what N accounts would cost in a day and in 30 days, each with as many charged posts as \
            an account had on average on the last seven complete days, or today without such days.

              tweet-timelines status --json | jq .dollars_today

            Exit status: 0 done, 69 PostgreSQL is unreachable, 77 credentials rejected, 78 invalid settings.
            """)

    @OptionGroup var options: TokenOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup(title: "Prices") var prices: SettingFlags<TimelinesService.PricesOfPosts>

    @Option(help: ArgumentHelp("Estimate the price of this number of accounts.", valueName: "accounts"))
    var estimate: Int?

    @Option(help: ArgumentHelp("Accounts that are listed as text, the latest first.", valueName: "accounts"))
    var limit = 20

    func run() throws {
        try runCommand {
            let access = try options.access()
            var reader = try SettingsReader(
                flags: flags(options.common.values, prices.values), known: TimelinesService.known)
            let price = PostPrice.read(&reader)
            try reader.finish()
            let status = try onDatabase(access.conninfo, role: .any) { connection in
                try TimelineStatus(connection, price, estimate: estimate, limit: limit)
            }
            output.show(status)
        }
    }
}

/// What `status` prints.
struct TimelineStatus: Report {
    /// An account.
    struct Account: Encodable {
        let userID: String
        let username: String?
        let state: String
        let since: String
        let until: String?
        let detail: String?
        /// How long its most overdue timeline has been due; nil when none is overdue.
        let lagSeconds: Int64?
        let lastPolledAt: String?
        let postsToday: Int64
        let dollarsToday: Double
    }

    /// What a number of accounts would cost.
    struct Estimate: Encodable {
        let accounts: Int
        /// Charged posts of an account in a day.
        let postsPerAccount: Double
        let dollarsPerDay: Double
        /// 30 days.
        let dollarsPerMonth: Double
    }

    let accounts: Int64
    let byState: [String: Int64]
    let reading: Int64
    let lagSeconds: Int64?
    let postsToday: Int64
    let callsToday: Int64
    let dollarsToday: Double
    let gaps: Int64
    let pauses: [TimelineTotals.Pause]
    let estimate: Estimate?
    /// The latest first.
    let list: [Account]
    private let limit: Int
    private let price: PostPrice

    private enum CodingKeys: String, CodingKey {
        case accounts, byState, reading, lagSeconds, postsToday, callsToday, dollarsToday, gaps, pauses, estimate, list
    }

    /// - Parameters:
    ///   - connection: to the database.
    ///   - price: of a post.
    ///   - estimate: a number of accounts whose price is wanted.
    ///   - limit: accounts that the text lists.
    /// - Throws: `PostgresError`.
    init(
        _ connection: borrowing PostgresConnection, _ price: PostPrice, estimate: Int?, limit: Int
    ) throws(PostgresError) {
        let totals = try TimelineTotals(connection)
        (accounts, byState, reading) = (totals.accounts, totals.byState, totals.reading)
        (lagSeconds, gaps, pauses) = (totals.lagSeconds, totals.gaps, totals.pauses)
        (postsToday, callsToday) = (totals.postsToday, totals.callsToday)
        dollarsToday = price.dollars(for: Double(totals.postsToday))
        (self.limit, self.price) = (limit, price)
        list = try Self.accounts(connection, price)
        self.estimate =
            if let estimate { try Self.estimate(estimate, totals, price, connection) } else { nil }
    }

    private static func accounts(
        _ connection: borrowing PostgresConnection, _ price: PostPrice
    ) throws(PostgresError) -> [Account] {
        let answer = try connection.query(
            """
            SELECT a.user_id, a.username, a.state, \(rfc3339("a.state_since")), \(rfc3339("a.state_until")), a.state_detail,
                l.lag, \(rfc3339("l.polled")), CASE WHEN a.day = (now() AT TIME ZONE 'UTC')::date THEN a.day_posts ELSE 0 END
            FROM x_accounts a LEFT JOIN (
                SELECT user_id, max(last_polled_at) AS polled,
                    extract(epoch FROM max(now() - due_at) FILTER (WHERE due_at <= now()))::bigint AS lag
                FROM timelines GROUP BY user_id) l ON l.user_id = a.user_id
            ORDER BY l.lag DESC NULLS LAST, a.user_id
            """, doing: "list accounts")
        return (0..<answer.rowCount).map { row in
            let posts = answer.integer(row, 8) ?? 0
            return Account(
                userID: answer.text(row, 0) ?? "", username: answer.text(row, 1), state: answer.text(row, 2) ?? "",
                since: answer.text(row, 3) ?? "", until: answer.text(row, 4), detail: answer.text(row, 5),
                lagSeconds: answer.integer(row, 6), lastPolledAt: answer.text(row, 7), postsToday: posts,
                dollarsToday: price.dollars(for: Double(posts)))
        }
    }

    /// Complete days count, because accounts have their busy hours; today counts as it is.
    private static func estimate(
        _ count: Int, _ totals: TimelineTotals, _ price: PostPrice, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Estimate {
        let answer = try connection.query(
            """
            SELECT avg(posts)::float8 FROM timeline_days
            WHERE day < (now() AT TIME ZONE 'UTC')::date AND day >= (now() AT TIME ZONE 'UTC')::date - 7
            """, doing: "look at the posts of a day")
        let posts = answer.text(0, 0).flatMap { Double($0) } ?? Double(totals.postsToday)
        let each = totals.accounts == 0 ? 0 : posts / Double(totals.accounts)
        let all = each * Double(count)
        return Estimate(
            accounts: count, postsPerAccount: each, dollarsPerDay: price.dollars(for: all),
            dollarsPerMonth: price.dollars(for: all * 30))
    }

    func text(on terminal: Terminal?) -> String {
        var rows = [
            [
                "accounts",
                "\(accounts)" + byState.sorted { $0.key < $1.key }.map { ", \($0.value) \($0.key)" }.joined(),
            ],
            ["reading now", "\(reading)"], ["lag", lagSeconds.map { shortAge($0) } ?? "none"],
            ["posts today", "\(groupedDigits(postsToday)) in \(groupedDigits(callsToday)) calls"],
            ["dollars today", price.text(for: Double(postsToday))], ["gaps", "\(gaps)"],
        ]
        rows += pauses.map { ["paused", "\($0.cause) until \($0.until)" + ($0.detail.map { ": \($0.plain)" } ?? "")] }
        if let estimate {
            let posts = estimate.postsPerAccount * Double(estimate.accounts)
            rows.append([
                "estimate",
                "\(price.text(for: posts)) a day, \(price.text(for: posts * 30)) in 30 days for "
                    + counted(estimate.accounts, "account"),
            ])
        }
        let head = FittingTable(header: nil, rows: rows).text(on: terminal)
        guard !list.isEmpty, limit > 0 else { return head }
        return head + "\n\n" + table(on: terminal)
    }

    private func table(on terminal: Terminal?) -> String {
        let rows = list.prefix(limit).map { account in
            [
                account.username.map { "@\($0.plain)" } ?? account.userID, account.userID, account.state,
                account.lagSeconds.map { shortAge($0) } ?? "none", account.lastPolledAt ?? "never",
                "\(account.postsToday)", price.text(for: Double(account.postsToday)), account.detail?.plain ?? "",
            ]
        }
        let header = ["ACCOUNT", "ID", "STATE", "LAG", "POLLED", "POSTS TODAY", "DOLLARS TODAY", "DETAIL"]
        let table = FittingTable(header: header, rows: Array(rows), dispensable: [1, 4]).text(on: terminal)
        let left = list.count - limit
        return left > 0 ? table + "\n\(counted(left, "account")) more; --limit lists more" : table
    }
}
