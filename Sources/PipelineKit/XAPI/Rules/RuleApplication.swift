import Core
package import Logging

/// Makes the rules at X those of the file: asks X whether it takes them, changes them call by call, and reads them back.
package struct RuleApplication: Sendable {
    private let rules: XRules
    private let ownership: RuleOwnership
    private let plan: AccountPlan
    private let logger: Logger

    /// The longest a change waits for X's rate limit, which is 100 changes in 15 minutes.
    private static let patience = Duration.seconds(120)

    /// A service gives its stop, so that no call outlives it for long.
    package init(
        _ settings: XSettings, ownership: RuleOwnership, plan: AccountPlan, logger: Logger, stop: Stop? = nil
    ) {
        rules = XRules(settings, stop: stop, patience: Self.patience) { wait in
            logger.notice("X's rate limit is reached; waiting for its reset", metadata: ["for": "\(wait.short)"])
        }
        self.ownership = ownership
        self.plan = plan
        self.logger = logger
    }

    /// The rules that X holds.
    ///
    /// - Returns: all of them, also those of other owners.
    /// - Throws: `XError` when X cannot be asked.
    package func list() throws(XError) -> [XRule] { try rules.list() }

    /// What would have to be done now.
    ///
    /// - Throws: `XError` when X cannot be asked.
    package func compare(_ wanted: [WantedRule]) throws(XError) -> RulePlan {
        RulePlan(wanted: wanted, existing: try rules.list(), ownership: ownership)
    }

    /// Applies the changes. When a request fails, completed changes stay, and the next run continues from there.
    ///
    /// - Throws: `XError` when X rejects a rule or a call fails; a rule that stays was active throughout.
    package func apply(_ plan: RulePlan, wanted: [WantedRule]) throws(XError) {
        let schedule = try RuleSchedule(plan, capacity: self.plan.maximalRules, plan: self.plan)
        try askX(schedule, before: plan)
        var ids: [ExactText: String] = [:]
        for rule in plan.removed + plan.changed.map(\.old) { ids[ExactText(rule.value)] = rule.id }
        for (index, step) in schedule.steps.enumerated() {
            do throws(XError) { try run(step, &ids) } catch {
                throw XError(
                    error.disposition,
                    "\(error.description)\n\(index) of \(schedule.steps.count) changes are done, and nothing that stays"
                        + " was interrupted; `rules apply` continues from here")
            }
        }
        try readBack(wanted)
    }

    private func run(_ step: RuleSchedule.Step, _ ids: inout [ExactText: String]) throws(XError) {
        switch step {
        case .add(let new):
            for rule in try rules.add(new) where !rule.id.isEmpty { ids[ExactText(rule.value)] = rule.id }
            logger.debug("added rules", metadata: ["rules": .stringConvertible(new.count)])
        case .delete(let values):
            let known = values.compactMap { ids[ExactText($0)] }
            if known.count == values.count {
                try rules.delete(ids: known)
            } else {
                try rules.delete(values: values)
            }
            logger.debug("deleted rules", metadata: ["rules": .stringConvertible(values.count)])
        }
    }

    /// X's own judgement about everything that will be added, before anything is changed.
    private func askX(_ schedule: RuleSchedule, before plan: RulePlan) throws(XError) {
        let held = Set(plan.held.map { ExactText($0.value) })
        let new = schedule.steps.flatMap { step in
            if case .add(let rules) = step { rules.filter { !held.contains(ExactText($0.value)) } } else { [NewRule]() }
        }
        try ask(new, held: plan.held.count)
    }

    /// Asks X whether it would accept the rules that a plan adds (dry run); nothing is changed.
    ///
    /// - Returns: whether X could be asked: not when it is full.
    /// - Throws: `XError`: `reject` with X's reasons when it would reject one; others when the call fails.
    @discardableResult
    package func ask(about plan: RulePlan) throws(XError) -> Bool {
        try ask(plan.added, held: plan.held.count)
    }

    @discardableResult
    private func ask(_ new: [NewRule], held: Int) throws(XError) -> Bool {
        let free = plan.maximalRules - held
        guard free > 0 else {
            if !new.isEmpty {
                logger.warning(
                    "X holds as many rules as the plan allows; new rules cannot be validated before they are added")
            }
            return new.isEmpty
        }
        let size = min(free, RuleSchedule.batchSize)
        for start in stride(from: 0, to: new.count, by: size) {
            try rules.add(Array(new[start..<min(start + size, new.count)]), isDryRun: true)
        }
        return true
    }

    /// - Throws: `XError`: `retry` when X does not show what was done.
    private func readBack(_ wanted: [WantedRule]) throws(XError) {
        let left = try compare(wanted)
        guard !left.isEmpty else { return }
        throw XError(
            .retry,
            "X accepted every change, but its list still differs: \(left.summary). Another client may be changing rules;"
                + " look with `tweet-producer rules plan`.")
    }
}
