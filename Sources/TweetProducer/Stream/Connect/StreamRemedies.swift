import Core
import Logging
import XAPI

/// What can be done about a refusal, instead of waiting for it to pass.
struct StreamRemedies {
    let settings: StreamSettings
    let stop: Stop
    let logger: Logger

    /// Tries to remove what was in the way of a connection.
    ///
    /// - Returns: whether something was done, so that another attempt is worth while at once.
    func remedy(_ end: ConnectionEnd, _ credential: CredentialLock?) -> Bool {
        guard !stop.isRaised else { return false }
        return switch end {
        case .refused(let problem) where problem.kind == .tooManyConnections: closeOurs(credential)
        case .control(let control) where control.reaction == .waitForOtherConnection: closeOurs(credential)
        case .refused(let problem) where problem.kind == .noRules: addRules()
        case .control(let control) where control.reaction == .checkRules: addRules()
        default: false
        }
    }

    /// Closes connections at X that are ours and that we have left.
    private func closeOurs(_ credential: CredentialLock?) -> Bool {
        // Without the lock, another process of this host may be the one that uses what the budget has recorded.
        guard let credential, credential.isLocked else { return false }
        let opened = credential.budget.opened(for: settings.stream)
        guard !opened.isEmpty else { return false }
        do throws(XError) {
            switch try StaleConnections(settings.x, kind: settings.source.kind, stop: stop).close(opened) {
            case .closed(let count):
                logger.notice(
                    "closed our own connection, which X still held open",
                    metadata: ["connections": .stringConvertible(count)])
                return true
            case .others(let count):
                logger.warning(
                    "X holds connections that may belong to another client; none was closed",
                    metadata: ["connections": .stringConvertible(count)])
                return false
            }
        } catch {
            if !stop.isRaised {
                logger.warning(
                    "cannot list the connections that X holds; reconnecting as after any 429",
                    metadata: ["reason": "\(error)"])
            }
            return false
        }
    }

    /// Adds the rules of the file that X lacks, when nothing else differs: nothing is removed or changed unasked.
    private func addRules() -> Bool {
        guard let rules = settings.rules else { return false }
        do throws(XError) {
            let file = try RulesFile(path: rules.file, plan: rules.plan)
            let application = RuleApplication(
                settings.x, ownership: rules.ownership, plan: rules.plan, logger: logger, stop: stop)
            let held = try application.list()
            let wanted = file.expanded(beside: held, ownership: rules.ownership, following: rules.following.list).rules
            let plan = RulePlan(wanted: wanted, existing: held, ownership: rules.ownership)
            guard !plan.added.isEmpty, plan.removed.isEmpty, plan.changed.isEmpty else { return false }
            try application.apply(plan, wanted: wanted)
            logger.notice(
                "added the rules that X lacked from the rules file",
                metadata: ["rules": .stringConvertible(plan.added.count)])
            return true
        } catch {
            if !stop.isRaised {
                logger.warning(
                    "cannot add the rules that X lacks from the rules file", metadata: ["reason": "\(error)"])
            }
            return false
        }
    }
}
