import ArgumentParser
import Core
import XAPI

extension RulesCommand {
    struct Plan: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the changes that `rules apply` would make.",
            discussion: """
                Compares a rules file with the rules at X, by value and tag. The file is a YAML list:

                  - value: '(swiftlang OR #swift) lang:en -is:retweet'
                    tag: swift
                    note: for the newsletter      # stays in the file

                An entry may be a filter instead of a rule. It expands to rules, as few as fit:

                  - filter: coffee                # the tag; coffee.2 and so on for more rules
                    words: [coffee, espresso, flat white]
                    people: ['@baristas', '2244994945']
                    locations: ['[-74.1 40.6 -73.7 40.9]']
                    following: '@abestockmon'     # the accounts that this account follows

                X charges for each account in the list that `following` needs (--user-price). The plan shows the price; \
                `rules apply` reads a list the first time, and again after a day. --refresh reads all lists now.

                Unchanged rules are counted and, with --all or --estimate, listed. New rules are validated at X \
                (dry run); a rule that X already holds is valid.

                With a prefix, only rules whose tags at X begin with it are compared and changed.

                --estimate reads from X how many posts each rule would have matched in the last seven days. Each rule \
                costs as much as one post. A post that matches several rules is counted for each and charged once.

                Exit status: 0 done, 2 with --exit-code when changes are pending, 64 no file is named, 65 errors in \
                the file or a rule that X rejects, 69 X is unreachable, 75 too many requests, 77 credentials rejected, \
                78 invalid settings.
                """)

        @OptionGroup var common: SettingFlags<CommonSettings>
        @OptionGroup(title: "X") var x: SettingFlags<XSettings>
        @OptionGroup(title: "Rules") var rules: SettingFlags<RulesFlags>

        @Argument(help: ArgumentHelp("The rules file (X_RULES_FILE).", valueName: "file"), completion: .file())
        var file: String?

        @OptionGroup var output: OutputOptions

        @Flag(help: "List unchanged rules, too.")
        var all = false

        @Flag(help: "Exit with 2 when changes are pending.")
        var exitCode = false

        @Flag(help: "Estimate the number and cost of posts of each rule.")
        var estimate = false

        @Flag(help: "Read the accounts that filters follow from X again, at X's price.")
        var refresh = false

        @OptionGroup var price: SettingFlags<PriceFlag>

        func run() throws {
            var isEmpty = true
            try runCommand {
                let settings = try RulesSettings(common, x, rules, file: file, flags: price.values)
                let (comparison, filters) = try compare(settings)
                let plan = comparison.plan
                isEmpty = comparison.isEmpty
                var view = RulePlanView(plan, price: settings.price, filters: filters)
                if estimate {
                    let estimator = RuleEstimator(settings.x, plan: settings.plan)
                    view.estimates = try estimator.estimate(comparison.wanted.map(\.oneLine))
                }
                view.showsKept = all || estimate
                output.show(view)
                if try settings.application.ask(about: plan), !plan.added.isEmpty {
                    writeToStandardError("X accepts the new rules (dry run)\n")
                }
            }
            if exitCode, !isEmpty { throw ExitCode(2) }
        }

        /// Compares, with what reading the lists of followed accounts would cost, or has cost.
        private func compare(_ settings: RulesSettings) throws -> (RulesSettings.Comparison, [FilterRow]) {
            let purchase = FollowingPurchase(settings)
            var due: [FollowingPurchase.Item] = []
            let comparison = try settings.compare { file in
                due = try purchase.lookUp(purchase.due(file.filters, all: refresh))
                guard refresh else { return }
                for line in purchase.text(due) { writeToStandardError("reading from X: \(line)\n") }
                try purchase.read(due)
                due = []
            }
            let filters = comparison.expansion.filters.map { FilterRow($0, due: due, price: settings.userPrice) }
            return (comparison, filters)
        }
    }
}

/// The price of a post, for commands that estimate.
enum PriceFlag: SettingGroup {
    static let settings = [PostPrice.setting, UserPrice.setting]
}

/// A plan, and what its rules would cost.
struct RulePlanView: Report {
    private let plan: RulePlan
    private let price: PostPrice
    private let filters: [FilterRow]
    /// By value; empty when X was not asked.
    var estimates: [RuleEstimate] = []
    /// Whether the text lists unchanged rules, too.
    var showsKept = false

    /// - Parameters:
    ///   - plan: what is to be done.
    ///   - price: of a post.
    ///   - filters: of the file.
    init(_ plan: RulePlan, price: PostPrice, filters: [FilterRow] = []) {
        self.plan = plan
        self.price = price
        self.filters = filters
    }

    /// Whether X lacks something of the file, or has too much, or a filter is not complete yet.
    private var isPending: Bool { !plan.isEmpty || filters.contains(where: \.isIncomplete) }

    private struct Row {
        let sign: String
        let what: String
        let tag: String
        let value: String
        let colour: String
    }

