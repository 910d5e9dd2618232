import Core
import XAPI

/// What a filter of a rules file has become, as `rules plan` shows it.
struct FilterRow: Encodable {
    /// An account whose followed accounts are collected.
    struct Following: Encodable {
        let account: String
        /// How many accounts it follows; nil when X does not say.
        let accounts: Int?
        /// When they were read from X; nil for never.
        let readAt: String?
        /// What reading them costs, the next time or the first.
        let dollars: Double?
        /// Whether `rules apply` reads them.
        let isDue: Bool

        private enum CodingKeys: String, CodingKey {
            case account, accounts, dollars
            case readAt = "read_at"
            case isDue = "is_due"
        }
    }

    let name: String
    let rules: Int
    let terms: Int
    let following: [Following]
    private let price: PostPrice

    private enum CodingKeys: String, CodingKey {
        case name, rules, terms, following
    }

    /// - Parameters:
    ///   - expanded: the filter.
    ///   - due: the lists that `rules apply` would read.
    ///   - price: of a user.
    init(_ expanded: RuleExpansion.Filter, due: [FollowingPurchase.Item], price: PostPrice) {
        name = expanded.filter.name
        rules = expanded.rules.count
        terms = expanded.terms
        self.price = price
        following = expanded.filter.following.map { account in
            let (list, item) = (expanded.lists.first { $0.account == account }, due.first { $0.account == account })
            let count = list?.accounts.count ?? item?.following
            return Following(
                account: account, accounts: count, readAt: list.map { Timestamp(milliseconds: $0.readAt).description },
                dollars: count.map { price.dollars(for: Double($0)) }, isDue: item != nil)
        }
    }

    /// Whether accounts are missing because they were never read.
    var isIncomplete: Bool { following.contains { $0.readAt == nil } }

    /// A line for the filter, and one for each account that it follows.
    var lines: [String] {
        ["filter \(name.plain): \(counted(terms, "term")) in \(counted(rules, "rule"))"]
            + following.map { "  \(FollowingPurchase.name($0.account)) \(text(of: $0))" }
    }

    private func text(of following: Following) -> String {
        let count =
            following.accounts.map { "follows \(counted($0, "account"))" } ?? "follows an unknown number of accounts"
        let cost = following.accounts.map { "for \(price.text(for: Double($0)))" } ?? "for an unknown price"
        switch (following.readAt, following.isDue) {
        case (nil, _): return "\(count), which are not in the rules yet; rules apply reads them \(cost)"
        case (let time?, true): return "\(count), read \(time); rules apply reads them again \(cost)"
        case (let time?, false): return "\(count), read \(time); --refresh reads them again \(cost)"
        }
    }
}
