import Core
import Postgres

/// What is stored of polls: walks, marks, gaps, costs and states. Every statement asks for the lease.
struct TimelineBook: Sendable {
    /// How a poll has ended.
    struct Ending: Sendable {
        let due: Timestamp
        let interval: Duration
        let hasNew: Bool
    }

    /// Stores a page's step, whose posts are durable in the journal, and what the page costs, in one transaction.
    ///
    /// - Parameters:
    ///   - step: of the walk.
    ///   - page: posts that X has returned.
    ///   - due: the timeline and its lease.
    ///   - ending: when the timeline is due again, for the last step of a poll; nil when more pages follow.
    ///   - connection: without a transaction.
    /// - Returns: false when the lease is not ours any more: nothing was stored.
    /// - Throws: `PostgresError`.
    func store(
        _ step: TimelineWalk.Step, page: [Int64], of due: DueTimeline, _ ending: Ending?,
        _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Bool {
        try connection.execute("BEGIN")
        do {
            guard try write(step, of: due, ending, connection) else {
                try connection.execute("ROLLBACK")
                return false
            }
            try charge(page, to: due, connection)
            try connection.execute("COMMIT")
            return true
        } catch {
            if !error.isConnectionLost { try? connection.execute("ROLLBACK") }
            throw error
        }
    }

    private func write(
        _ step: TimelineWalk.Step, of due: DueTimeline, _ ending: Ending?, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Bool {
        let mark: TimelineMark?
        var walk: OpenWalk?
        switch step {
        case .more(_, let open): (mark, walk) = (due.mark, open)
        case .done(_, let reached, _): mark = reached
        }
        let recent = Set(mark?.recent ?? []).union(walk?.recent ?? [])
        let numbers: [Int64?] = [
            mark?.completeTo, walk?.newest, walk?.next, walk?.floor, walk.map { Int64($0.posts) } ?? 0,
            walk.map { Int64($0.idle) } ?? 0, ending?.due.milliseconds, ending?.interval.milliseconds,
        ]
        let answer = try connection.query(
            """
            UPDATE timelines l SET complete_to = $4, recent_ids = $3, walk_newest = $5, walk_next = $6, walk_floor = $7,
                walk_posts = $8::bigint, walk_idle = $9::bigint,
                due_at = coalesce(to_timestamp($10::bigint / 1000.0), due_at), interval_ms = coalesce($11, interval_ms),
                last_polled_at = now(), last_new_at = CASE WHEN $12 THEN now() ELSE last_new_at END, failures = 0
            FROM x_accounts a WHERE a.user_id = l.user_id AND l.user_id = $1 AND l.kind = $2 AND a.fence = $13
                AND EXISTS (SELECT FROM x_tokens t WHERE t.user_id = l.user_id)
            """,
            ["\(due.account)", due.kind.rawValue, arrayLiteral(recent.map { Optional($0) })]
                + numbers.map { $0.map { "\($0)" } } + ["\(ending?.hasNew ?? false)", "\(due.fence)"],
            doing: "store a timeline's mark")
        guard answer.affectedRows == 1 else { return false }
        if case .done(_, _, let gap?) = step { try declare(gap, of: due, connection) }
        return true
    }

    private func declare(
        _ gap: TimelineGap, of due: DueTimeline, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        _ = try connection.query(
            """
            INSERT INTO timeline_gaps (user_id, kind, from_id, to_id, cause) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT DO NOTHING
            """,
            ["\(due.account)", due.kind.rawValue, "\(gap.from)", "\(gap.to)", gap.cause.rawValue],
            doing: "declare a gap of a timeline")
    }

    /// Counts what X charges: each post once a day, whichever account it was read for. The account is active.
    private func charge(
        _ page: [Int64], to due: DueTimeline, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        _ = try connection.query(
            """
            WITH today AS (SELECT (now() AT TIME ZONE 'UTC')::date AS day),
            charged AS (
                INSERT INTO timeline_reads (day, tweet_id)
                SELECT day, id FROM today, unnest($3::bigint[]) AS id ORDER BY id ON CONFLICT DO NOTHING RETURNING 1),
            total AS (SELECT count(*) AS posts FROM charged),
            counted AS (
                INSERT INTO timeline_days AS d (day, posts, calls) SELECT day, posts, 1 FROM today, total
                ON CONFLICT (day) DO UPDATE SET posts = d.posts + excluded.posts, calls = d.calls + 1)
            UPDATE x_accounts a SET reserved = 0, day = today.day,
                day_posts = total.posts + CASE WHEN a.day = today.day THEN a.day_posts ELSE 0 END,
                state = 'active', state_until = NULL, state_detail = NULL,
                state_since = CASE WHEN a.state = 'active' THEN a.state_since ELSE now() END
            FROM today, total WHERE a.user_id = $1 AND a.fence = $2 AND a.state <> 'paused'
            """,
            ["\(due.account)", "\(due.fence)", arrayLiteral(page.map { Optional($0) })], doing: "count paid posts")
    }

    /// Puts a timeline off after a call without a page.
    ///
    /// - Parameters:
    ///   - due: the timeline and its lease.
    ///   - time: when it is due again; nil leaves that as it is.
    ///   - state: of the account; nil leaves it as it is.
    ///   - detail: why.
    ///   - connection: without a transaction.
    /// - Throws: `PostgresError`.
    func putOff(
        _ due: DueTimeline, until time: Timestamp, _ state: AccountState?, _ detail: String,
        _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        _ = try connection.query(
            """
            WITH put AS (
                UPDATE timelines SET due_at = to_timestamp($3::bigint / 1000.0), failures = failures + 1
                WHERE user_id = $1 AND kind = $5)
            UPDATE x_accounts SET state = coalesce($4, state), state_detail = CASE WHEN $4 IS NULL THEN state_detail ELSE $6 END,
                state_until = CASE WHEN $4 IN ('limited', 'failing') THEN to_timestamp($3::bigint / 1000.0) END,
                state_since = CASE WHEN coalesce($4, state) = state THEN state_since ELSE now() END
            WHERE user_id = $1 AND fence = $2 AND state <> 'paused'
            """,
            [
                "\(due.account)", "\(due.fence)", "\(time.milliseconds)", state?.rawValue, due.kind.rawValue,
                String(detail.prefix(500)),
            ], doing: "put a timeline off")
    }

    /// Stops all calls of all pollers for a while.
    ///
    /// - Returns: whether it is new, so that it is logged once.
    /// - Throws: `PostgresError`.
    func pause(
        _ cause: CallProblem.Cause, until time: Timestamp, _ detail: String, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Bool {
        let answer = try connection.query(
            """
            WITH before AS (SELECT until FROM timeline_pauses WHERE cause = $1)
            INSERT INTO timeline_pauses AS p (cause, until, detail) VALUES ($1, to_timestamp($2::bigint / 1000.0), $3)
            ON CONFLICT (cause) DO UPDATE SET until = excluded.until, detail = excluded.detail,
                since = CASE WHEN p.until > now() - interval '1 hour' THEN p.since ELSE now() END
            RETURNING since = now()
            """, [cause.rawValue, "\(time.milliseconds)", String(detail.prefix(500))], doing: "pause all timelines")
        return answer.text(0, 0) == "t"
    }
}
