import Core
import Glibc
import Journal
import Logging
import XAPI

/// One `tweet-producer gaps repair`.
struct GapRepairRun {
    private(set) var stream: StreamSettings
    let folder: String
    let price: PostPrice
    let output: OutputOptions
    let logger: Logger
    /// Whether it waits for a producer that does the work.
    var waits = false
    private var chosen: [StreamGap] = []

    init(stream: StreamSettings, folder: String, price: PostPrice, output: OutputOptions, logger: Logger) {
        self.stream = stream
        self.folder = folder
        self.price = price
        self.output = output
        self.logger = logger
        // Who asks for it now shall not wait longer than X needs.
        self.stream.repair.delay = min(stream.repair.delay, .seconds(15))
    }

    private var path: String { folder + "/" + stream.stream }

    /// Takes the gaps with these numbers, or all that can be filled.
    ///
    /// - Throws: `Failure` (65) for a number that is no open gap.
    mutating func choose(_ numbers: [Int64], shortest: Duration = .zero) throws(Failure) {
        let open = OpenGaps(folder: path).gaps.filter { $0.status == .open && $0.end != nil }
        for number in numbers where !open.contains(where: { $0.seq == number }) {
            throw Failure(.badData, "\(number) is not an open gap that has ended; see `tweet-producer gaps list`")
        }
        chosen = (numbers.isEmpty ? open : open.filter { numbers.contains($0.seq) }).filter { length($0) >= shortest }
    }

    private func length(_ gap: StreamGap) -> Duration {
        .milliseconds((gap.ended ?? gap.started) - gap.started)
    }

    /// Warns of searches whose window is mostly margin: what they return, and X charges for, is mostly stored already.
    private func warnOfMargins(_ jobs: [RepairPlan.Job]) {
        for job in jobs where job.method == .search {
            let window = Duration.milliseconds(job.to.milliseconds - job.from.milliseconds)
            let missing = job.gaps.map(length).reduce(.zero, +)
            guard missing < window - missing else { continue }
            let names = job.seqs.map(String.init).joined(separator: ", ")
            writeToStandardError(
                "warning: gap \(names) lasted \(missing.short), the search covers \(window.short): most of its posts are"
                    + " stored already, and X charges for them. --min-gap skips short gaps; `gaps close` accepts one.\n"
            )
        }
    }

    private func repair(_ book: OpenGaps, deliver: @escaping (JournalChunk) -> ChunkDelivery) -> GapRepair {
        GapRepair(stream, folder: path, book: book, stop: Stop(), logger: logger, deliver: deliver)
    }

    /// Prints posts and dollars.
    ///
    /// - Throws: `XError` when X cannot be asked.
    func estimate() throws {
        let asking = repair(OpenGaps(folder: path)) { _ in .failed }
        let costs = try asking.estimate(chosen).map { job, posts, unsearchable in
            RepairCosts.Cost(
                gaps: job.seqs, from: job.from.description, to: job.to.description, method: job.method.rawValue,
                posts: posts, dollars: posts.map { Double($0) * price.dollars },
                unsearchable: unsearchable.map(\.value))
        }
        warnOfMargins(RepairPlan.jobs(chosen, plan: stream.plan, kind: stream.source.kind, at: .now()))
        output.show(RepairCosts(jobs: costs, price: price))
    }

    /// Fills the gaps here, or asks the producer that owns the journal to.
    ///
    /// - Throws: `Failure` 64 without a budget where one is needed, 69 when a gap stays open.
    func repair() throws {
        let jobs = RepairPlan.jobs(chosen, plan: stream.plan, kind: stream.source.kind, at: .now())
        guard !jobs.isEmpty else { return output.show(RepairResults(jobs: [])) }
        if stream.repair.postsPerDay < 10, jobs.contains(where: { $0.method == .search }) {
            throw Failure(
                .usage,
                "X charges for searches: set the largest number of posts with --max-posts (X_REPAIR_MAX_POSTS), at least 10."
                    + " --dry-run shows their number")
        }
        warnOfMargins(jobs)
        let journal: Journal
        do {
            journal = try Journal.open(folder: folder, stream: stream.stream)
        } catch {
            guard error.disposition == .retry else { throw error }
            return try handOver(jobs.flatMap(\.seqs))
        }
        let reports = try repair(in: journal)
        output.show(RepairResults(jobs: reports.map(RepairResults.Job.init)))
        if reports.contains(where: { $0.outcome.obstacle != nil || $0.outcome.filledFrom != nil }) {
            throw Failure(.unavailable, "not every gap could be filled; those stay open")
        }
    }

    private func repair(in journal: Journal) throws -> [GapRepair.Report] {
        try journal.declareCrash(logger)
        try journal.sync()
        let counter = try PostCounter(folder: path)
        journal.observer.onSync { () throws(FileError) in try counter.save() }
        let limited = LimitedJournal(journal, posts: counter, limits: stream.posts, waitsForReader: false)
        return repair(OpenGaps(folder: path), deliver: limited.deliver)
            .repair(chosen, budget: stream.repair.postsPerDay)
    }

    private func handOver(_ gaps: [Int64]) throws {
        do {
            try RepairRequest(gaps: gaps, maxPosts: stream.repair.postsPerDay).leave(in: path)
        } catch {
            throw Failure(.disk, "the request to the running producer cannot be written: \(error)")
        }
        guard waits else { return output.show(QueuedRepair(queued: gaps.count)) }
        try waitForProducer(gaps)
    }

    /// Waits until the producer has worked on the request, and shows what became of the gaps.
    ///
    /// - Throws: `Failure` 69 when a gap stays open, 75 when the producer ends first.
    private func waitForProducer(_ gaps: [Int64]) throws {
        let begin = ContinuousClock.now
        let isTerminal = isatty(STDERR_FILENO) == 1
        while let request = RepairRequest.waiting(in: path), gaps.contains(where: request.asks) {
            guard try JournalStatus(folder: folder, stream: stream.stream, quota: nil).process != nil else {
                throw Failure(.tryAgain, "the producer ended; the request stays queued for its next run")
            }
            if isTerminal {
                let posts = chosenNow(gaps).map(\.posts).reduce(0, +)
                writeToStandardError(
                    "\rqueued for \(begin.duration(to: .now).short), \(groupedDigits(posts)) posts so far\u{1B}[K")
            }
            usleep(500_000)
        }
        if isTerminal { writeToStandardError("\r\u{1B}[K") }
        let rows = chosenNow(gaps).map { GapRow($0, plan: stream.plan, kind: stream.source.kind, now: .now()) }
        output.show(GapList(gaps: rows))
        guard rows.allSatisfy({ $0.status != StreamGap.Status.open.rawValue }) else {
            throw Failure(.unavailable, "not every gap could be filled; those stay open")
        }
    }

    private func chosenNow(_ gaps: [Int64]) -> [StreamGap] {
        OpenGaps(folder: path).gaps.filter { gaps.contains($0.seq) }
    }
}
