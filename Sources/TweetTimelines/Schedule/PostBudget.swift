import Core
import Postgres
import XAPI

/// How many posts may be paid: reserved before a call, settled with its page. All pollers share one count.
struct PostBudget: Sendable {
    let perAccount: Int64?
    let limits: PostLimits
    /// How long a lease lasts from now on.
    let lease: Duration

    /// Pollers reserve one after the other; the number is arbitrary but must not change.
    private static let advisoryLock: Int64 = 7_205_759_403_792_795

    /// What a call may return.
    enum Reserved: Equatable, Sendable {
        case posts(Int)
        /// What is left is reserved by calls in flight.
        case notYet
        /// The account's budget of the day is used up; how long until the next day (UTC).
        case accountIsDone(Duration)
        /// That of all accounts is.
        case allAreDone(String, Duration)
        /// The lease is not ours any more, or the account is not to be read any more.
        case lost
    }

    /// Whether there is any limit.
    var isLimited: Bool { perAccount != nil || limits.perDay != nil || limits.perMonth != nil }

    /// Reserves a page, and extends the lease.
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
            Self.used, ["\(due.account)", "\(limits.firstDay(at: .now()))"], doing: "look at the budget of posts")
        guard used.rowCount == 1 else { return .lost }
        func left(_ limit: Int64?, _ column: Int) -> Int64 {
            limit.map { max($0 - (used.integer(0, column) ?? 0), 0) } ?? .max
        }
        let all = min(left(limits.perDay, 1), left(limits.perMonth, 2))
        let smallest = Int64(due.kind.smallestPage)
        let tomorrow = Duration.milliseconds(max(used.integer(0, 4) ?? 0, 0) + 1000)
        if all < smallest {
            let setting = left(limits.perMonth, 2) < smallest ? PostLimits.perMonthSetting : PostLimits.perDaySetting
            return .allAreDone(setting.title, tomorrow)
        }
        let own = left(perAccount, 0)
        guard own >= smallest else { return .accountIsDone(tomorrow) }
        let granted = min(Int64(count), all - min(all, used.integer(0, 3) ?? 0), own)
        guard granted >= smallest else { return .notYet }
        let answer = try connection.query(
            """
            UPDATE x_accounts a SET reserved = greatest(a.reserved, $3::integer),
                leased_until = now() + interval '\(lease.milliseconds) ms'
            WHERE a.user_id = $1 AND a.fence = $2 AND a.state <> 'paused'
                AND EXISTS (SELECT FROM x_tokens t WHERE t.user_id = a.user_id)
            """, ["\(due.account)", "\(due.fence)", "\(granted)"], doing: "reserve posts")
        return answer.affectedRows == 1 ? .posts(Int(granted)) : .lost
    }

    /// What the account has used today, and all of them today and in the billing cycle; what others have reserved, also by calls
    /// of today whose answers were lost; milliseconds until tomorrow.
    private static let used = """
        SELECT CASE WHEN a.day = t.day THEN a.day_posts ELSE 0 END,
            coalesce((SELECT d.posts FROM timeline_days d WHERE d.day = t.day), 0),
            coalesce((SELECT sum(d.posts) FROM timeline_days d WHERE d.day >= date '1970-01-01' + $2::integer), 0)::bigint,
            (SELECT coalesce(sum(o.reserved), 0)::bigint FROM x_accounts o
                WHERE o.reserved > 0 AND o.user_id <> $1 AND o.leased_until >= t.day::timestamp AT TIME ZONE 'UTC'),
            (extract(epoch FROM (t.day + 1)::timestamp AT TIME ZONE 'UTC' - now()) * 1000)::bigint
        FROM x_accounts a, (SELECT (now() AT TIME ZONE 'UTC')::date AS day) t WHERE a.user_id = $1
        """
}
