import Core
import Journal
import Logging
import TweetFormat
import XAPI

/// Fills gaps: by itself as the settings allow, and on request; on one thread, never on the reader's.
///
/// What it finds is handed to the owner of the journal, and only when that is durable a gap counts as filled.
package final class GapRepair {
    /// What one job came to.
    package struct Report: Sendable {
        package let job: RepairPlan.Job
        package let outcome: RepairOutcome
    }

    private let settings: StreamSettings
    private let folder: String
    private let book: OpenGaps
    private let stop: Stop
    private let logger: Logger
    private let deliver: (JournalChunk) -> ChunkDelivery
    private let isActive: () -> Bool
    private var notBefore = ContinuousClock.now

    private static let glance = Duration.seconds(1)
    private static let pause = Duration.seconds(300)
    /// After this number of failures only an operator retries.
    private static let mostTries = 3
    /// X's window of rate limits.
    private static let patience = Duration.seconds(16 * 60)

    /// - Parameters:
    ///   - settings: of the stream.
    ///   - folder: the stream's folder.
    ///   - book: its gaps.
    ///   - stop: ends everything soon.
    ///   - logger: logs which gaps were filled, and which were not.
    ///   - isActive: whether gaps are filled without a request: one of the producers that share a stream does that.
    ///   - deliver: hands lines and events to the owner of the journal and returns when they are durable.
    package init(
        _ settings: StreamSettings, folder: String, book: OpenGaps, stop: Stop, logger: Logger,
        isActive: @escaping () -> Bool = { true }, deliver: @escaping (JournalChunk) -> ChunkDelivery
    ) {
        self.settings = settings
        self.folder = folder
        self.book = book
        self.stop = stop
        self.logger = logger
        self.isActive = isActive
        self.deliver = deliver
    }

    /// Runs until the stop is raised.
    package func run() {
        while !stop.wait(for: Self.glance) {
            if let request = EventRequest.waiting(in: folder), deliver(JournalChunk(events: request.events)) == .durable
            {
                book.apply(request.events)
                request.finish(in: folder)
            }
            if let request = RepairRequest.waiting(in: folder) {
                let wanted = book.gaps.filter { request.gaps.isEmpty || request.gaps.contains($0.seq) }
                _ = repair(wanted, budget: request.maxPosts)
                // What a stop has interrupted is done by the next run.
                let isLeft = book.gaps.contains { $0.status == .open && $0.end != nil && request.asks(for: $0.seq) }
                if !stop.isRaised || !isLeft { request.finish(in: folder) }
            } else if settings.repair.isAutomatic, isActive(), ContinuousClock.now >= notBefore {
                repairWhatIsDue()
            }
        }
    }

    /// Gaps that ended a while ago, as far as plan and budget go.
    private func repairWhatIsDue() {
        let now = Timestamp.now()
        let budget = settings.repair.postsPerDay - book.spent(on: now.day)
        let due = book.gaps.filter { gap in
            guard gap.status == .open, !gap.isWanted, gap.tries < Self.mostTries, let end = gap.end,
                end.advanced(by: settings.repair.delay) <= now,
                let method = RepairPlan.method(for: gap, plan: settings.plan, kind: settings.source.kind, at: now)
            else { return false }
            return method == .recovery || budget >= 10
        }
        guard !due.isEmpty else { return }
        let reports = repair(due, budget: budget)
        if reports.contains(where: { $0.outcome.obstacle != nil }) {
            notBefore = .now + Self.pause * settings.backoffScale
        }
    }

    /// Fills gaps now, in jobs, oldest first.
    ///
    /// - Parameters:
    ///   - gaps: those that have ended and are open; others are passed over.
    ///   - budget: posts that searches may bring at most, all together.
    /// - Returns: what each job came to; nothing for gaps that are too old for everything.
    package func repair(_ gaps: [StreamGap], budget: Int64) -> [Report] {
        var left = budget
        var reports: [Report] = []
        for job in RepairPlan.jobs(gaps, plan: settings.plan, kind: settings.source.kind, at: .now())
        where !stop.isRaised {
            if job.method == .search, left < 10 {
                var outcome = RepairOutcome()
                outcome.fail("the budget is used up")
                reports.append(Report(job: job, outcome: outcome))
                continue
            }
            let wait = job.to.advanced(by: settings.repair.settling).milliseconds - Timestamp.now().milliseconds
            if wait > 0, stop.wait(for: .milliseconds(wait)) { break }
            let connection = Timestamp.now().milliseconds
            var outcome = run(job, budget: left, connection: connection)
            if outcome.obstacle == nil, job.cuts(job.gaps[0]) { outcome.filledFrom = job.from }
            if job.method == .search {
                left -= outcome.posts
                book.spend(outcome.posts, on: Timestamp.now().day)
            }
            settle(job, outcome, connection)
            reports.append(Report(job: job, outcome: outcome))
        }
        return reports
    }

    private func run(_ job: RepairPlan.Job, budget: Int64, connection: Int64) -> RepairOutcome {
        var outcome = RepairOutcome()
        do throws(XError) {
            if job.method == .recovery {
                let name = ConnectBudget.name(url: settings.x.url, token: try settings.x.token.read())
                let budget = ConnectBudget(
                    folder: CredentialLock.budgetFolder(folder),
                    credential: CredentialLock.budgetName(name, settings.source.kind), limit: settings.connectBudget,
                    logger: logger)
                return RecoveryRepair(settings: settings, budget: budget, stop: stop, deliver: deliver)
                    .run(job, connection: connection)
            }
            return search.run(job, rules: try rules(), budget: budget, connection: connection)
        } catch {
            outcome.fail(error.description)
            return outcome
        }
    }

    private var search: SearchRepair {
        let api = XAPI(settings.x, stop: stop, patience: Self.patience) { [logger] wait in
            logger.info(
                "X's rate limit is reached; repairing the gap after its reset", metadata: ["for": "\(wait.short)"])
        }
        return SearchRepair(api: api, fields: settings.fields, plan: settings.plan, stop: stop, deliver: deliver)
    }

    private func rules() throws(XError) -> [XRule] {
        try XRules(settings.x, stop: stop).list().filter(settings.repair.ownership.owns)
    }

    /// How many posts each job would bring: nil where X reports nothing (a recovery), and the rules that cannot be searched.
    ///
    /// - Throws: `XError` when X cannot be asked.
    package func estimate(
        _ gaps: [StreamGap]
    ) throws(XError) -> [(job: RepairPlan.Job, posts: Int64?, unsearchable: [XRule])] {
        let jobs = RepairPlan.jobs(gaps, plan: settings.plan, kind: settings.source.kind, at: .now())
        let rules = jobs.contains { $0.method == .search } ? try rules() : []
        let unsearchable = rules.filter { SearchRepair.obstacle($0, settings.plan) != nil }
        var result: [(RepairPlan.Job, Int64?, [XRule])] = []
        for job in jobs {
            guard job.method == .search else {
                result.append((job, nil, []))
                continue
            }
            var posts: Int64 = 0
            for rule in rules where SearchRepair.obstacle(rule, settings.plan) == nil {
                if !job.gaps[0].searched.contains(rule.id) { posts += try search.estimate(job, rule) }
            }
            result.append((job, posts, unsearchable))
        }
        return result
    }

    /// Journals what a job came to; only when that is durable, the book says so, too.
    private func settle(_ job: RepairPlan.Job, _ outcome: RepairOutcome, _ connection: Int64) {
        let events = job.gaps.map { event(for: $0, job, outcome, connection) }
        let isDurable = deliver(JournalChunk(connection: connection, events: events)) == .durable
        let first = job.gaps[0].seq
        // A service that ends is no reason to give a gap up.
        let isInterrupted = outcome.obstacle != nil && stop.isRaised
        book.change(job.seqs) { gap in
            if gap.seq == first { gap.posts += outcome.posts }
            gap.searched = outcome.searched
            gap.repairConnection = connection
            if let obstacle = outcome.obstacle {
                if isInterrupted { return }
                gap.note = obstacle
                gap.tries += 1
            } else if isDurable, job.cuts(gap) {
                gap.filledFrom = job.from.milliseconds
                gap.repairedBy = job.method
                gap.note = obstacle(to: gap, job, outcome)
                gap.searched = []
            } else if isDurable {
                gap.status = job.method.isExact ? .repairedExactly : .repairedApproximately
                gap.repairedBy = job.method
                gap.note = nil
                gap.searched = []
            }
        }
        if !isInterrupted {
            count(job, outcome)
            tell(job, outcome)
        }
    }

    private func count(_ job: RepairPlan.Job, _ outcome: RepairOutcome) {
        guard let method = RepairMethodLabel(rawValue: job.method.rawValue) else { return }
        book.metrics.posts[method].add(outcome.posts)
        for gap in job.gaps {
            let isOpen = obstacle(to: gap, job, outcome) != nil
            book.metrics.repairs[method, isOpen ? .failed : job.method.isExact ? .exact : .approximate].add()
        }
    }

    private func event(
        for gap: StreamGap, _ job: RepairPlan.Job, _ outcome: RepairOutcome, _ connection: Int64
    ) -> PipelineEvent {
        let obstacle = obstacle(to: gap, job, outcome)
        var event = PipelineEvent(
            obstacle == nil ? .repaired : .repairFailed, connection: connection, cause: job.method.rawValue)
        event.seq = gap.seq
        event.lines = gap.seq == job.gaps[0].seq ? outcome.posts : 0
        event.exact = job.method.isExact
        event.detail = obstacle
        return event
    }

    /// Why a gap stays open after a job; nil when it does not.
    private func obstacle(to gap: StreamGap, _ job: RepairPlan.Job, _ outcome: RepairOutcome) -> String? {
        guard outcome.obstacle == nil, job.cuts(gap) else { return outcome.obstacle }
        return "filled from \(job.from) on: X's \(job.method.rawValue) reaches no further back"
    }

    private func tell(_ job: RepairPlan.Job, _ outcome: RepairOutcome) {
        let metadata: Logger.Metadata = [
            "gaps": "\(job.seqs.map { "\($0)" }.joined(separator: ","))", "from": "\(job.from)", "to": "\(job.to)",
            "by": "\(job.method.rawValue)", "posts": .stringConvertible(outcome.posts),
        ]
        if let obstacle = obstacle(to: job.gaps[0], job, outcome) {
            logger.warning("a gap stays open", metadata: metadata.merging(["reason": "\(obstacle)"]) { $1 })
        } else {
            logger.notice("filled a gap", metadata: metadata)
        }
    }
}