    private func rows(withKept: Bool) -> [Row] {
        let kept = withKept ? plan.kept : []
        return kept.map { Row(sign: " ", what: "keep", tag: $0.tag ?? "-", value: $0.value, colour: "2") }
            + plan.added.map { Row(sign: "+", what: "add", tag: $0.tag ?? "-", value: $0.value, colour: "32") }
            + plan.changed.map {
                Row(
                    sign: "~", what: "change", tag: "\($0.old.tag ?? "-") → \($0.new.tag ?? "-")", value: $0.new.value,
                    colour: "33")
            }
            + plan.removed.map { Row(sign: "-", what: "remove", tag: $0.tag ?? "-", value: $0.value, colour: "31") }
            + plan.taken.map { Row(sign: "!", what: "taken", tag: $0.tag ?? "-", value: $0.value, colour: "35") }
    }

    /// A line for each change and, if wanted, each rule that stays, then the sums.
    func text(on terminal: Terminal?) -> String {
        let byValue = Dictionary(estimates.map { ($0.value, $0) }) { first, _ in first }
        let rows = rows(withKept: showsKept)
        let tagWidth = min(40, max(3, rows.map(\.tag.count).max() ?? 0))
        var lines = rows.map { row in
            var line = "\(row.sign) \(row.what.padded(6))  \(row.tag.plain.padded(tagWidth))  "
            if !estimates.isEmpty { line += estimateText(byValue[row.value]) }
            line = (line + row.value.plain).cut(to: terminal?.columns)
            return terminal?.hasColours == true ? "\u{1b}[\(row.colour)m\(line)\u{1b}[0m" : line
        }
        if !estimates.isEmpty {
            let figures = "\("POSTS/30 DAYS".leftPadded(13))  \("DOLLARS".leftPadded(12))"
            lines.insert("  \("WHAT".padded(6))  \("TAG".padded(tagWidth))  \(figures)  RULE", at: 0)
        }
        lines.append(isPending ? plan.summary : "nothing to do: \(plan.summary)")
        lines += filters.flatMap(\.lines)
        if !estimates.isEmpty { lines += sums }
        return lines.joined(separator: "\n")
    }

    private func estimateText(_ estimate: RuleEstimate?) -> String {
        guard let posts = estimate?.posts else { return "\("?".leftPadded(13))  \("?".leftPadded(12))  " }
        return "\(Self.count(posts).leftPadded(13))  \(price.text(for: posts).leftPadded(12))  "
    }

    private var sums: [String] {
        let posts = estimates.compactMap(\.posts).reduce(0, +)
        var lines = [
            "estimate for 30 days: \(Self.count(posts)) posts, \(price.text(for: posts))"
                + " (at most: a post that matches several rules is paid once)"
        ]
        for estimate in estimates {
            if case .unknown(let why) = estimate.outcome {
                lines.append("not counted: \(estimate.value.plain): \(why)")
            }
        }
        return lines
    }

    private static func count(_ posts: Double) -> String {
        groupedDigits(Int64(exactly: posts.rounded()) ?? .max)
    }
}

extension RulePlanView {
    private enum Key: CodingKey {
        case pending, added, changed, removed, kept, taken, foreign, filters, estimates
    }

    private struct Added: Encodable {
        let value: String
        let tag: String?
    }

    private struct Changed: Encodable {
        let id: String
        let value: String
        let tag: String?
        let newTag: String?
    }

    private struct Estimate: Encodable {
        let value: String
        var posts: Int64?
        var dollars: Double?
        /// Why X cannot count the rule's posts.
        var obstacle: String?

        private enum CodingKeys: String, CodingKey {
            case value, dollars
            case posts = "posts_in_30_days"
            case obstacle = "not_counted"
        }
    }

    /// The rules by what would become of them, whether anything would change, and filters and estimates if there are any.
    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(isPending, forKey: .pending)
        try container.encode(plan.added.map { Added(value: $0.value, tag: $0.tag) }, forKey: .added)
        try container.encode(
            plan.changed.map {
                Changed(id: $0.old.id, value: $0.old.value, tag: $0.old.tag, newTag: $0.new.tag)
            }, forKey: .changed)
        for (key, rules) in [
            (Key.removed, plan.removed), (.kept, plan.kept), (.taken, plan.taken), (.foreign, plan.foreign),
        ] {
            try container.encode(rules.map(RuleList.Rule.init), forKey: key)
        }
        if !filters.isEmpty { try container.encode(filters, forKey: .filters) }
        if !estimates.isEmpty { try container.encode(estimates.map(encoded), forKey: .estimates) }
    }

    private func encoded(_ estimate: RuleEstimate) -> Estimate {
        switch estimate.outcome {
        case .posts(let posts):
            Estimate(
                value: estimate.value, posts: Int64(exactly: posts.rounded()) ?? .max,
                dollars: price.dollars(for: posts))
        case .unknown(let why): Estimate(value: estimate.value, obstacle: why)
        }
    }
}
