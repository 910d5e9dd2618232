import ArgumentParser
import Core
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
    /// The file of rules, if one is named.
    let file: String?
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
        self.file = file ?? reader.string(RulesFile.setting)
        journalFolder = reader.text(JournalSettings.folder)
        CommonSettings.startLogging(&reader)
        try reader.finish()
    }

    /// What a file says, and what has to be done so that X has it.
    struct Comparison {
        let wanted: [WantedRule]
        let plan: RulePlan
    }

    /// Reads the file and compares it with X. What looks unintended goes to standard error, errors or not.
    ///
    /// - Throws: `Failure` 64 when no file is named, 65 when it has errors in rules that X does not hold, others when X
    ///   cannot be asked.
    func compare() throws -> Comparison {
        guard let file else {
            throw Failure(.usage, "no rules file: name it as an argument or in \(RulesFile.setting.environment)")
        }
        let rules = try RulesFile.look(at: file, plan: plan)
        let plan: RulePlan
        do { plan = try application.compare(rules.rules) } catch {
            printWarnings(rules.doubts())
            try rules.requireGood()
            throw error
        }
        printWarnings(rules.doubts(beside: plan.held))
        try rules.requireGood(beside: plan.held)
        return Comparison(wanted: rules.rules, plan: plan)
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
