import Core
import Postgres

/// A timeline that is due, with the lease of its account: until the lease ends, no other poller reads the account.
struct DueTimeline: Sendable {
    let account: Int64
    let kind: TimelineKind
    /// The lease's number; whoever has an older one cannot store anything.
    let fence: Int64
    var mark: TimelineMark?
    var open: OpenWalk?
    var interval: Duration?
    var failures: Int
    /// How long ago X last returned a new post; nil when it never did.
    var quietFor: Duration?
}

/// The timelines that are due, in PostgreSQL: pollers of several hosts share them. All times are PostgreSQL's.
struct DueTimelines: Sendable {
    /// Names this poller in `x_accounts.owner`.
    let owner: String
    /// How long a lease lasts: longer than a call, and less than an interval, so that an account whose poller was killed is not
    /// late by more than one.
    let lease: Duration

    /// The longest sleep without a look: notifications may be lost with their connection.
    static let longestSleep = Duration.seconds(30)

    /// Takes the timeline that has been due longest.
    ///
    /// - Parameter connection: without a transaction.
    /// - Returns: nil when none is due.
    /// - Throws: `PostgresError`.
    func take(_ connection: borrowing PostgresConnection) throws(PostgresError) -> DueTimeline? {
        let answer = try connection.query(
            """
            WITH due AS (
                SELECT l.user_id, l.kind, l.due_at FROM timelines l JOIN x_accounts a ON a.user_id = l.user_id
                WHERE l.due_at <= now() AND coalesce(a.leased_until <= now(), true)
                    AND a.state IN \(AccountState.polled)
                    AND EXISTS (SELECT FROM x_tokens t WHERE t.user_id = l.user_id)
                    AND NOT EXISTS (SELECT FROM timeline_pauses p WHERE p.until > now())
                ORDER BY l.due_at LIMIT 1 FOR NO KEY UPDATE OF a SKIP LOCKED)
            UPDATE x_accounts a SET owner = $1, fence = fence + 1,
                leased_until = now() + interval '\(lease.milliseconds) ms'
            FROM due WHERE a.user_id = due.user_id RETURNING a.user_id, due.kind, a.fence
            """, [owner], doing: "take a due timeline")
        guard answer.rowCount == 1, let account = answer.integer(0, 0), let fence = answer.integer(0, 2),
            let kind = TimelineKind(rawValue: answer.text(0, 1) ?? "")
        else { return nil }
        let found = try read(account, kind, fence, connection)
        if found == nil { try release(account, fence, connection) }
        return found
    }

    /// The timeline as it is now that nobody else changes it; nil when another poller has read it meanwhile.
    private func read(
        _ account: Int64, _ kind: TimelineKind, _ fence: Int64, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> DueTimeline? {
        let row = try connection.query(
            """
            SELECT complete_to, array_to_string(recent_ids, ','), walk_newest, walk_next, walk_floor, walk_posts, walk_idle,
                interval_ms, failures, (extract(epoch FROM now() - last_new_at) * 1000)::bigint
            FROM timelines WHERE user_id = $1 AND kind = $2 AND due_at <= now()
            """, ["\(account)", kind.rawValue], doing: "read a timeline's mark")
        guard row.rowCount == 1 else { return nil }
        let recent = (row.text(0, 1) ?? "").split(separator: ",").compactMap { Int64($0) }
        let mark = row.integer(0, 0).map { end in
            TimelineMark(completeTo: end, recent: recent.filter { $0 <= end }.sorted(by: >))
        }
        let open = row.integer(0, 2).map { newest in
            OpenWalk(
                newest: newest, next: row.integer(0, 3) ?? .max, floor: row.integer(0, 4),
                posts: Int(row.integer(0, 5) ?? 0), idle: Int(row.integer(0, 6) ?? 0), recent: recent)
        }
        return DueTimeline(
            account: account, kind: kind, fence: fence, mark: mark, open: open,
            interval: row.integer(0, 7).map { .milliseconds($0) }, failures: Int(row.integer(0, 8) ?? 0),
            quietFor: row.integer(0, 9).map { .milliseconds($0) })
    }

    /// How long until the next timeline is due.
    ///
    /// - Throws: `PostgresError`.
    func sleep(_ connection: borrowing PostgresConnection) throws(PostgresError) -> Duration {
        // The first ones are enough: with many leased ones among them a look comes too early, and never too late.
        let answer = try connection.query(
            """
            SELECT (extract(epoch FROM greatest(
                (SELECT min(greatest(due_at, leased_until)) FROM (
                    SELECT l.due_at, a.leased_until FROM timelines l JOIN x_accounts a USING (user_id)
                    WHERE a.state IN \(AccountState.polled) AND l.due_at < now() + interval '1 hour'
                        AND EXISTS (SELECT FROM x_tokens t WHERE t.user_id = l.user_id)
                    ORDER BY l.due_at LIMIT 100) AS first),
                (SELECT max(until) FROM timeline_pauses)) - clock_timestamp()) * 1000)::bigint
            """, doing: "look when the next timeline is due")
        let next = answer.integer(0, 0).map { Duration.milliseconds(max($0, 0) + 1) } ?? Self.longestSleep
        return min(next, Self.longestSleep)
    }

    /// Extends the lease before a call.
    ///
    /// - Returns: false when it is not ours any more, or the account is not to be read any more.
    /// - Throws: `PostgresError`.
    func extend(_ due: DueTimeline, _ connection: borrowing PostgresConnection) throws(PostgresError) -> Bool {
        try connection.query(
            """
            UPDATE x_accounts a SET leased_until = now() + interval '\(lease.milliseconds) ms'
            WHERE a.user_id = $1 AND a.fence = $2 AND a.state <> 'paused'
                AND EXISTS (SELECT FROM x_tokens t WHERE t.user_id = a.user_id)
            """, ["\(due.account)", "\(due.fence)"], doing: "extend a lease"
        ).affectedRows == 1
    }

    /// Ends the lease.
    ///
    /// - Throws: `PostgresError`.
    func release(_ due: DueTimeline, _ connection: borrowing PostgresConnection) throws(PostgresError) {
        try release(due.account, due.fence, connection)
    }

    /// What is still reserved is of a call whose answer was lost: X may have charged it, on the day that the lease has ended.
    private func release(
        _ account: Int64, _ fence: Int64, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        _ = try connection.query(
            """
            UPDATE x_accounts SET owner = NULL, leased_until = CASE WHEN reserved > 0 THEN now() END
            WHERE user_id = $1 AND fence = $2
            """, ["\(account)", "\(fence)"], doing: "end a lease")
    }
}
