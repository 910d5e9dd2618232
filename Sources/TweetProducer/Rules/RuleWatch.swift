import Core
import Journal
import Logging
import TweetFormat
import XAPI

/// How the rules at X differ from those of the file.
enum RuleDifference: String, CaseIterable {
    /// In the file, but not at X.
    case missing
    /// With another tag.
    case changed
    /// At X, but not in the file.
    case extra
    /// The value is there, but belongs to another owner.
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
        case .missing: "rules in the file are missing at X"
        case .changed: "rules have a different tag at X than in the file"
        case .extra: "rules at X are not in the file"
        case .taken: "rules in the file exist at X under a tag without X_RULES_PREFIX"
        }
    }
}

/// Reads the rules at X at regular intervals, on a thread of its own: journals what they are, compares them with the rules
/// file if there is one, and logs differences. It changes nothing but the rules of filters whose accounts have changed.
///
/// The log has differences when they change, and once an hour; the journal has them when they change.
struct RuleWatch {
    private let settings: RuleWatchSettings
    private let matches: RuleMatches
    private let stop: Stop
    private let logger: Logger
    private let isActive: @Sendable () -> Bool
    private let deliver: @Sendable (JournalChunk) -> ChunkDelivery
    private let metrics: RuleMetrics
    private var recorder = RuleRecorder()
    /// Nil where the lists of followed accounts are not read again.
    private var refresh: FollowingRefresh?
    /// The rules file as it was when lists have changed, until the rules at X have followed.
    private var owed: String?
    /// What the journal knows.
    private var journalled = Findings()
    /// What the log knows, and since when.
    private var logged: (findings: Findings, at: Timestamp)?
    /// Why the last reading failed; nil after one that did not.
    private var obstacle: String?
    private var failures = 0

    /// What a comparison has found.
    private struct Findings: Equatable {
        var differences: [RuleDifference: [String]] = [:]
        var silent: [String] = []
        /// Accounts whose followed accounts a filter needs, and that no command has read from X.
        var unread: [String] = []
    }

    /// How often the folder is checked for a request.
    private static let glance = Duration.seconds(1)
    /// X's list may be some seconds behind a change: after a request it is read once more.
    private static let settling = Duration.seconds(30)
    private static let firstRetry = Duration.seconds(10)
    private static let patience = Duration.seconds(120)

    /// - Parameters:
    ///   - settings: what to compare, and when.
    ///   - matches: which rules match posts; requests are left in its folder.
    ///   - stop: ends it.
    ///   - logger: is warned.
    ///   - refresh: reads lists of followed accounts again; nil to leave that to commands.
    ///   - metrics: what is known of the rules.
    ///   - isActive: whether X is asked: one of the producers that share a stream does that.
    ///   - deliver: hands events to the owner of the journal.
    init(
        settings: RuleWatchSettings, matches: RuleMatches, stop: Stop, logger: Logger,
        refresh: FollowingRefresh? = nil, metrics: RuleMetrics = RuleMetrics(),
        isActive: @escaping @Sendable () -> Bool = { true },
        deliver: @escaping @Sendable (JournalChunk) -> ChunkDelivery
    ) {
        (self.settings, self.matches, self.metrics) = (settings, matches, metrics)
        (self.stop, self.logger, self.refresh) = (stop, logger, refresh)
        self.isActive = isActive
        self.deliver = deliver
    }

    /// Runs until the stop is raised: checks at once, at every interval, and when a command that changes rules asks for it.
    mutating func run() {
        var due = ContinuousClock.now
        while !stop.isRaised {
            let isRequested = RuleCheckRequest.take(from: matches.folder)
            if !isActive() {
                // Whoever takes over looks at once.
                due = .now
            } else if isRequested || ContinuousClock.now >= due {
                check(now: .now())
                due = .now + (isRequested ? min(Self.settling, delay) : delay)
            }
            stop.wait(for: Self.glance)
        }
    }

    private var delay: Duration {
        failures == 0 ? settings.interval : min(Self.firstRetry * (1 << min(failures - 1, 10)), settings.interval)
    }

    /// One check.
    mutating func check(now: Timestamp) {
        guard settings.source == .filtered else { return recordSample(now: now) }
        let existing: [XRule]
        do throws(XError) {
            existing = try rules.list()
        } catch {
            return report(error)
        }
        if obstacle != nil { logger.info("the rules at X can be read again") }
        (obstacle, failures) = (nil, 0)
        metrics.atX.set(Int64(existing.count(where: settings.ownership.owns)))
        metrics.lastCheck.set(now)
        if !recorder.record(existing, at: now, deliver), !stop.isRaised { failures = 1 }
        guard let file = settings.file else { return }
        do {
            let rules = try RulesFile(path: file, plan: settings.plan)
            try compare(follow(existing, rules, now: now), with: rules, now: now)
        } catch {
            if !stop.isRaised {
                logger.warning(
                    "cannot compare the rules with the rules file; trying again at the next check",
                    metadata: ["reason": "\(error)"])
            }
        }
    }

