import Core
import Logging
import XAPI

/// Reads the lists of accounts that filters follow (`following`), and what that costs: X charges for every account in a list.
struct FollowingPurchase {
    /// A list that is to be read.
    struct Item: Equatable {
        /// As the rules file names it.
        let account: String
        /// The account's id at X; nil when it is not known yet.
        var id: String?
        /// How many accounts it follows: as X says, or as they were when the list was last read.
        var following: Int?
        /// When the list was last read; nil for never.
        var readAt: Timestamp?
    }

    private let files: FollowingFiles
    private let reader: FollowingReader
    private let price: PostPrice
    private let capacity: Int

    /// X's window of rate limits.
    private static let patience = Duration.seconds(16 * 60)

    /// - Parameter settings: of a subcommand of `rules`.
    init(_ settings: RulesSettings) {
        files = settings.following
        price = settings.userPrice
        capacity = FollowingReader.capacity(of: settings.plan)
        let logger = Logger(label: "tweet-producer.rules")
        reader = FollowingReader(settings.x, patience: Self.patience) { wait in
            logger.notice("X's rate limit is reached; waiting for its reset", metadata: ["for": "\(wait.short)"])
        }
    }

    /// The lists that a file needs and that were never read, or more than a day ago.
    ///
    /// - Parameters:
    ///   - filters: of the file.
    ///   - all: whether those that are still fresh are read, too.
    ///   - now: the time.
    /// - Returns: each account once.
    func due(_ filters: [RuleFilter], all: Bool, at now: Timestamp = .now()) -> [Item] {
        var known: Set<String> = []
        return filters.flatMap(\.following).filter { known.insert($0).inserted }.compactMap { account in
            let list = files.list(of: account)
            if let list, !all, !list.isOld(at: now) { return nil }
            return Item(
                account: account, id: list?.id, following: list?.accounts.count,
                readAt: list.map { Timestamp(milliseconds: $0.readAt) })
        }
    }

    /// Asks X how many accounts an account follows, where that is not known; costs as much as one user.
    ///
    /// - Parameter items: what is to be read.
    /// - Returns: the same with what X says.
    /// - Throws: `XError` when X has no such account or cannot be asked, `reject` when it follows more than rules can hold.
    func lookUp(_ items: [Item]) throws(XError) -> [Item] {
        var result: [Item] = []
        for var item in items {
            if item.id == nil || item.following == nil {
                let account = try reader.lookUp(item.account)
                (item.id, item.following) = (account.id, account.following)
            }
            if let count = item.following, count > capacity { throw FollowingReader.tooMany(item.account, capacity) }
            result.append(item)
        }
        return result
    }

    /// Reads lists from X, and keeps each before the next is paid. Where X rejects to list the accounts that it has listed before,
    /// as of an account that is protected now, the old list stays, with a warning.
    ///
    /// - Parameter items: looked up.
    /// - Throws: `XError` when X cannot be asked; `Failure` (74) when a list cannot be kept.
    func read(_ items: [Item]) throws {
        do { try files.prepare() } catch {
            throw Failure(.disk, "lists of followed accounts cannot be kept: \(error). Name a folder with JOURNAL_DIR")
        }
        for item in items {
            guard let list = try list(item) else { continue }
            do { try files.keep(list) } catch {
                throw Failure(.disk, "the accounts that '\(item.account)' follows cannot be kept: \(error)")
            }
        }
    }

    private func list(_ item: Item) throws(XError) -> FollowingList? {
        do throws(XError) {
            let id = if let known = item.id { known } else { try reader.lookUp(item.account).id }
            return try reader.read(item.account, id: id)
        } catch {
            guard error.disposition == .reject, let time = item.readAt else { throw error }
            writeToStandardError("warning: \(error). Continuing with the list of \(time)\n")
            return nil
        }
    }

    /// What reading them costs: `@nasa follows 412 accounts, $4.12`, one line each.
    ///
    /// - Parameter items: looked up.
    /// - Returns: lines without an end.
    func text(_ items: [Item]) -> [String] {
        items.map { item in
            let count =
                item.following.map { "\($0) accounts, \(price.text(for: Double($0)))" } ?? "number and price unknown"
            return "\(FollowingPurchase.name(item.account)) follows \(count)"
        }
    }

    /// An account as people write it.
    static func name(_ account: String) -> String {
        account.allSatisfy { ("0"..."9").contains($0) } ? account : "@\(account)"
    }
}
