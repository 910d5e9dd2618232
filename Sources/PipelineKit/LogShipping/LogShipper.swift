import Core
import HTTP
import Logging
import Synchronization

/// Gets copies of the log, and sends them on a thread of its own. Its own troubles go to standard error alone.
final class LogShipper: LogCopy {
    private struct State {
        /// Until when there is time to send what is left; nil before the end.
        var deadline: ContinuousClock.Instant?
        /// The event that is sent before all others at the end.
        var lastWord: String?
        /// Events that were not sent at the end, and why not.
        var rest: (events: Int64, reason: String) = (0, "")
    }

    let source: EventSource
    private let settings: LogShippingSettings
    private let queue: any LogQueue
    private let counts: ShippingCounts
    private let logger = LogCopies.logger("log-shipping")
    private let state = Mutex(State())
    private let signal = Signal()
    /// Ends the request that is under way when the end begins.
    private let cutRunning = Stop()
    /// Ends every request.
    private let cut = Stop()
    private let isDone = Atomic(false)

    init(_ settings: LogShippingSettings, _ queue: any LogQueue, _ counts: ShippingCounts, _ source: EventSource) {
        (self.settings, self.queue, self.counts, self.source) = (settings, queue, counts, source)
    }

    // MARK: Any thread

    func take(_ line: String) {
        let event = source.adopt(line)
        // A request must have room for it, and for what formats add.
        if event.utf8.count <= settings.limits.batchBytes / 2 {
            queue.append(event)
        } else {
            counts.dropped[.tooLarge].add()
        }
        signal.notify()
    }

    /// Asks the thread to send what is left, and to end.
    ///
    /// - Parameter lastWord: an event that is sent before all others.
    func end(lastWord: String?) {
        state.withLock { ($0.deadline, $0.lastWord) = (.now + settings.drain, lastWord) }
        signal.notify()
    }

    /// Waits for the end, which has the time of the settings.
    ///
    /// - Parameter isHurried: whether there is no time for the rest; asked often.
    func waitForEnd(isHurried: () -> Bool) {
        let begin = ContinuousClock.now
        while !isDone.load(ordering: .acquiring) {
            let passed = begin.duration(to: .now)
            // A slow receiver must not keep the last event from being tried.
            if passed >= settings.drain / 2 { cutRunning.raiseImmediately() }
            if passed >= settings.drain || isHurried() {
                cutRunning.raiseImmediately()
                cut.raiseImmediately()
            }
            signal.wait(until: .now + .milliseconds(100)) { isDone.load(ordering: .acquiring) }
        }
    }

    // MARK: The thread that sends

    /// Sends until the end.
    func run() {
        defer {
            isDone.store(true, ordering: .releasing)
            signal.notify()
        }
        do {
            var sender = try LogSender(settings)
            var plan = ShippingPlan(limits: settings.limits, queue: queue, counts: counts, source: source)
            var troubles = TroubleLog(logger: logger, settings: settings, counts: counts)
            while !isEnding { work(&plan, &sender, &troubles) }
            finish(&plan, &sender)
        } catch {
            logger.error("the log cannot be shipped", metadata: ["error": "\(error)"])
        }
    }

    private var isEnding: Bool { state.withLock { $0.deadline != nil } }

    private func work(_ plan: inout ShippingPlan, _ sender: inout LogSender, _ troubles: inout TroubleLog) {
        let step = plan.step(.now)
        let held = plan.heldBytes
        switch step {
        case .send(let batch):
            let trouble = plan.settle(sender.send(batch.events, until: cutRunning), .now)
            // A request that the end has cut says nothing about the receiver.
            if !cutRunning.isRaised { troubles.note(trouble) }
        case .wait(nil):
            let announced = plan.announced
            signal.wait(until: .now + .seconds(3600)) {
                isEnding || pendingBytes(beside: held) > 0 || counts.allDropped > announced
            }
        case .wait(let until?):
            // New credentials end the pause after a rejected one.
            let end = plan.isRefused ? min(until, .now + .seconds(5)) : until
            let isUnderWay = !plan.work.isEmpty
            signal.wait(until: end) {
                let bytes = pendingBytes(beside: held)
                return isEnding || !isUnderWay && bytes >= settings.limits.batchBytes
            }
            if plan.isRefused, sender.hasNewCredentials { plan.tryAgain() }
        }
    }

    /// Bytes in the queue; the metric counts those of the batch that is under way, too.
    private func pendingBytes(beside held: Int) -> Int {
        let bytes = queue.pending.bytes
        counts.queued.set(Int64(bytes + held))
        return bytes
    }

