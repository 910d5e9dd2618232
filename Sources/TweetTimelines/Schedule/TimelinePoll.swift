import Core
import Postgres
import TweetFormat
import XAPI

/// One poll of one timeline: token, pages, journal, mark.
struct TimelinePoll {
    private let poller: Poller
    private let due: DueTimeline
    private let store: TokenStore
    private let client: UserClient
    private var settings: TimelineSettings { poller.settings }

    init(_ poller: Poller, _ due: DueTimeline, _ store: TokenStore, _ client: UserClient) {
        (self.poller, self.due, self.store, self.client) = (poller, due, store, client)
    }

    /// Reads up to three pages.
    ///
    /// - Throws: `PostgresError`.
    func run(_ connection: borrowing PostgresConnection) throws(PostgresError) {
        guard var token = try usableToken(rejected: nil, connection) else { return }
        var walk = TimelineWalk(due.kind, mark: due.mark, open: due.open, firstPosts: settings.firstPosts)
        var new = 0
        var hasRefreshed = false
        var pages = 0
        while pages < Poller.pagesAtOnce, !poller.stop.isRaised {
            guard let request = try affordable(walk, connection) else { return }
            switch call(request, token) {
            case .page(let body, _, let date):
                poller.outage.end()
                pages += 1
                guard let page = TimelinePage(body, of: due.account, due.kind, date: date ?? .now()) else {
                    return try fail("X's answer is no page of posts", connection)
                }
                let step = walk.take(page.page)
                guard try keep(step, page, &new, isLast: pages == Poller.pagesAtOnce, connection) else { return }
                if case .done = step { return }
            case .problem(let problem):
                poller.outage.end()
                let answer = CallProblem(problem, failures: due.failures)
                guard answer == .tokenRejected, !hasRefreshed else { return try react(answer, "\(problem)", connection) }
                hasRefreshed = true
                guard let fresh = try usableToken(rejected: token.version, connection) else { return }
                token = fresh
            case .unreachable(let reason): return try react(.unreachable, reason, connection)
            }
        }
    }

    private func call(_ request: TimelineWalk.Request, _ token: StoredToken) -> UserAnswer {
        var query: [(name: String, value: String)] = [("max_results", "\(request.count)")]
        if let since = request.since { query.append(("since_id", "\(since)")) }
        if let until = request.until { query.append(("until_id", "\(until)")) }
        if let token = request.token { query.append(("pagination_token", token)) }
        query.append(("tweet.fields", StreamFields.tweetFields.all.joined(separator: ",")))
        if !settings.expansions.isEmpty {
            query.append(("expansions", settings.expansions.joined(separator: ",")))
            query.append(("user.fields", StreamFields.userFields.all.joined(separator: ",")))
        }
        return client.get(due.kind.path(of: due.account), query: query, as: authorization(token))
    }

    private func authorization(_ token: StoredToken) -> UserAuthorization {
        guard token.kind == .oauth1, let consumer = settings.access.consumer else { return .bearer(token.access) }
        return .oauth1(
            OAuth1Keys(
                consumerKey: consumer.id, consumerSecret: consumer.secret ?? Secret(""), token: token.access,
                tokenSecret: token.refresh ?? Secret("")))
    }

