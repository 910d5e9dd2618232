import Core
import Hummingbird
import Synchronization

/// `/2/users/by/username/NAME`, `/2/users/ID` and `/2/users/ID/following` (documentation, "Users" and "Follows").
final class FollowingEndpoint: Sendable {
    private struct Account {
        let name: String
        let following: [String]
    }

    private struct State {
        /// By id.
        var accounts: [String: Account] = [:]
        var usersRead = 0
    }

    private let state = Mutex(State())

    /// How many users were in answers: what X charges for.
    var usersRead: Int { state.withLock { $0.usersRead } }

    func set(_ id: String, name: String, following: [String]?) {
        state.withLock { $0.accounts[id] = following.map { Account(name: name, following: $0) } }
    }

    /// One user, by id or by name.
    func answer(_ id: String?, name: String? = nil) -> Response {
        let found = state.withLock { state -> (id: String, account: Account)? in
            let found = state.accounts.first { $0.key == id || $0.value.name.lowercased() == name?.lowercased() }
            if found != nil { state.usersRead += 1 }
            return found.map { ($0.key, $0.value) }
        }
        var writer = JSONWriter()
        writer.object { answer in
            guard let found else {
                return Self.writeNotFound(id ?? name ?? "", by: id == nil ? "username" : "id", &answer)
            }
            answer.field("data") { user in
                Self.write(found.id, name: found.account.name, &user)
                user.field("public_metrics") { $0.field("following_count", literal: found.account.following.count) }
            }
        }
        return Response(status: 200, json: writer.bytes)
    }

    /// A page of the accounts that one follows.
    func answerFollowing(_ request: Request, of id: String) -> Response {
        let query = request.uri.queryParameters
        guard let size = query["max_results"].map({ Int($0) }) ?? 100, (1...1000).contains(size) else {
            return Response(.invalidRequest("The `max_results` query parameter value is not between 1 and 1000"))
        }
        let start = query["pagination_token"].flatMap { Int($0) } ?? 0
        guard let all = state.withLock({ $0.accounts[id]?.following }) else {
            var writer = JSONWriter()
            writer.object { Self.writeNotFound(id, by: "id", &$0) }
            return Response(status: 200, json: writer.bytes)
        }
        let page = Array(all.dropFirst(start).prefix(size))
        state.withLock { $0.usersRead += page.count }
        var writer = JSONWriter()
        writer.object { answer in
            answer.field("data", objects: page) { Self.write($1, name: "user\($1)", &$0) }
            answer.field("meta") { meta in
                meta.field("result_count", literal: page.count)
                if start + page.count < all.count { meta.field("next_token", String(start + page.count)) }
            }
        }
        return Response(status: 200, json: writer.bytes)
    }

    private static func writeNotFound(_ value: String, by key: String, _ answer: inout JSONWriter) {
        answer.field("errors", objects: [value]) { error, value in
            error.field("value", value)
            error.field("detail", "Could not find user with \(key): [\(value)].")
            error.field("title", "Not Found Error")
            error.field("type", "https://api.twitter.com/2/problems/resource-not-found")
        }
    }

    private static func write(_ id: String, name: String, _ user: inout JSONWriter) {
        user.field("id", id)
        user.field("name", name)
        user.field("username", name)
    }
}

extension XSimulator {
    /// Lets an account follow others.
    ///
    /// - Parameters:
    ///   - id: of the account.
    ///   - name: its user name.
    ///   - following: ids of the accounts that it follows; nil when X has the account no more.
    package func setAccount(_ id: String, name: String, following: [String]?) {
        follows.set(id, name: name, following: following)
    }

    /// How many users X has sent in answers, each of which it charges for.
    package var usersRead: Int { follows.usersRead }

    func addFollowingRoutes(to router: Router<XContext>) {
        let users = router.group("2/users").add(middleware: XGate(simulator: self, endpoint: "users"))
        users.get("by/username/:name") { [follows] _, context in
            follows.answer(nil, name: context.parameters.get("name") ?? "")
        }
        users.get(":id") { [follows] _, context in follows.answer(context.parameters.get("id") ?? "") }
        users.get(":id/following") { [follows] request, context in
            follows.answerFollowing(request, of: context.parameters.get("id") ?? "")
        }
    }
}
