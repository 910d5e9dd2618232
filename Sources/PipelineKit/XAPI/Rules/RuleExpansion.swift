/// The rules that a file wants at X, with its filters expanded.
package struct RuleExpansion: Sendable {
    /// What a filter has become.
    package struct Filter: Sendable {
        package let filter: RuleFilter
        package let rules: [WantedRule]
        /// How many different terms it looks for.
        package let terms: Int
        /// The lists of followed accounts that are in it.
        package let lists: [FollowingList]
        /// The accounts whose lists were never read. Rules that X holds for the filter keep the accounts in them.
        package let unread: [String]
    }

    /// The rules, in the order of the file.
    package private(set) var rules: [WantedRule] = []
    /// The filters, in the order of the file.
    package private(set) var filters: [Filter] = []

    /// - Parameters:
    ///   - entries: of the file.
    ///   - plan: limits how long a rule may be.
    ///   - held: the rules that X holds.
    ///   - ownership: which of them are ours.
    ///   - following: the list of the accounts that an account follows; nil when it was never read.
    init(
        _ entries: [RulesFile.Entry], plan: AccountPlan, held: [XRule] = [],
        ownership: RuleOwnership = RuleOwnership(prefix: ""), following: (String) -> FollowingList? = { _ in nil }
    ) {
        for entry in entries {
            switch entry {
            case .rule(let rule): rules.append(rule)
            case .filter(let filter):
                let expanded = Self.expand(filter, plan, held, ownership, following)
                rules += expanded.rules
                filters.append(expanded)
            }
        }
    }

    private static func expand(
        _ filter: RuleFilter, _ plan: AccountPlan, _ held: [XRule], _ ownership: RuleOwnership,
        _ following: (String) -> FollowingList?
    ) -> Filter {
        let groups = held.filter(ownership.owns).compactMap { rule in
            filter.number(of: ownership.fileTag(rule.tag)).map {
                TermGroups.Group(number: $0, terms: TermGroups.terms(of: rule.value))
            }
        }
        let lists = filter.following.compactMap(following)
        let unread = filter.following.filter { following($0) == nil }
        var terms = filter.terms + lists.flatMap { $0.accounts.map(RuleFilter.term(postsOf:)) }
        if !unread.isEmpty { terms += groups.flatMap(\.terms).filter(RuleFilter.mayComeFromList) }
        let packed = TermGroups(terms, limit: plan.maximalRuleLength, held: groups)
        let rules = packed.groups.map {
            WantedRule(value: $0.value, tag: filter.tag($0.number), note: filter.note, line: filter.line)
        }
        return Filter(
            filter: filter, rules: rules, terms: packed.groups.reduce(0) { $0 + $1.terms.count }, lists: lists,
            unread: unread)
    }
}
