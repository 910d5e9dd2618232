import Core
import Synchronization
import TweetFormat

/// An account at the simulator whose user logs in, and has timelines.
package struct UserAccount: Sendable {
    package var name: String
    /// What X answers to every call on its behalf; nil for none.
    package var refusal: Refusal?
    /// Posts of each timeline (`home`, `posts`, `mentions`), by id.
    var posts: [String: [Int64: OfferedPost]] = [:]
    /// The newest posts that are returned, however many there are.
    package var depth = 800
    /// The most posts on a page; nil for as many as are asked for.
    package var shortPage: Int?
    /// Whether every page has a token for the next one.
    package var repeatsTokens = false
    /// Whether a `since_id` of more than 7 days ago is an invalid request.
    package var rejectsOldIDs = false
    /// Whether each page comes behind an empty one, which has its token.
    package var emptyPages = false
    /// Calls of each timeline in 15 minutes.
    package var callLimit = 180
}

/// A post on a timeline.
struct OfferedPost: Sendable {
    let id: Int64
    /// Not on any page before.
    let shownAt: Timestamp
    let text: String
    let author: Int64
    let isProtected: Bool
}

/// What the simulator has seen of users' calls: the record to judge by.
package struct UserRecord: Sendable {
    /// Calls that were answered with 200, by account.
    package var calls: [Int64: Int] = [:]
    /// The longest time between two answered calls of each account, and when the last one was.
    package var longestPauses: [Int64: Duration] = [:]
    package var lastCalls: [Int64: Timestamp] = [:]
    /// Calls of an account that began while another one was under way.
    package var overlapping = 0
    /// Posts that were returned, each once a day (UTC): what X charges for.
    package var charged: Set<Charge> = []
    /// Answers of the token endpoint, by status.
    package var tokenAnswers: [Int: Int] = [:]
    /// Grants that died because a spent refresh token was used.
    package var revokedFamilies = 0

    /// Counts a call that is answered with a page.
    mutating func count(_ account: Int64, at now: Timestamp, _ ids: [Int64]) {
        calls[account, default: 0] += 1
        if let last = lastCalls[account] {
            let pause = Duration.milliseconds(now.milliseconds - last.milliseconds)
            longestPauses[account] = max(longestPauses[account] ?? .zero, pause)
        }
        lastCalls[account] = now
        for id in ids { charged.insert(Charge(day: now.milliseconds / 86_400_000, id: id)) }
    }

    /// A post on a day.
    package struct Charge: Hashable, Sendable {
        package let day: Int64
        package let id: Int64
    }
}

/// Accounts, tokens and logins at the simulator.
final class UserAccounts: Sendable {
    struct State {
        var accounts: [Int64: UserAccount] = [:]
        var tokens = TokenBook()
        var record = UserRecord()
        var inFlight: [Int64: Int] = [:]
        var budgets: [String: (used: Int, reset: Int64)] = [:]
        /// The user who agrees on the page of a login.
        var browser: Int64?
        /// How long a call takes.
        var delay = Duration.zero
    }

    let state = Mutex(State())

    /// Begins a call of an account; the result ends it.
    func begin(_ account: Int64) -> Duration {
        state.withLock { state in
            let others = state.inFlight[account, default: 0]
            if others > 0 { state.record.overlapping += 1 }
            state.inFlight[account] = others + 1
            return state.delay
        }
    }

    func end(_ account: Int64) {
        state.withLock { $0.inFlight[account, default: 1] -= 1 }
    }

    /// Counts a call of an account's timeline.
    func count(_ account: Int64, _ kind: String, now: Timestamp) -> RateLimits.Budget {
        state.withLock { state in
            let limit = state.accounts[account]?.callLimit ?? 180
            let seconds = now.milliseconds / 1000
            var budget = state.budgets["\(account) \(kind)"] ?? (0, seconds + 900)
            if budget.reset <= seconds { budget = (0, seconds + 900) }
            budget.used += 1
            state.budgets["\(account) \(kind)"] = budget
            return RateLimits.Budget(limit: limit, remaining: limit - budget.used, reset: budget.reset)
        }
    }
}

extension XSimulator {
    /// Adds or changes an account whose user can log in.
    ///
    /// - Parameters:
    ///   - id: of the account.
    ///   - change: what to change.
    package func setUser(_ id: Int64, _ change: (inout UserAccount) -> Void = { _ in }) {
        users.state.withLock { state in
            var account = state.accounts[id] ?? UserAccount(name: "user\(id)")
            change(&account)
            state.accounts[id] = account
        }
    }

    /// The user has deleted the account.
    package func deleteUser(_ id: Int64) {
        users.state.withLock { $0.accounts[id] = nil }
    }

    /// Puts posts on a timeline.
    ///
    /// - Parameters:
    ///   - count: how many.
    ///   - account: whose timeline.
    ///   - kind: `home`, `posts` or `mentions`.
    ///   - age: how long before now the first was made; the others follow until now.
    ///   - delay: how long after that they are shown.
    ///   - isProtected: whether only followers of the author see them.
    /// - Returns: their ids.
    @discardableResult
    package func post(
        _ count: Int, to account: Int64, kind: String = "home", age: Duration = .zero, late delay: Duration = .zero,
        isProtected: Bool = false
    ) -> [Int64] {
        let now = clock.now
        return users.state.withLock { state in
            (0..<count).map { place in
                let made = now.milliseconds - age.milliseconds + age.milliseconds * Int64(place) / Int64(max(count, 1))
                // Accounts do not get the same ids in the same millisecond.
                var id = (Snowflake.firstID(at: Timestamp(milliseconds: made)) ?? 0) + (account % 4096) << 10
                while state.accounts[account]?.posts[kind]?[id] != nil { id += 1 }
                let post = OfferedPost(
                    id: id, shownAt: Timestamp(milliseconds: max(made, now.milliseconds) + delay.milliseconds),
                    text: "post \(id)", author: isProtected ? 2 : 3, isProtected: isProtected)
                state.accounts[account]?.posts[kind, default: [:]][id] = post
                return id
            }
        }
    }

    /// Puts posts of one timeline on another account's, too.
    ///
    /// - Parameters:
    ///   - ids: of the posts.
    ///   - source: the account that has them.
    ///   - account: the other account.
    package func share(_ ids: [Int64], of source: Int64, with account: Int64) {
        users.state.withLock { state in
            for id in ids {
                if let post = state.accounts[source]?.posts["home"]?[id] {
                    state.accounts[account]?.posts["home", default: [:]][id] = post
                }
            }
        }
    }

    /// Every post that was put on a timeline.
    package func offered(to account: Int64, kind: String = "home") -> Set<Int64> {
        users.state.withLock { Set(($0.accounts[account]?.posts[kind] ?? [:]).keys) }
    }

    /// Begins to count calls and pauses again.
    package func forgetCalls() {
        users.state.withLock { state in
            (state.record.longestPauses, state.record.lastCalls, state.record.calls) = ([:], [:], [:])
        }
    }

    /// What was seen of users' calls.
    package var userRecord: UserRecord { users.state.withLock { $0.record } }

    /// How long each call on behalf of a user takes.
    package func setUserDelay(_ delay: Duration) { users.state.withLock { $0.delay = delay } }

    /// The user who agrees on the page of a login; nil for one who denies access.
    package func setBrowser(_ account: Int64?) { users.state.withLock { $0.browser = account } }
}
