import Core
import Postgres
import XAPI

/// How many posts may be paid: reserved before a call, settled with its page. All pollers share one count.
struct PostBudget: Sendable {
    let perAccount: Int64?
    let limits: PostLimits

    /// Pollers reserve one after the other; the number is arbitrary but must not change.
    private static let advisoryLock: Int64 = 7_205_759_403_792_795

    /// What a call may return.
    enum Reserved: Equatable, Sendable {
        case posts(Int)
        /// What is left is reserved by calls in flight.
        case notYet
        /// The account's budget of the day is used up.
        case accountIsDone
        /// That of all accounts is.
        case allAreDone(String)
    }

    /// Reserves a page.
    ///
    /// - Parameters:
    ///   - count: posts at most.
    ///   - due: the timeline and its lease.
    ///   - connection: without a transaction.
    /// - Returns: how many of them the call may return.
    /// - Throws: `PostgresError`.
    func reserve(
        _ count: Int, for due: DueTimeline, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Reserved {
        guard perAccount != nil || limits.perDay != nil || limits.perMonth != nil else { return .posts(count) }
        try connection.execute("BEGIN; SELECT pg_advisory_xact_lock(\(Self.advisoryLock))", doing: "reserve posts")
        do {
            let reserved = try reserveLocked(count, due, connection)
            try connection.execute("COMMIT")
            return reserved
        } catch {
            if !error.isConnectionLost { try? connection.execute("ROLLBACK") }
            throw error
        }
    }

    private func reserveLocked(
        _ count: Int, _ due: DueTimeline, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Reserved {
        let used = try connection.query(
            """
            SELECT CASE WHEN a.day = t.day THEN a.day_posts ELSE 0 END,
                coalesce((SELECT posts FROM timeline_days d WHERE d.day = t.day), 0),
                coalesce((SELECT sum(posts) FROM timeline_days d WHERE d.day >= date_trunc('month', t.day)), 0)::bigint,
                others.posts
            FROM x_accounts a, (SELECT (now() AT TIME ZONE 'UTC')::date AS day) t,
                (SELECT coalesce(sum(reserved), 0)::bigint AS posts FROM x_accounts
                 WHERE leased_until > now() AND user_id <> $1) others
            WHERE a.user_id = $1
            """, ["\(due.account)"], doing: "look at the budget of posts")
        guard used.rowCount == 1 else { return .accountIsDone }
        func left(_ limit: Int64?, _ column: Int) -> Int64 {
            limit.map { max($0 - (used.integer(0, column) ?? 0), 0) } ?? .max
        }
        let all = min(left(limits.perDay, 1), left(limits.perMonth, 2))
        let smallest = Int64(due.kind.smallestPage)
        if all < smallest {
            let setting = left(limits.perMonth, 2) < smallest ? PostLimits.perMonthSetting : PostLimits.perDaySetting
            return .allAreDone(setting.title)
        }
        let own = left(perAccount, 0)
        guard own >= smallest else { return .accountIsDone }
        let granted = min(Int64(count), all - min(all, used.integer(0, 3) ?? 0), own)
        guard granted >= smallest else { return .notYet }
        _ = try connection.query(
            "UPDATE x_accounts SET reserved = $3 WHERE user_id = $1 AND fence = $2",
            ["\(due.account)", "\(due.fence)", "\(granted)"], doing: "reserve posts")
        return .posts(Int(granted))
    }
}
