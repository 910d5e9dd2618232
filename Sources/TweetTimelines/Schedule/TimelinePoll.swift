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
    private var walk: TimelineWalk
    private var pages = 0
    private var new = 0
    /// When the lease was extended last.
    private var leasedAt = ContinuousClock.now

    private var shared: Polling { poller.shared }
    private var settings: TimelineSettings { shared.settings }

    /// - Parameters:
    ///   - poller: whose poll it is.
    ///   - due: the timeline, whose lease was just taken.
    ///   - store: of tokens.
    ///   - client: calls X.
    init(_ poller: Poller, _ due: DueTimeline, _ store: TokenStore, _ client: UserClient) {
        (self.poller, self.due, self.store, self.client) = (poller, due, store, client)
        walk = TimelineWalk(due.kind, mark: due.mark, open: due.open, firstPosts: poller.shared.settings.firstPosts)
    }

    /// Reads up to three pages.
    ///
    /// - Throws: `PostgresError`.
    mutating func run(_ connection: borrowing PostgresConnection) throws(PostgresError) {
        guard var token = try usableToken(rejected: nil, connection) else { return }
        var hasRefreshed = false
        while pages < Poller.pagesAtOnce, !shared.stop.isRaised {
            guard let request = try affordable(connection) else { return }
            switch call(request, token) {
            case .page(let body, let limit, let date):
                shared.app.succeed()
                shared.calls.end()
                guard try take(body, limit, date, connection) else { return }
                try store.accept(token, connection)
            case .problem(let problem):
                let meaning = CallProblem(problem, failures: due.failures)
                if meaning != .broken { shared.calls.end() }
                guard meaning == .tokenRejected else { return try react(meaning, "\(problem)", connection) }
                // A fresh token that is rejected as well is no revocation.
                guard !hasRefreshed else { return try fail("\(problem), also of a new access token", connection) }
                hasRefreshed = true
                guard let fresh = try usableToken(rejected: token.version, connection) else { return }
                token = fresh
            case .unreachable(let reason):
                // The stop ends a call; X may have answered it.
                guard !shared.stop.isRaised else { return }
                // A lost answer may have been charged.
                return try wait(reason, isFree: false, connection)
            }
        }
    }

    // MARK: The call

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
        let answer = client.get(due.kind.path(of: due.account), query: query, as: authorization(token))
        shared.metrics.calls[CallOutcome(answer)].add()
        return answer
    }

    private func authorization(_ token: StoredToken) -> UserAuthorization {
        guard token.kind == .oauth1, let consumer = settings.access.consumer else { return .bearer(token.access) }
        return .oauth1(
            OAuth1Keys(
                consumerKey: consumer.id, consumerSecret: consumer.secret ?? Secret(""), token: token.access,
                tokenSecret: token.refresh ?? Secret("")))
    }

    /// The next request within the budgets, while the lease lasts longer than its call; nil when there is none, and the timeline
    /// is put off.
    private mutating func affordable(
        _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> TimelineWalk.Request? {
        guard let wanted = walk.request(budget: .max) else { return nil }
        let budget = PostBudget(perAccount: settings.postsPerDay, limits: settings.limits, lease: settings.lease)
        guard budget.isLimited else {
            guard try isOurs(connection) else { return nil }
            return wanted
        }
        switch try budget.reserve(wanted.count, for: due, connection) {
        case .posts(let count):
            leasedAt = .now
            return walk.request(budget: count)
        case .lost: break
        case .notYet: try putOff(.init(pause: .seconds(1), isFailure: false), connection)
        case .accountIsDone(let pause):
            let detail = "\(ReadingSettings.postsPerDay.title) is reached"
            try putOff(.init(pause: pause, state: .limited, detail: detail, isFailure: false), connection)
        case .allAreDone(let setting, let pause):
            try pauseAll(.budget, for: pause, "\(setting) is reached", connection)
        }
        return nil
    }

    /// Whether the lease lasts longer than a call; a refresh of the token may have taken its time.
    private mutating func isOurs(_ connection: borrowing PostgresConnection) throws(PostgresError) -> Bool {
        guard leasedAt.duration(to: .now) > settings.lease / 6 else { return true }
        guard try poller.due.extend(due, connection) else { return false }
        leasedAt = .now
        return true
    }

    // MARK: A page

    /// Settles a page, journals its new posts, and stores how far the walk is: nothing of an account that is not ours any more.
    ///
    /// - Returns: whether the poll goes on.
    private mutating func take(
        _ body: [UInt8], _ limit: RateLimit, _ date: Timestamp?, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Bool {
        pages += 1
        guard let page = TimelinePage(body, of: due.account, due.kind, date: date ?? .now()) else {
            try fail("X's answer is no page of posts", isFree: false, connection)
            return false
        }
        let answeredAt = shared.metrics.noteAnswer()
        // What X has charged counts in any case.
        let isOurs = try poller.book.settle(page.page.ids, of: due, connection)
        leasedAt = .now
        shared.metrics.posts.add(page.page.ids.count)
        guard isOurs else { return false }
        let step = walk.take(page.page)
        let fresh = page.lines(of: step.new)
        guard shared.journal.store(fresh) else {
            try putOff(.init(pause: .seconds(1), isFailure: false), connection)
            return false
        }
        new += fresh.count
        shared.metrics.newPosts.add(fresh.count)
        if !fresh.isEmpty { shared.metrics.lastPost.set(answeredAt) }
        // Without a call left, nothing is called before X's window ends.
        let closed = limit.remaining == 0 ? CallProblem.wait(limit, 0) : nil
        let ending = ending(of: step, closed)
        guard try poller.book.store(step, of: due, ending, connection) else { return false }
        if case .done(_, _, _?) = step { shared.metrics.gaps.add() }
        if let closed {
            let detail = "no call is left in X's window"
            try putOff(.init(pause: closed, state: .limited, detail: detail, isFailure: false), connection)
        }
        return ending == nil
    }

    /// How the poll ends with this step; nil when it goes on.
    private func ending(of step: TimelineWalk.Step, _ closed: Duration?) -> TimelineBook.Ending? {
        let interval = nextInterval
        if case .done = step {
            let now = Timestamp.now()
            let next = PollInterval.due(after: now, account: due.account, interval: interval)
            let pause = Duration.milliseconds(next.milliseconds - now.milliseconds)
            return TimelineBook.Ending(pause: pause, interval: interval, hasNew: new > 0)
        }
        guard pages == Poller.pagesAtOnce || closed != nil else { return nil }
        // The walk continues behind those that are due by now.
        return TimelineBook.Ending(pause: .zero, interval: interval, hasNew: new > 0)
    }

    private var nextInterval: Duration {
        let interval = due.interval ?? settings.interval.lowerBound
        let isQuiet = due.quietFor.map { $0 > interval * 3 } ?? true
        return PollInterval.next(after: interval, new: new, isQuiet: isQuiet, in: settings.interval)
    }

    // MARK: Without a page

    /// A token that can be used; nil when there is none, and state and time of the next look are stored.
    private func usableToken(
        rejected: Int64?, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> StoredToken? {
        let refresh = TokenRefresh(
            store: store, endpoint: settings.access.endpoint, client: settings.access.client.id,
            conninfo: settings.access.conninfo, stop: shared.stop, outage: shared.tokens)
        switch try refresh.token(of: due.account, rejected: rejected, connection) {
        case .usable(let token):
            if token.kind == .oauth1, settings.access.consumer == nil {
                try fail("an OAuth 1.0a token needs X_CONSUMER_KEY and X_CONSUMER_SECRET", connection)
                return nil
            }
            return token
        case .missing: break
        case .later(let time, let reason):
            try putOff(.init(pause: time, state: .failing, detail: reason), connection)
        case .loginNeeded(let reason): try end(reason, isRevoked: rejected != nil, connection)
        case .app(let reason): try pauseAll(.app, for: .seconds(900), reason, connection)
        case .unreadable(let reason):
            try putOff(.init(pause: .seconds(60), state: .failing, detail: reason), connection)
        }
        return nil
    }

    /// Only a login helps, unless X rejects several accounts alike.
    private func end(
        _ reason: String, isRevoked: Bool, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        if isRevoked, shared.app.isApp(.rejected, of: due.account) {
            return try pauseAll(.app, for: .seconds(900), "of several accounts: \(reason)", connection)
        }
        // X has rejected an access token that had not expired: the user has withdrawn it.
        try putOff(.init(state: isRevoked ? .revoked : .loginNeeded, detail: reason), connection)
    }

    private func react(
        _ problem: CallProblem, _ detail: String, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        let isApp = problem.ofAccount.map { shared.app.isApp($0, of: due.account) } ?? false
        if problem == .broken, isApp || shared.calls.isOut { return try wait(detail, isFree: true, connection) }
        if isApp {
            let (cause, time) = problem.ofApp
            return try pauseAll(cause, for: time, "of several accounts: \(detail)", connection)
        }
        switch problem {
        case .limited(let time): try putOff(.init(pause: time, state: .limited, detail: detail), connection)
        case .all(let cause, let time): try pauseAll(cause, for: time, detail, connection)
        case .suspended:
            try putOff(.init(pause: .seconds(86_400), state: .suspended, detail: detail), connection)
        case .tokenRejected, .denied, .failing, .broken: try fail(detail, connection)
        }
    }

    /// X, or the way to it, does not work: nothing is called for a while.
    private func wait(
        _ reason: String, isFree: Bool, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        try putOff(.init(pause: shared.calls.begin(reason), isFailure: false, isFree: isFree), connection)
    }

    /// Retries later and later, after the first failure within an interval.
    private func fail(
        _ detail: String, isFree: Bool = true, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        let longest = max(settings.interval.upperBound, .seconds(60))
        let wait = min(settings.interval.lowerBound * (1 << min(due.failures, 6)), longest)
        try putOff(.init(pause: wait, state: .failing, detail: detail, isFree: isFree), connection)
    }

    private func putOff(
        _ delay: TimelineBook.Delay, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        try poller.book.putOff(due, delay, connection)
    }

    /// Stops all calls of all pollers, with one alarm.
    private func pauseAll(
        _ cause: PauseCause, for time: Duration, _ detail: String, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        // The account is not at fault; it comes first again.
        try putOff(.init(pause: .zero, isFailure: false), connection)
        guard try poller.book.pause(cause, for: time, detail, connection) else { return }
        shared.logger.error(
            "no timeline can be read; all accounts wait",
            metadata: [
                "cause": "\(cause.rawValue)", "detail": "\(detail)", "until": "\(Timestamp.now().advanced(by: time))",
            ])
    }
}
