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
            reader.addMistake(
                "\(reader.origin(RuleWatchOptions.intervalSetting)): at least 10s, since X limits the questions")
        }
        do { _ = try RulesFile(path: settings.file, plan: settings.plan) } catch { reader.addMistake("\(error)") }
        return settings
    }
}

/// How the rules at X differ from those of the file.
enum RuleDifference: String, CaseIterable {
    /// In the file, but not at X.
    case missing
    /// With another tag.
    case changed
    /// At X, but not in the file.
    case extra
    /// The value is there, but belongs to somebody else.
    case taken

    fileprivate func values(in plan: RulePlan) -> [String] {
        switch self {
        case .missing: plan.added.map(\.value)
        case .changed: plan.changed.map(\.new.value)
        case .extra: plan.removed.map(\.value)
        case .taken: plan.taken.map(\.value)
        }
    }

    fileprivate var warning: Logger.Message {
        switch self {
        case .missing: "rules of the file are missing at X"
        case .changed: "rules at X have another tag than in the file"
        case .extra: "rules at X are not in the file"
        case .taken: "rules of the file belong to somebody else at X"
        }
    }
}

/// Compares the rules at X with the file now and then, on a thread of its own; tells what differs, and changes nothing.
///
/// The log is told every time, the journal when something has changed.
struct RuleWatch {
    private let settings: RuleWatchSettings
    private let matches: RuleMatches
    private let stop: Stop
    private let logger: Logger
    private let deliver: @Sendable (JournalChunk) -> ChunkDelivery
    /// What the journal knows.
    private var journalled = Findings()

    /// What a comparison has found.
    private struct Findings: Equatable {
        var differences: [RuleDifference: [String]] = [:]
        var silent: [String] = []
    }

    /// - Parameters:
    ///   - settings: what to compare, and when.
    ///   - matches: which rules bring posts.
    ///   - stop: ends it.
    ///   - logger: is warned.
    ///   - deliver: hands events to the owner of the journal.
    init(
        settings: RuleWatchSettings, matches: RuleMatches, stop: Stop, logger: Logger,
        deliver: @escaping @Sendable (JournalChunk) -> ChunkDelivery
    ) {
        self.settings = settings
        self.matches = matches
        self.stop = stop
        self.logger = logger
        self.deliver = deliver
    }

    /// Runs until the stop is raised.
    mutating func run() {
        while !stop.isRaised {
            check(now: .now())
            stop.wait(for: settings.interval)
        }
    }

    /// One comparison.
    mutating func check(now: Timestamp) {
        do {
            let wanted = try RulesFile(path: settings.file, plan: settings.plan).rules
            let application = RuleApplication(
                settings.x, ownership: settings.ownership, plan: settings.plan, logger: logger, stop: stop)
            let plan = try application.compare(wanted)
            let findings = findings(plan, now: now)
            warn(of: findings)
            journal(findings)
            let known = plan.kept + plan.removed + plan.foreign + plan.taken + plan.changed.map(\.old)
            try matches.save(keeping: Set(known.map(\.id)))
        } catch {
            if stop.isRaised { return }
            logger.warning("cannot compare the rules with the file", metadata: ["reason": "\(error)"])
        }
    }

    private func findings(_ plan: RulePlan, now: Timestamp) -> Findings {
        let silent = plan.kept.filter { matches.quietSince($0.id).advanced(by: settings.silence) <= now }
        var findings = Findings(silent: silent.map(\.value))
        for difference in RuleDifference.allCases {
            let values = difference.values(in: plan)
            if !values.isEmpty { findings.differences[difference] = values }
        }
        return findings
    }

    private func warn(of findings: Findings) {
        for difference in RuleDifference.allCases {
            warn(difference.warning, findings.differences[difference] ?? [])
        }
        warn("rules have brought no post for \(settings.silence.short)", findings.silent)
    }

    private func warn(_ message: Logger.Message, _ values: [String]) {
        guard !values.isEmpty else { return }
        logger.warning(message, metadata: ["rules": "\(values.count)", "values": "\(Self.shown(values))"])
    }

    /// Journals what has changed; when that cannot be done, the next comparison tries again.
    private mutating func journal(_ findings: Findings) {
        var events: [PipelineEvent] = []
        if findings.differences != journalled.differences { events.append(Self.event(findings.differences)) }
        if findings.silent != journalled.silent {
            var event = PipelineEvent(findings.silent.isEmpty ? .rulesHeard : .rulesSilent)
            if !findings.silent.isEmpty {
                event.lines = Int64(findings.silent.count)
                event.detail = Self.shown(findings.silent)
            }
            events.append(event)
        }
        guard !events.isEmpty, deliver(JournalChunk(events: events)) == .durable else { return }
        journalled = findings
    }

    private static func event(_ differences: [RuleDifference: [String]]) -> PipelineEvent {
        let found = RuleDifference.allCases.filter { differences[$0] != nil }
        var event = PipelineEvent(found.isEmpty ? .rulesAgree : .rulesDiffer)
        guard !found.isEmpty else { return event }
        event.cause = found.map(\.rawValue).joined(separator: ",")
        event.lines = Int64(differences.values.reduce(0) { $0 + $1.count })
        event.detail = found.map { "\($0.rawValue): \(shown(differences[$0] ?? []))" }.joined(separator: "; ")
        return event
    }

    private static func shown(_ values: [String]) -> String {
        values.prefix(5).joined(separator: " | ") + (values.count > 5 ? " | …" : "")
    }
}