    /// Journals a page's new posts, then stores the step; nothing of an account that is not ours any more.
    ///
    /// - Returns: whether the poll goes on.
    private func keep(
        _ step: TimelineWalk.Step, _ page: TimelinePage, _ new: inout Int, isLast: Bool,
        _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Bool {
        let ids: [Int64]
        var ending: TimelineBook.Ending?
        switch step {
        case .more(let fresh, _): ids = fresh
        case .done(let fresh, _, _): ids = fresh
        }
        new += ids.count
        guard try poller.due.isOurs(due, connection) else { return false }
        guard poller.journal.store(page.lines(of: ids)) else {
            try poller.putOff(due, for: .seconds(10), nil, "the journal cannot be written", connection)
            return false
        }
        let interval = nextInterval(new)
        if case .done = step {
            let next = PollInterval.due(after: .now(), account: due.account, interval: interval)
            ending = TimelineBook.Ending(due: next, interval: interval, hasNew: new > 0)
        } else if isLast {
            // The walk continues behind those that are due by now.
            ending = TimelineBook.Ending(due: .now(), interval: interval, hasNew: new > 0)
        }
        return try poller.store(step, page: page.page.ids, of: due, ending, connection)
    }

    private func nextInterval(_ new: Int) -> Duration {
        let interval = due.interval ?? settings.interval.lowerBound
        let quiet = due.lastNewAt.map { Timestamp.now().milliseconds - $0.milliseconds > 3 * interval.milliseconds }
        return PollInterval.next(after: interval, new: new, isQuiet: quiet ?? true, in: settings.interval)
    }

    /// The next request within the budgets; nil when one of them is used up, and the timeline is put off.
    private func affordable(
        _ walk: TimelineWalk, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> TimelineWalk.Request? {
        guard let wanted = walk.request(budget: .max) else { return nil }
        let budget = PostBudget(perAccount: settings.postsPerDay, limits: settings.limits)
        switch try budget.reserve(wanted.count, for: due, connection) {
        case .posts(let count): return walk.request(budget: count)
        case .notYet: try poller.putOff(due, for: .seconds(1), nil, "the budget is reserved", connection)
        case .accountIsDone:
            try poller.putOff(
                due, for: Self.untilTomorrow, .limited, "\(ReadingSettings.postsPerDay.title) is reached", connection)
        case .allAreDone(let setting):
            try poller.pauseAll(.budget, for: Self.untilTomorrow, "\(setting) is reached", connection)
        }
        return nil
    }

    private static var untilTomorrow: Duration {
        .milliseconds(86_400_000 - Timestamp.now().milliseconds % 86_400_000)
    }

    /// A token that can be used; nil when there is none, and state and time of the next look are stored.
    private func usableToken(
        rejected: Int64?, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> StoredToken? {
        let refresh = TokenRefresh(
            store: store, endpoint: settings.access.endpoint, client: settings.access.client.id,
            conninfo: settings.access.conninfo, stop: poller.stop)
        switch try refresh.token(of: due.account, rejected: rejected, connection) {
        case .usable(let token):
            if token.kind == .oauth1, settings.access.consumer == nil {
                try fail("an OAuth 1.0a token needs X_CONSUMER_KEY and X_CONSUMER_SECRET", connection)
                return nil
            }
            return token
        case .missing: return nil
        case .later(let time, let reason): try poller.putOff(due, for: time, .failing, reason, connection)
        case .loginNeeded(let reason):
            // X has rejected an access token that had not expired: the user has withdrawn it.
            let state = rejected == nil ? AccountState.loginNeeded : .revoked
            try poller.putOff(due, for: .zero, state, reason, connection)
        case .app(let reason): try poller.pauseAll(.app, for: .seconds(900), reason, connection)
        case .unreadable(let reason): try poller.putOff(due, for: .seconds(60), .failing, reason, connection)
        }
        return nil
    }

    private func react(
        _ problem: CallProblem, _ detail: String, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        switch problem {
        case .tokenRejected: try poller.putOff(due, for: .zero, .revoked, detail, connection)
        case .limited(let time): try poller.putOff(due, for: time, .limited, detail, connection)
        case .all(let cause, let time): try poller.pauseAll(cause, for: time, detail, connection)
        case .suspended: try poller.putOff(due, for: .zero, .suspended, detail, connection)
        case .failing: try fail(detail, connection)
        case .unreachable:
            let wait = poller.outage.begin(detail)
            try poller.putOff(due, for: wait, nil, detail, connection)
        }
    }

    /// Retries later and later, after the first failure within a minute.
    private func fail(_ detail: String, _ connection: borrowing PostgresConnection) throws(PostgresError) {
        let wait = min(settings.interval.lowerBound * (1 << min(due.failures, 6)), max(settings.interval.upperBound, .seconds(60)))
        try poller.putOff(due, for: wait, .failing, detail, connection)
    }
}
