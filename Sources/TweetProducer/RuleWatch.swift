import ArgumentParser
import Logging
import PipelineKit

/// The flags of `run` about rules.
struct RuleWatchOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Compare the rules at X with this file every hour, and warn (X_RULES_FILE).", valueName: "file"))
    var rulesFile: String?

    @OptionGroup var rules: RulesOptions

    /// The flags that were given, by environment name.
    var flags: [String: String] {
        rules.flags.merging([RulesFile.setting.environment: rulesFile].compactMapValues { $0 }) { _, new in new }
    }

    static let intervalSetting = Setting("X_RULES_CHECK", flag: nil)
    static let silenceSetting = Setting("X_RULES_SILENCE", flag: nil)
    static let settings = [intervalSetting, silenceSetting]
}

/// What the watch over rules is told.
struct RuleWatchSettings: Sendable {
    var x: XSettings
    var file: String
    var plan: AccountPlan
    var ownership: RuleOwnership
    /// From one comparison to the next.
    var interval: Duration
    /// How long a rule may bring nothing.
    var silence: Duration

    init(
        x: XSettings, file: String, plan: AccountPlan = .selfServe,
        ownership: RuleOwnership = RuleOwnership(prefix: ""),
        interval: Duration = .seconds(3600), silence: Duration = .seconds(7 * 86_400)
    ) {
        self.x = x
        self.file = file
        self.plan = plan
        self.ownership = ownership
        self.interval = interval
        self.silence = silence
    }

    /// Reads the settings; nil without a file. Its mistakes and others are added to the reader's.
    static func read(_ reader: inout SettingsReader, x: XSettings, plan: AccountPlan) -> RuleWatchSettings? {
        let settings = RuleWatchSettings(
            x: x, file: reader.string(RulesFile.setting, default: ""), plan: plan,
            ownership: RuleOwnership(prefix: reader.string(RuleOwnership.setting, default: "")),
            interval: reader.duration(RuleWatchOptions.intervalSetting, default: .seconds(3600)),
            silence: reader.duration(RuleWatchOptions.silenceSetting, default: .seconds(7 * 86_400)))
        guard !settings.file.isEmpty else { return nil }
        if settings.interval < .seconds(10) {
            reader.addMistake("\(RuleWatchOptions.intervalSetting.title): at least 10s, since X limits the questions")
        }
        do { _ = try RulesFile(path: settings.file, plan: settings.plan) } catch { reader.addMistake("\(error)") }
        return settings
    }
}

/// Compares the rules at X with the file now and then, on a thread of its own, and warns of what differs; changes nothing.
struct RuleWatch {
    let settings: RuleWatchSettings
    let matches: RuleMatches
    let stop: Stop
    let logger: Logger

    /// Runs until the stop is raised.
    func run() {
        while !stop.isRaised {
            check(now: .now())
            stop.wait(for: settings.interval)
        }
    }

    /// One comparison.
    func check(now: Timestamp) {
        do {
            let wanted = try RulesFile(path: settings.file, plan: settings.plan).rules
            let application = RuleApplication(
                settings.x, ownership: settings.ownership, plan: settings.plan, logger: logger, stop: stop)
            let plan = try application.compare(wanted)
            tell(plan)
            tellSilent(plan.kept, now: now)
            let known = plan.kept + plan.removed + plan.foreign + plan.taken + plan.changed.map(\.old)
            try matches.save(keeping: Set(known.map(\.id)))
        } catch {
            if stop.isRaised { return }
            logger.warning("cannot compare the rules with the file", metadata: ["reason": "\(error)"])
        }
    }

    private func tell(_ plan: RulePlan) {
        warn("rules of the file are missing at X", plan.added.map(\.value))
        warn("rules at X have another tag than in the file", plan.changed.map(\.new.value))
        warn("rules at X are not in the file", plan.removed.map(\.value))
        warn("rules of the file belong to somebody else at X", plan.taken.map(\.value))
    }

    private func tellSilent(_ rules: [XRule], now: Timestamp) {
        let silent = rules.filter { matches.quietSince($0.id).advanced(by: settings.silence) <= now }
        warn("rules have brought no post for \(settings.silence.short)", silent.map(\.value))
    }

    private func warn(_ message: Logger.Message, _ values: [String]) {
        guard !values.isEmpty else { return }
        let shown = values.prefix(5).joined(separator: " | ") + (values.count > 5 ? " | …" : "")
        logger.warning(message, metadata: ["rules": "\(values.count)", "values": "\(shown)"])
    }
}
