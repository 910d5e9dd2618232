import Core
import Hummingbird
import TweetFormat

/// `/2/users/me` and the three timelines of a user (documentation, "Timelines").
struct UserTimelines: Sendable {
    let users: UserAccounts
    let clock: SandboxClock

    func me(_ request: Request) -> Response {
        let now = clock.now
        let found = users.state.withLock { state in
            account(of: request, state, now).map { ($0, state.accounts[$0]?.name ?? "") }
        }
        guard let found else { return Response(.unauthorized) }
        var writer = JSONWriter()
        writer.object { answer in
            answer.field("data") { user in
                user.field("id", String(found.0))
                user.field("name", found.1)
                user.field("username", found.1)
            }
        }
        return Response(status: 200, json: writer.bytes)
    }

    func timeline(_ request: Request, _ context: XContext, kind: String) async throws -> Response {
        let now = clock.now
        guard let id = context.parameters.get("id").flatMap({ Int64($0) }) else {
            return Response(.invalidRequest("The `id` path parameter is not an id"))
        }
        guard users.state.withLock({ account(of: request, $0, now) }) == id else { return Response(.unauthorized) }
        let delay = users.begin(id)
        defer { users.end(id) }
        if delay > .zero { try await Task.sleep(for: delay) }
        let budget = users.count(id, kind, now: now)
        var response = answer(request, id, kind, mayPass: budget.remaining >= 0)
        response.set("x-rate-limit-limit", String(budget.limit))
        response.set("x-rate-limit-remaining", String(max(0, budget.remaining)))
        response.set("x-rate-limit-reset", String(budget.reset))
        response.set("Date", now.httpDate)
        return response
    }

    private func answer(_ request: Request, _ id: Int64, _ kind: String, mayPass: Bool) -> Response {
        let account = users.state.withLock { $0.accounts[id] }
        guard let account else {
            return Response(
                Refusal(
                    status: 404,
                    body: #"{"errors":[{"title":"Not Found Error","detail":"Could not find user with id: [\#(id)].","#
                        + #""type":"https://api.twitter.com/2/problems/resource-not-found"}]}"#))
        }
        guard mayPass else { return Response(.rateLimit) }
        if let refusal = account.refusal { return Response(refusal) }
        let query = request.uri.queryParameters
        func number(_ name: Substring) -> Int64? { query[name].flatMap { Int64($0) } }
        let size = number("max_results") ?? 10
        guard (kind == "home" ? 1...100 : 5...100).contains(size) else {
            return Response(
                .invalidRequest("The `max_results` query parameter value [\(size)] is not between 1 and 100"))
        }
        let oldest = Snowflake.firstID(at: clock.now.advanced(by: .seconds(-7 * 86_400))) ?? 0
        if account.rejectsOldIDs, let since = number("since_id"), since < oldest {
            return Response(.invalidRequest("The `since_id` query parameter value [\(since)] is too old"))
        }
        guard number("since_id") != 0 else {
            return Response(.invalidRequest("The `since_id` query parameter value [0] is not valid"))
        }
        if account.emptyPages, query["pagination_token"] == nil {
            users.state.withLock { $0.record.count(id, at: clock.now, []) }
            return Response(status: 200, json: Self.json([], nextToken: "behind"))
        }
        return page(account, kind, id: id, size: Int(size), since: number("since_id"), until: number("until_id"))
    }

    private func page(
        _ account: UserAccount, _ kind: String, id: Int64, size: Int, since: Int64?, until: Int64?
    ) -> Response {
        let now = clock.now
        let visible = (account.posts[kind] ?? [:]).values.filter { $0.shownAt <= now }
            .sorted { $0.id > $1.id }.prefix(account.depth)
        let matching = visible.filter { $0.id > since ?? 0 && $0.id < until ?? .max }
        let posts = Array(matching.prefix(min(size, account.shortPage ?? .max)))
        users.state.withLock { $0.record.count(id, at: now, posts.map(\.id)) }
        let hasMore = account.repeatsTokens || posts.count < matching.count
        return Response(status: 200, json: Self.json(posts, nextToken: hasMore ? "next" : nil))
    }

    private static func json(_ posts: [OfferedPost], nextToken: String?) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { answer in
            answer.field("data", objects: posts) { object, post in
                object.field("id", String(post.id))
                object.field("text", post.text)
                object.field("author_id", String(post.author))
            }
            let authors = Dictionary(posts.map { ($0.author, $0.isProtected) }) { first, _ in first }
            if !authors.isEmpty {
                answer.field("includes") { includes in
                    includes.field("users", objects: authors.sorted { $0.key < $1.key }) { user, author in
                        user.field("id", String(author.key))
                        user.field("username", "author\(author.key)")
                        user.field("name", "Author \(author.key)")
                        user.field("protected", literal: author.value)
                    }
                }
            }
            answer.field("meta") { meta in
                meta.field("result_count", literal: posts.count)
                if let first = posts.first, let last = posts.last {
                    meta.field("newest_id", String(first.id))
                    meta.field("oldest_id", String(last.id))
                }
                if let nextToken { meta.field("next_token", nextToken) }
            }
        }
        return writer.bytes
    }

    private func account(of request: Request, _ state: UserAccounts.State, _ now: Timestamp) -> Int64? {
        guard let header = request.headers[.authorization], header.hasPrefix("Bearer ") else { return nil }
        return state.tokens.account(of: String(header.dropFirst(7)), at: now)
    }
}

extension XSimulator {
    func addUserRoutes(to router: Router<XContext>) {
        let tokens = UserTokenEndpoint(users: users, clock: clock)
        router.get("i/oauth2/authorize") { request, _ in tokens.authorize(request) }
        router.post("2/oauth2/token") { request, _ in try await tokens.token(request) }
        router.post("2/oauth2/revoke") { request, _ in try await tokens.revoke(request) }
        let timelines = UserTimelines(users: users, clock: clock)
        router.get("2/users/me") { request, _ in timelines.me(request) }
        router.get("2/users/:id/timelines/reverse_chronological") { request, context in
            try await timelines.timeline(request, context, kind: "home")
        }
        router.get("2/users/:id/tweets") { try await timelines.timeline($0, $1, kind: "posts") }
        router.get("2/users/:id/mentions") { try await timelines.timeline($0, $1, kind: "mentions") }
    }
}
