import ArgumentParser
import Core
import Journal
import Logging
import XAPI

/// The settings of the subcommands that know rules as a file.
enum RulesFlags: SettingGroup {
    static let settings = [AccountPlan.setting, RuleOwnership.setting]
}

/// Settings of a subcommand of `rules`.
struct RulesSettings {
    let x: XSettings
    let plan: AccountPlan
    let ownership: RuleOwnership
    let price: PostPrice
    /// What X charges for an account in the list of those that an account follows.
    let userPrice: PostPrice
    /// The file of rules, if one is named.
    let file: String?
    /// Where the lists of followed accounts are kept.
    let following: FollowingFiles
    private let journalFolder: String

    /// Reads the settings and starts logging; `flags` are those of the subcommand alone, by environment name.
    ///
    /// - Throws: `Failure` (78) that lists every mistake.
    init(
        _ common: SettingFlags<CommonSettings>, _ x: SettingFlags<XSettings>, _ rules: SettingFlags<RulesFlags>,
        file: String?, flags own: [String: String] = [:]
    ) throws {
        var reader = try SettingsReader(
            flags: flags(common.values, x.values, rules.values, own), known: ProducerSettings.known)
        self.x = XSettings(&reader)
        plan = AccountPlan.read(&reader)
        ownership = RuleOwnership(prefix: reader.text(RuleOwnership.setting))
        price = PostPrice.read(&reader)
        userPrice = UserPrice.read(&reader)
        self.file = file ?? reader.string(RulesFile.setting)
        journalFolder = reader.text(JournalSettings.folder)
        following = FollowingFiles(journalFolder: journalFolder)
        StreamSource.requireFiltered(&reader)
        CommonSettings.startLogging(&reader)
        try reader.finish()
    }

    /// What a file says, and what has to be done so that X has it.
    struct Comparison {
        let expansion: RuleExpansion
        let plan: RulePlan

        var wanted: [WantedRule] { expansion.rules }

        /// Whether X has just what the file says, as far as that is known.
        var isEmpty: Bool { plan.isEmpty && expansion.filters.allSatisfy(\.unread.isEmpty) }
    }

    /// Reads the file and compares it with X. What looks unintended goes to standard error, errors or not.
    ///
    /// - Parameter beforeExpansion: gets the file when it is known to be good, and may read lists of followed accounts.
    /// - Returns: the comparison.
    /// - Throws: `Failure` 64 when no file is named, 65 when it has errors in rules that X does not hold, others when X
    ///   cannot be asked; what `beforeExpansion` throws.
    func compare(beforeExpansion: (RulesFile) throws -> Void = { _ in }) throws -> Comparison {
        guard let file else {
            throw Failure(.usage, "no rules file: name it as an argument or in \(RulesFile.setting.environment)")
        }
        let rules = try RulesFile.look(at: file, plan: plan)
        let held: [XRule]
        do { held = try application.list() } catch {
            printWarnings(rules.doubts())
            try rules.requireGood()
            throw error
        }
        printWarnings(rules.doubts(beside: held))
        try rules.requireGood(beside: held)
        try beforeExpansion(rules)
        let expansion = rules.expanded(beside: held, ownership: ownership, following: following.list)
        return Comparison(
            expansion: expansion, plan: RulePlan(wanted: expansion.rules, existing: held, ownership: ownership))
    }

    /// Lets producers that run read the rules at X now.
    func requestCheck() { RuleCheckRequest.leave(in: journalFolder) }

    var application: RuleApplication {
        RuleApplication(x, ownership: ownership, plan: plan, logger: Logger(label: "tweet-producer.rules"))
    }
}

/// Shows what is probably not meant.
func printWarnings(_ doubts: [String]) {
    for doubt in doubts { writeToStandardError("warning: \(doubt)\n") }
}