    /// A sample has no rules at X: what was asked is the sample itself.
    private mutating func recordSample(now: Timestamp) {
        failures = recorder.record([settings.source.asRule], at: now, deliver) || stop.isRaised ? 0 : 1
    }

    private var rules: XRules {
        XRules(settings.x, stop: stop, patience: Self.patience) { [logger] wait in
            logger.info(
                "X's rate limit is reached; reading the rules after its reset", metadata: ["for": "\(wait.short)"])
        }
    }

    /// Logs a failure once, until its reason changes; the next check tries again.
    private mutating func report(_ error: XError) {
        failures += 1
        guard !stop.isRaised, obstacle != error.description else { return }
        obstacle = error.description
        logger.warning(
            "cannot read the rules at X; retrying", metadata: ["reason": "\(error)", "next": "\(delay.short)"])
    }

    private mutating func compare(_ existing: [XRule], with file: RulesFile, now: Timestamp) throws {
        let (expansion, plan) = expand(file, existing)
        var findings = findings(plan, now: now)
        findings.unread = expansion.filters.flatMap(\.unread)
        publish(findings)
        if logged?.findings != findings || logged.map({ $0.at.advanced(by: .seconds(3600)) <= now }) ?? true {
            warn(of: findings)
            logged = (findings, now)
        }
        journal(findings)
        try matches.save(keeping: Set(existing.map(\.id)))
    }

    private func expand(_ file: RulesFile, _ existing: [XRule]) -> (expansion: RuleExpansion, plan: RulePlan) {
        let expansion = file.expanded(
            beside: existing, ownership: settings.ownership, following: settings.following.list)
        return (expansion, RulePlan(wanted: expansion.rules, existing: existing, ownership: settings.ownership))
    }

    private func publish(_ findings: Findings) {
        metrics.silent.set(Int64(findings.silent.count))
        for difference in RuleDifference.allCases {
            guard let label = RuleDifferenceLabel(rawValue: difference.rawValue) else { continue }
            metrics.differing[label].set(Int64(findings.differences[difference]?.count ?? 0))
        }
        if findings.differences.isEmpty {
            metrics.differsSince.set(Timestamp?.none)
        } else if metrics.differsSince.value == 0 {
            metrics.differsSince.set(Timestamp.now())
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
        warn("rules in the file have matched no post for longer than X_RULES_SILENCE", findings.silent)
        warn("accounts that filters follow were never read from X; run rules apply", findings.unread)
    }

    private func warn(_ message: Logger.Message, _ values: [String]) {
        guard !values.isEmpty else { return }
        logger.warning(
            message, metadata: ["rules": .stringConvertible(values.count), "values": "\(Self.shown(values))"])
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

// MARK: Accounts that filters follow

extension RuleWatch {
    /// Reads lists of followed accounts that are due, and lets the rules at X follow them: only while X has just what the file
    /// says, as any other change is an operator's.
    ///
    /// - Parameters:
    ///   - existing: the rules at X.
    ///   - file: the rules file.
    ///   - now: the time.
    /// - Returns: the rules at X afterwards.
    private mutating func follow(_ existing: [XRule], _ file: RulesFile, now: Timestamp) -> [XRule] {
        guard refresh != nil, file.filters.contains(where: { !$0.following.isEmpty }) else { return existing }
        let text = try? readTextFile(file.path)
        if expand(file, existing).plan.isEmpty {
            owed = refresh?.refresh(file.filters, at: now) == true ? text : nil
        }
        guard let owed, owed == text else { return existing }
        let (expansion, plan) = expand(file, existing)
        guard !plan.isEmpty else {
            self.owed = nil
            return existing
        }
        do throws(XError) { return try change(plan, to: expansion.rules) } catch {
            guard !stop.isRaised else { return existing }
            logger.warning(
                "cannot change the rules of filters whose followed accounts have changed; trying again at the next check",
                metadata: ["reason": "\(error)"])
            return existing
        }
    }

    private mutating func change(_ plan: RulePlan, to wanted: [WantedRule]) throws(XError) -> [XRule] {
        try RuleApplication(
            settings.x, ownership: settings.ownership, plan: settings.plan, logger: logger, stop: stop
        ).apply(plan, wanted: wanted)
        owed = nil
        logger.notice(
            "changed the rules of filters at X: the accounts that they follow have changed",
            metadata: [
                "added": .stringConvertible(plan.added.count), "removed": .stringConvertible(plan.removed.count),
            ])
        let changed = try rules.list()
        if !recorder.record(changed, at: .now(), deliver), !stop.isRaised { failures = 1 }
        return changed
    }
}