    /// Sends what is left, one attempt for each batch, as long as there is time.
    private func finish(_ plan: inout ShippingPlan, _ sender: inout LogSender) {
        let (deadline, lastWord) = state.withLock { ($0.deadline ?? .now, $0.lastWord) }
        var reason = "no time was left"
        if let lastWord { plan.begin(with: lastWord) }
        var (batch, isFirst) = (lastWord == nil ? plan.nextAtEnd() : plan.work.first, true)
        while let events = batch?.events {
            let left = ContinuousClock.now.duration(to: deadline)
            var result = (goesOn: false, reason: reason)
            if left > .zero, !cut.isRaised {
                result = plan.settleAtEnd(sender.send(events, until: cut, timeout: left), .now)
            }
            guard result.goesOn else {
                reason = result.reason
                if isFirst, let lastWord, queue.isDurable { queue.append(lastWord) }
                break
            }
            (batch, isFirst) = (plan.nextAtEnd(), false)
        }
        _ = pendingBytes(beside: plan.heldBytes)
        let rest = (plan.left, reason)
        state.withLock { $0.rest = rest }
    }

    // MARK: After the end

    /// Why not everything was sent; empty when everything was.
    var reason: String { state.withLock { $0.rest.events > 0 ? $0.rest.reason : "" } }

    /// Logs how many events were not sent.
    func reportRest() {
        let (left, reason) = state.withLock { $0.rest }
        guard left > 0 else { return }
        let facts: Logger.Metadata = ["events": .stringConvertible(left), "reason": "\(reason)"]
        if queue.isDurable {
            logger.warning("log events wait in LOG_HTTP_SPOOL for the next start", metadata: facts)
        } else {
            counts.dropped[.ended].add(left)
            logger.warning("log events were not shipped before the end", metadata: facts)
        }
    }
}

/// Logs what is wrong with shipping to standard error: when it changes, and every 5 minutes.
private struct TroubleLog {
    let logger: Logger
    let settings: LogShippingSettings
    let counts: ShippingCounts
    /// Until when each trouble is not logged again.
    private var quiet: [String: ContinuousClock.Instant] = [:]

    init(logger: Logger, settings: LogShippingSettings, counts: ShippingCounts) {
        (self.logger, self.settings, self.counts) = (logger, settings, counts)
    }

    /// Takes in what was wrong with a request; nil for nothing.
    mutating func note(_ trouble: ShippingPlan.Trouble?) {
        if trouble == .dividing { return }
        guard let trouble else {
            let rejected = quiet["rejected"]
            if quiet.count > (rejected == nil ? 0 : 1) { logger.info("the log is shipped again", metadata: facts) }
            // Single events that a receiver rejects come between others that it accepts.
            return quiet = rejected.map { ["rejected": $0] } ?? [:]
        }
        guard quiet[trouble.name].map({ ContinuousClock.now >= $0 }) ?? true else { return }
        quiet[trouble.name] = .now + .seconds(300)
        switch trouble {
        case .retrying(let reason, let at):
            var facts = facts
            facts["next_attempt_in"] = "\(ContinuousClock.now.duration(to: at).short)"
            logger.warning("the log cannot be shipped; retrying", metadata: facts.with(reason))
        case .abandoned(let reason, _):
            logger.error("log events were dropped after too many attempts", metadata: facts.with(reason))
        case .refused(let reason):
            logger.error(
                "the receiver of the log needs attention; retrying every 5 minutes", metadata: facts.with(reason))
        case .rejected(let reason, _):
            logger.error("the receiver of the log rejects events; they were dropped", metadata: facts.with(reason))
        case .dividing: break
        }
    }

    private var facts: Logger.Metadata {
        // Without path and query, which may be credentials.
        let host =
            settings.url.split(separator: "/").dropFirst().first.map { $0.prefix { $0 != "?" && $0 != "#" } } ?? ""
        return ["receiver": "\(host)", "dropped_events": .stringConvertible(counts.allDropped)]
    }
}

extension Logger.Metadata {
    fileprivate func with(_ reason: String) -> Self { merging(["reason": "\(reason)"]) { _, new in new } }
}

extension ShippingPlan.Trouble {
    /// The same for troubles that need not be logged one by one.
    fileprivate var name: String {
        switch self {
        case .retrying: "retrying"
        case .abandoned: "abandoned"
        case .refused: "refused"
        case .rejected: "rejected"
        case .dividing: "dividing"
        }
    }
}
