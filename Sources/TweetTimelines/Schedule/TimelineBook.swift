import Core
import Postgres

/// What is stored of polls: costs, walks, marks, gaps and states. Every statement asks for the lease, locks the account first
/// and its timelines behind it, and is a transaction of its own.
struct TimelineBook: Sendable {
    /// How long a lease lasts from now on.
    let lease: Duration

    /// How a poll has ended.
    struct Ending: Sendable {
        /// Until the next one.
        let pause: Duration
        let interval: Duration
        let hasNew: Bool
    }

    /// What follows from a call without a page.
    struct Delay: Sendable {
        /// Until the next call; nil: there is none.
        var pause: Duration?
        /// Of the account; nil leaves it as it is.
        var state: AccountState?
        var detail = ""
        /// Whether it counts among the failures in a row.
        var isFailure = true
        /// Whether X has charged nothing for certain.
        var isFree = true
    }

    /// Settles a page: counts what X charges, each post once a day whichever account it was read for. The account works, so that
    /// it is active again.
    ///
    /// - Parameters:
    ///   - page: posts that X has returned.
    ///   - due: the timeline and its lease, which is extended.
    ///   - connection: without a transaction.
    /// - Returns: false when the lease is not ours any more, or the account is not to be read any more: the page must not be kept.
    /// - Throws: `PostgresError`.
    func settle(
        _ page: [Int64], of due: DueTimeline, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Bool {
        let answer = try connection.query(
            """
            WITH today AS (SELECT (now() AT TIME ZONE 'UTC')::date AS day),
            charged AS (
                INSERT INTO timeline_reads (day, tweet_id)
                SELECT day, id FROM today, unnest($3::bigint[]) AS id ORDER BY id ON CONFLICT DO NOTHING RETURNING 1),
            total AS (SELECT count(*) AS posts FROM charged),
            counted AS (
                INSERT INTO timeline_days AS d (day, posts, calls) SELECT day, posts, 1 FROM today, total
                ON CONFLICT (day) DO UPDATE SET posts = d.posts + excluded.posts, calls = d.calls + 1),
            ended AS (DELETE FROM timeline_pauses WHERE until <= now())
            UPDATE x_accounts a SET day = today.day,
                day_posts = total.posts + CASE WHEN a.day = today.day THEN a.day_posts ELSE 0 END,
                reserved = CASE WHEN a.fence = $2 THEN 0 ELSE a.reserved END,
                leased_until = CASE WHEN a.fence = $2 THEN now() + interval '\(lease.milliseconds) ms'
                    ELSE a.leased_until END,
                state = CASE WHEN a.state IN \(AccountState.passing) THEN 'active' ELSE a.state END,
                state_since = CASE WHEN a.state IN \(AccountState.passing) THEN now() ELSE a.state_since END,
                state_until = CASE WHEN a.state IN \(AccountState.passing) THEN NULL ELSE a.state_until END,
                state_detail = CASE WHEN a.state IN \(AccountState.passing) THEN NULL ELSE a.state_detail END
            FROM today, total WHERE a.user_id = $1
            RETURNING a.fence = $2 AND a.state <> 'paused'
                AND EXISTS (SELECT FROM x_tokens t WHERE t.user_id = a.user_id)
            """,
            ["\(due.account)", "\(due.fence)", arrayLiteral(page.map { Optional($0) })], doing: "count paid posts")
        return answer.rowCount == 1 && answer.text(0, 0) == "t"
    }

    /// Stores a step of a walk, whose posts are durable in the journal.
    ///
    /// - Parameters:
    ///   - step: of the walk.
    ///   - due: the timeline and its lease.
    ///   - ending: when the timeline is due again, for the last step of a poll; nil when more pages follow.
    ///   - connection: without a transaction.
    /// - Returns: false when the lease is not ours any more: nothing was stored.
    /// - Throws: `PostgresError`.
    func store(
        _ step: TimelineWalk.Step, of due: DueTimeline, _ ending: Ending?, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Bool {
        let (mark, walk, gap): (TimelineMark?, OpenWalk?, TimelineGap?)
        switch step {
        case .more(_, let open): (mark, walk, gap) = (due.mark, open, nil)
        case .done(_, let reached, let found): (mark, walk, gap) = (reached, nil, found)
        }
        let recent = Set(mark?.recent ?? []).union(walk?.recent ?? [])
        let numbers: [Int64?] = [
            mark?.completeTo, walk?.newest, walk?.next, walk?.floor, Int64(walk?.posts ?? 0), Int64(walk?.idle ?? 0),
            ending?.pause.milliseconds, ending?.interval.milliseconds, gap?.from, gap?.to,
        ]
        let answer = try connection.query(
            """
            WITH \(Self.held),
            moved AS (
                UPDATE timelines l SET complete_to = $5::bigint, recent_ids = $4::bigint[], walk_newest = $6::bigint,
                    walk_next = $7::bigint, walk_floor = $8::bigint, walk_posts = $9::integer, walk_idle = $10::integer,
                    due_at = coalesce(now() + $11::bigint * interval '1 ms', l.due_at),
                    interval_ms = coalesce($12::bigint, l.interval_ms), last_polled_at = now(),
                    last_new_at = CASE WHEN $16::boolean THEN now() ELSE l.last_new_at END, failures = 0
                FROM held WHERE l.user_id = held.user_id AND l.kind = $3 RETURNING l.user_id, l.kind),
            declared AS (
                INSERT INTO timeline_gaps (user_id, kind, from_id, to_id, cause)
                SELECT user_id, kind, $13::bigint, $14::bigint, $15::text FROM moved WHERE $15::text IS NOT NULL
                ON CONFLICT DO NOTHING)
            SELECT count(*) FROM moved
            """,
            ["\(due.account)", "\(due.fence)", due.kind.rawValue, arrayLiteral(recent.map { Optional($0) })]
                + numbers.map { $0.map { "\($0)" } } + [gap?.cause.rawValue, "\(ending?.hasNew ?? false)"],
            doing: "store a timeline's mark")
        return answer.integer(0, 0) == 1
    }

    /// Puts a timeline off after a call without a page.
    ///
    /// - Parameters:
    ///   - due: the timeline and its lease.
    ///   - delay: how long, and why.
    ///   - connection: without a transaction.
    /// - Throws: `PostgresError`.
    func putOff(
        _ due: DueTimeline, _ delay: Delay, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        _ = try connection.query(
            """
            WITH \(Self.held),
            changed AS (
                UPDATE x_accounts a SET state = coalesce($4::text, a.state),
                    state_since = CASE WHEN coalesce($4::text, a.state) = a.state THEN a.state_since ELSE now() END,
                    state_until = CASE WHEN $4::text IS NULL THEN a.state_until
                        WHEN $4::text IN ('limited', 'failing') THEN now() + $5::bigint * interval '1 ms' END,
                    state_detail = CASE WHEN $4::text IS NULL THEN a.state_detail ELSE $6::text END,
                    reserved = CASE WHEN $8::boolean THEN 0 ELSE a.reserved END
                FROM held WHERE a.user_id = held.user_id RETURNING a.user_id)
            UPDATE timelines l SET due_at = now() + coalesce($5::bigint * interval '1 ms', interval '100 years'),
                failures = l.failures + $7::integer
            FROM changed WHERE l.user_id = changed.user_id AND l.kind = $3
            """,
            [
                "\(due.account)", "\(due.fence)", due.kind.rawValue, delay.state?.rawValue,
                delay.pause.map { "\($0.milliseconds)" }, String(delay.detail.prefix(500)), delay.isFailure ? "1" : "0",
                "\(delay.isFree)",
            ], doing: "put a timeline off")
    }

    /// The account while the lease is ours and it is to be read.
    private static let held = """
        held AS (
            SELECT h.user_id FROM x_accounts h WHERE h.user_id = $1 AND h.fence = $2 AND h.state <> 'paused'
                AND EXISTS (SELECT FROM x_tokens t WHERE t.user_id = h.user_id) FOR NO KEY UPDATE OF h)
        """

    /// Stops all calls of all pollers for a while.
    ///
    /// - Returns: whether it is new, so that it is logged once.
    /// - Throws: `PostgresError`.
    func pause(
        _ cause: PauseCause, for time: Duration, _ detail: String, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Bool {
        let answer = try connection.query(
            """
            INSERT INTO timeline_pauses AS p (cause, until, detail) VALUES ($1, now() + $2::bigint * interval '1 ms', $3)
            ON CONFLICT (cause) DO UPDATE SET until = excluded.until, detail = excluded.detail,
                since = CASE WHEN p.until > now() - interval '1 hour' THEN p.since ELSE now() END
            RETURNING since = now()
            """, [cause.rawValue, "\(time.milliseconds)", String(detail.prefix(500))], doing: "pause all timelines")
        return answer.text(0, 0) == "t"
    }

    /// Ends pauses whose cause a changed setting may have ended; the next call finds out.
    ///
    /// - Throws: `PostgresError`.
    static func forgetPauses(_ connection: borrowing PostgresConnection) throws(PostgresError) {
        try connection.execute(
            "DELETE FROM timeline_pauses WHERE cause IN ('budget', 'app')", doing: "forget pauses of earlier settings")
    }
}
