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
    let json: Bool
    let logger: Logger
    /// Whether it waits for a producer that does the work.
    var waits = false
    private var chosen: [StreamGap] = []

    /// A job of the dry run.
    private struct Cost: Encodable {
        let gaps: [Int64]
        let from: String
        let to: String
        let method: String
        /// Nil where X reports nothing.
        let posts: Int64?
        let dollars: Double?
        /// Rules that the search does not know.
        let unsearchable: [String]
    }

    /// What a job came to.
    private struct Result: Encodable {
        let gaps: [Int64]
        let method: String
        let posts: Int64
        /// Nil when the gaps are filled.
        let obstacle: String?
        /// From when on they are, when X no longer gives what is older.
        let filledFrom: String?
    }

    init(stream: StreamSettings, folder: String, price: PostPrice, json: Bool, logger: Logger) {
        self.stream = stream
        self.folder = folder
        self.price = price
        self.json = json
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
                    + " stored already, and X charges for them. --min-gap leaves short gaps out; `gaps close` accepts one.\n"
            )
        }
    }

    private func repair(_ book: OpenGaps, deliver: @escaping (JournalChunk) -> ChunkDelivery) -> GapRepair {
        GapRepair(stream, folder: path, book: book, stop: Stop(), logger: logger, deliver: deliver)
    }

    /// Tells posts and dollars.
    ///
    /// - Throws: `XError` when X cannot be asked.
    func estimate() throws {
        let asking = repair(OpenGaps(folder: path)) { _ in .failed }
        let costs = try asking.estimate(chosen).map { job, posts, unsearchable -> Cost in
            let dollars = posts.map { Double($0) * price.dollars }
            return Cost(
                gaps: job.seqs, from: job.from.description, to: job.to.description, method: job.method.rawValue,
                posts: posts, dollars: dollars, unsearchable: unsearchable.map(\.value))
        }
        warnOfMargins(RepairPlan.jobs(chosen, plan: stream.plan, at: .now()))
        if json { return print(try jsonText(costs)) }
        guard !costs.isEmpty else { return print("nothing can be filled") }
        let rows = costs.map { cost -> [String] in
            let unsearchable = cost.unsearchable.count
            return [
                cost.gaps.map(String.init).joined(separator: ","), String(cost.from.prefix(19)) + "Z",
                String(cost.to.prefix(19)) + "Z", cost.method, cost.posts.map { groupedDigits($0) } ?? "?",
                cost.posts.map { price.text(for: Double($0)) } ?? "as your contract says",
                unsearchable == 0 ? "" : "\(unsearchable) rules cannot be searched",
            ]
        }
        print(TextTable.render(header: ["GAPS", "FROM", "TO", "BY", "POSTS", "COST", "NOTE"], rows))
        let sum = costs.compactMap(\.posts).reduce(0, +)
        print("\(groupedDigits(sum)) posts by search at most, \(price.text(for: Double(sum)))")
    }

    /// Fills the gaps here, or asks the producer that owns the journal to.
    ///
    /// - Throws: `Failure` 64 without a budget where one is needed, 69 when a gap stays open.
    func repair() throws {
        let jobs = RepairPlan.jobs(chosen, plan: stream.plan, at: .now())
        guard !jobs.isEmpty else { return print(json ? "[]" : "nothing can be filled") }
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
        let results = reports.map { report in
            Result(
                gaps: report.job.seqs, method: report.job.method.rawValue, posts: report.outcome.posts,
                obstacle: report.outcome.obstacle, filledFrom: report.outcome.filledFrom?.description)
        }
        if json { print(try jsonText(results)) } else { show(results) }
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
            throw Failure(.disk, "the request cannot be left for the producer that runs: \(error)")
        }
        guard waits else {
            let text = "queued \(gaps.count) for the producer that runs; see `tweet-producer gaps list`"
            return print(json ? "{\"queued\":\(gaps.count)}" : text)
        }
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
        let rows = chosenNow(gaps).map { GapRow($0, plan: stream.plan, now: .now()) }
        print(json ? try jsonText(rows) : GapRow.table(rows))
        guard rows.allSatisfy({ $0.status != StreamGap.Status.open.rawValue }) else {
            throw Failure(.unavailable, "not every gap could be filled; those stay open")
        }
    }

    private func chosenNow(_ gaps: [Int64]) -> [StreamGap] {
        OpenGaps(folder: path).gaps.filter { gaps.contains($0.seq) }
    }

    private func show(_ results: [Result]) {
        let rows = results.map { result in
            [
                result.gaps.map(String.init).joined(separator: ","), result.method, groupedDigits(result.posts),
                result.obstacle.map { "open: \($0)" } ?? result.filledFrom.map { "open: filled from \($0) on" }
                    ?? "filled",
            ]
        }
        print(TextTable.render(header: ["GAPS", "BY", "POSTS", "RESULT"], rows))
    }
}
