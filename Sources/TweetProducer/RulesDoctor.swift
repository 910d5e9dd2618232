import Core
import XAPI

/// Finds rules without which a stream has no posts, and how those at X differ from the rules file.
struct RulesDoctor {
    private static let name = "rules"
    private let settings: RuleWatchSettings

    init(_ settings: RuleWatchSettings) {
        self.settings = settings
    }

    /// Compares X with the file as `run` does.
    ///
    /// - Parameter existing: every rule that X holds.
    /// - Returns: what was found.
    func finding(beside existing: [XRule]) -> DoctorFinding {
        guard settings.source == .filtered else { return .ok(Self.name, "a sample has none") }
        guard let file = settings.file else { return Self.judge(existing.count) }
        do throws(XError) {
            let rules = try RulesFile(path: file, plan: settings.plan)
            try rules.requireGood(beside: existing)
            let wanted = rules.expanded(
                beside: existing, ownership: settings.ownership, following: settings.following.list
            ).rules
            return Self.judge(RulePlan(wanted: wanted, existing: existing, ownership: settings.ownership))
        } catch { return .fail(Self.name, error.description, remedy: "tweet-producer rules plan; correct the file") }
    }

    /// Judges the number of rules at X, without a file.
    static func judge(_ count: Int) -> DoctorFinding {
        guard count == 0 else { return .ok(name, "\(count) at X") }
        return .warning(
            name, "none at X: a filtered stream has no posts", remedy: "tweet-producer rules add, or X_RULES_FILE")
    }

    /// Judges what differs from the file. `run` adds its rules when X has none, and changes nothing else.
    private static func judge(_ plan: RulePlan) -> DoctorFinding {
        if plan.isEmpty { return .ok(name, "\(plan.held.count) at X, as in the file") }
        if plan.held.isEmpty { return .ok(name, "none at X; run adds \(plan.added.count) of the file") }
        return .warning(
            name, "X differs from the file: \(plan.summary)", remedy: "tweet-producer rules plan; rules apply")
    }
}
