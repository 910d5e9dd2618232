import ArgumentParser
import Core
import Glibc
import Logging
import XAPI

/// The flags of the subcommands that know rules as a file.
struct RulesOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The account's plan: self-serve or enterprise (X_PLAN; self-serve).", valueName: "plan"))
    var plan: String?

    @Option(
        help: ArgumentHelp(
            "What our rules' tags begin with at X; rules with other tags stay as they are (X_RULES_PREFIX; every rule is ours).",
            valueName: "text"))
    var prefix: String?

    static let settings = [AccountPlan.setting, RuleOwnership.setting, RulesFile.setting, PostPrice.setting]

    /// The flags that were given, by environment name.
    var flags: [String: String] {
        [AccountPlan.setting.environment: plan, RuleOwnership.setting.environment: prefix].compactMapValues { $0 }
    }
}

/// What a subcommand of `rules` is told.
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
        _ common: CommonOptions, _ x: XOptions, _ rules: RulesOptions, file: String?, flags: [String: String] = [:]
    ) throws {
        let given = [common.flags, x.flags, rules.flags, flags].reduce([:]) { $0.merging($1) { _, new in new } }
        var reader = try SettingsReader(flags: given, configFile: common.config, known: ProducerSettings.known)
        self.x = XSettings(&reader)
        plan = AccountPlan.read(&reader)
        ownership = RuleOwnership(prefix: reader.string(RuleOwnership.setting, default: ""))
        price = PostPrice.read(&reader)
        self.file = file ?? reader.string(RulesFile.setting)
        journalFolder = reader.string(ProducerOptions.journalSetting, default: "./journal")
        try common.startLogging(&reader)
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
            throw Failure(.usage, "which file of rules? Name it as an argument or in \(RulesFile.setting.environment)")
        }
        let rules = try RulesFile.look(at: file, plan: plan)
        let plan: RulePlan
        do { plan = try application.compare(rules.rules) } catch {
            warn(of: rules.doubts())
            try rules.requireGood()
            throw error
        }
        warn(of: rules.doubts(beside: plan.held))
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
func warn(of doubts: [String]) {
    for doubt in doubts { writeToStandardError("warning: \(doubt)\n") }
}

/// Whether standard output is a terminal that wants colours (no-color.org).
var standardOutputHasColours: Bool {
    isatty(STDOUT_FILENO) == 1 && ProcessEnvironment.current["NO_COLOR", default: ""].isEmpty
        && ProcessEnvironment.current["TERM"] != "dumb"
}
