import Core
import FoundationEssentials
import Glibc

/// The accounts that an account follows, as X has listed them.
package struct FollowingList: Codable, Equatable, Sendable {
    /// The account as a rules file names it: in lower case without `@`, or its id.
    package let account: String
    /// Its id.
    package let id: String
    /// When it was read from X, in milliseconds since 1970.
    package let readAt: Int64
    /// Ids, in the order of their numbers.
    package let accounts: [String]

    /// - Parameters:
    ///   - account: as a rules file names it.
    ///   - id: of the account.
    ///   - readAt: when it was read from X.
    ///   - accounts: the ids of the followed accounts; their order does not matter.
    package init(account: String, id: String, readAt: Timestamp, accounts: some Sequence<String>) {
        (self.account, self.id, self.readAt) = (account, id, readAt.milliseconds)
        self.accounts = Set(accounts).sorted { ($0.utf8.count, $0) < ($1.utf8.count, $1) }
    }

    private enum CodingKeys: String, CodingKey {
        case account, id, accounts
        case readAt = "read_at"
    }

    /// Whether it is to be read again: after a day, as X charges for every account in it.
    ///
    /// - Parameter now: the time.
    /// - Returns: also true for one that was read in the future, before the clock was set back.
    package func isOld(at now: Timestamp) -> Bool {
        now.milliseconds - readAt >= Self.lifetime || readAt > now.milliseconds + Self.lifetime
    }

    private static let lifetime: Int64 = 86_400_000
}

/// The lists of followed accounts that were read from X, in files below a folder: X charges for each account in a list.
package struct FollowingFiles: Sendable {
    private let folder: String

    /// - Parameter journalFolder: the folder of the journals, which is the place of what belongs to no single stream.
    package init(journalFolder: String) { folder = journalFolder + "/.x" }

    private func file(_ account: String) -> StateFile<FollowingList> {
        StateFile("following-\(account).json", in: folder)
    }

    /// The list of an account; nil when it was never read, or its file is damaged.
    ///
    /// - Parameter account: as a rules file names it.
    /// - Returns: the list, however old.
    package func list(of account: String) -> FollowingList? { file(account).value }

    /// Makes the folder, and looks whether files can be made in it: nothing is to be paid for what then cannot be kept.
    ///
    /// - Throws: `FileError` when that is not possible.
    package func prepare() throws(FileError) {
        try JournalFolder.create(folder)
        guard unsafe access(folder, W_OK) == 0 else { throw FileError("access", folder) }
    }

    /// Keeps a list.
    ///
    /// - Parameter list: what X has answered.
    /// - Throws: `FileError` when the disk refuses.
    package func keep(_ list: FollowingList) throws(FileError) { try file(list.account).write(list) }
}

/// Reads from X which accounts an account follows (X: "Follows", `GET /2/users/:id/following`).
package struct FollowingReader: Sendable {
    /// An account at X.
    package struct Account: Equatable, Sendable {
        package let id: String
        /// How many accounts it follows; nil when X does not say.
        package let following: Int?
    }

    private let api: XAPI

    /// The most accounts that the rules of a plan can hold: an account has 28 code points at most, "from:" and 19 digits, and " OR ".
    ///
    /// - Parameter plan: of the account.
    /// - Returns: how many; what X lists beyond is not worth its price.
    package static func capacity(of plan: AccountPlan) -> Int {
        min(mostAccounts, plan.maximalRules * ((plan.maximalRuleLength + 4) / 28))
    }

    /// X's largest page.
    private static let pageSize = "1000"
    /// More than 1,400 rules of an enterprise account, and over $1,000 at X's list price.
    package static let mostAccounts = 100_000

    /// - Parameters:
    ///   - settings: how to reach X.
    ///   - stop: a service gives its own, so that no call outlives it for long.
    ///   - patience: how long a call waits for the end of X's rate limit (300 calls in 15 minutes).
    ///   - onWait: is called with the duration before each such wait.
    package init(
        _ settings: XSettings, stop: Stop? = nil, patience: Duration = .zero,
        onWait: @escaping @Sendable (Duration) -> Void = { _ in }
    ) {
        api = XAPI(settings, stop: stop, patience: patience, onWait: onWait)
    }

    /// Looks an account up, which costs as much as one user.
    ///
    /// - Parameter account: its name without `@`, or its id.
    /// - Returns: the account.
    /// - Throws: `XError`: `reject` when X has no such account; others when X cannot be asked.
    package func lookUp(_ account: String) throws(XError) -> Account {
        let path = Self.isID(account) ? "/2/users/\(account)" : "/2/users/by/username/\(account)"
        let answer = try read(path, query: [("user.fields", "public_metrics")])
        guard let id = answer["data"]?["id"]?.text, Self.isID(id) else {
            throw XError(.reject, "X has no account '\(account)'\(Self.reason(answer))")
        }
        let count = answer["data"]?["public_metrics"]?["following_count"]?.number.flatMap { Int(exactly: $0) }
        return Account(id: id, following: count)
    }

    /// Reads all accounts that an account follows, page by page; X charges for each of them.
    ///
    /// - Parameters:
    ///   - account: as a rules file names it.
    ///   - id: its id.
    ///   - now: the time.
    /// - Returns: the list.
    /// - Throws: `XError`: `reject` when there are more than `mostAccounts`, or the account is protected; others when X
    ///   cannot be asked. X does not charge twice on a UTC day for what is read again after a failure.
    package func read(_ account: String, id: String, now: Timestamp = .now()) throws(XError) -> FollowingList {
        var ids: Set<String> = []
        var next: String?
        repeat {
            let page = [("max_results", Self.pageSize)] + (next.map { [("pagination_token", $0)] } ?? [])
            let answer = try read("/2/users/\(id)/following", query: page.map { (name: $0.0, value: $0.1) })
            guard answer["data"] != nil || answer["meta"] != nil else {
                throw XError(.reject, "X does not list the accounts that '\(account)' follows\(Self.reason(answer))")
            }
            let before = ids.count
            ids.formUnion((answer["data"]?.elements ?? []).compactMap { $0["id"]?.text }.filter(Self.isID))
            guard ids.count <= Self.mostAccounts else { throw Self.tooMany(account, Self.mostAccounts) }
            // An endpoint of X was seen to return the same token endlessly.
            next = ids.count == before ? nil : answer["meta"]?["next_token"]?.text
        } while next != nil
        return FollowingList(account: account, id: id, readAt: now, accounts: ids)
    }

    /// The error for an account that follows more accounts than rules can hold.
    ///
    /// - Parameters:
    ///   - account: as a rules file names it.
    ///   - limit: how many the rules can hold.
    /// - Returns: the error.
    package static func tooMany(_ account: String, _ limit: Int) -> XError {
        XError(
            .reject,
            "'\(account)' follows more than the \(limit) accounts that rules can hold; name some of them in people: instead"
        )
    }

    private func read(_ path: String, query: [(name: String, value: String)]) throws(XError) -> JSONValue {
        let body = try api.get(path, query: query)
        guard let answer = try? JSONDecoder().decode(JSONValue.self, from: Data(body)) else {
            throw XError(.wait, "X's answer to GET \(path) is not understood (\(body.count) bytes)")
        }
        return answer
    }

    /// What X says in an answer of 200 that has no data.
    private static func reason(_ answer: JSONValue) -> String {
        guard let detail = answer["errors"]?.elements.first?["detail"]?.text?.plain else { return "" }
        return ": " + (detail.hasSuffix(".") ? String(detail.dropLast()) : detail)
    }

    private static func isID(_ text: String) -> Bool { RuleValueCheck.isID(text) }
}
