import Core
import Logging
import XAPI

/// Reads the lists of accounts that filters follow again when they are a day old, on the thread that watches the rules.
///
/// X charges for every account, so what a list costs counts towards the limits of posts, and a list that would exceed them is
/// not read. A list that was never read is left to `rules apply`, which asks for a confirmation of its price.
struct FollowingRefresh {
    private let files: FollowingFiles
    private let reader: FollowingReader
    private let capacity: Int
    private let postsPerAccount: Double
    private let price: PostPrice
    private let limits: PostLimits
    private let posts: PostCounter
    private let stop: Stop
    private let logger: Logger
    /// When a list that could not be read is tried again, by account.
    private var notBefore: [String: Timestamp] = [:]
    /// Why it could not be read, as the log has it.
    private var obstacles: [String: String] = [:]

    /// After an answer that will hardly be another one soon, and after others.
    private static let (longPause, pause) = (Duration.seconds(86_400), Duration.seconds(3600))
    private static let patience = Duration.seconds(120)

    /// - Parameters:
    ///   - settings: of the watch.
    ///   - posts: where the price is counted.
    ///   - limits: how much there may be.
    ///   - stop: ends it.
    ///   - logger: gets what was read, and what could not be.
    init(_ settings: RuleWatchSettings, posts: PostCounter, limits: PostLimits, stop: Stop, logger: Logger) {
        files = settings.following
        capacity = FollowingReader.capacity(of: settings.plan)
        price = settings.userPrice
        postsPerAccount = settings.postPrice.dollars > 0 ? price.dollars / settings.postPrice.dollars : 1
        (self.limits, self.posts, self.stop, self.logger) = (limits, posts, stop, logger)
        reader = FollowingReader(settings.x, stop: stop, patience: Self.patience) { wait in
            logger.notice("X's rate limit is reached; waiting for its reset", metadata: ["for": "\(wait.short)"])
        }
    }

    /// Reads the lists that are due, and keeps them.
    ///
    /// - Parameters:
    ///   - filters: of the rules file.
    ///   - now: the time.
    /// - Returns: whether an account was added to a list, or has left one.
    mutating func refresh(_ filters: [RuleFilter], at now: Timestamp) -> Bool {
        var isChanged = false
        for account in Set(filters.flatMap(\.following)).sorted() where !stop.isRaised {
            guard let list = files.list(of: account), list.isOld(at: now), notBefore[account].map({ $0 <= now }) ?? true
            else { continue }
            do throws(XError) {
                let new = try read(list, now)
                isChanged = isChanged || new.accounts != list.accounts
                (notBefore[account], obstacles[account]) = (nil, nil)
            } catch {
                report(error, list, now)
            }
        }
        return isChanged
    }

    private func read(_ list: FollowingList, _ now: Timestamp) throws(XError) -> FollowingList {
        do throws(FileError) { try files.prepare() } catch {
            throw XError(.wait, "the list cannot be kept: \(error)")
        }
        try requireRoom(for: list.accounts.count + 1, now)
        let count = try reader.lookUp(list.id).following ?? list.accounts.count
        charge(1, now)
        guard count <= capacity else { throw FollowingReader.tooMany(list.account, capacity) }
        try requireRoom(for: count, now)
        let new = try reader.read(list.account, id: list.id, now: now)
        charge(new.accounts.count, now)
        do throws(FileError) { try files.keep(new) } catch {
            throw XError(.wait, "the list cannot be kept: \(error)")
        }
        logger.info(
            "read the accounts that a filter follows again",
            metadata: [
                "account": "\(list.account)", "accounts": .stringConvertible(new.accounts.count),
                "before": .stringConvertible(list.accounts.count),
                "price": "\(price.text(for: Double(new.accounts.count + 1)))",
            ])
        return new
    }

    /// How many posts cost as much as some accounts.
    private func cost(_ accounts: Int) -> Int64 { Int64((Double(accounts) * postsPerAccount).rounded(.up)) }

    private func requireRoom(for accounts: Int, _ now: Timestamp) throws(XError) {
        guard let closing = limits.closing(posts, more: cost(accounts), at: now) else { return }
        throw XError(
            .retry,
            "\(counted(accounts, "account")) cost as much as \(cost(accounts)) posts, and \(closing.setting) allows"
                + " \(closing.limit) until \(closing.until)")
    }

    private func charge(_ accounts: Int, _ now: Timestamp) {
        posts.charge(cost(accounts), at: now)
        // A count that is lost with the machine is a price that is not counted.
        try? posts.save()
    }

    /// Logs a failure once, until its reason changes; the list stays.
    private mutating func report(_ error: XError, _ list: FollowingList, _ now: Timestamp) {
        let pause = error.disposition == .reject ? Self.longPause : Self.pause
        notBefore[list.account] = now.advanced(by: pause)
        guard !stop.isRaised, obstacles[list.account] != error.description else { return }
        obstacles[list.account] = error.description
        logger.warning(
            "cannot read the accounts that a filter follows again; keeping the list",
            metadata: [
                "account": "\(list.account)", "accounts": .stringConvertible(list.accounts.count),
                "read_at": "\(Timestamp(milliseconds: list.readAt))", "reason": "\(error)", "next": "\(pause.short)",
            ])
    }
}
