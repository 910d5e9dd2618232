import Core
import XAPI

/// What filling gaps would cost.
struct RepairCosts: Report {
    struct Cost: Encodable {
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

    let jobs: [Cost]
    let price: PostPrice

    private enum CodingKeys: CodingKey {
        case jobs
    }

    func text(on terminal: Terminal?) -> String {
        guard !jobs.isEmpty else { return "nothing can be filled" }
        let rows = jobs.map { job -> [String] in
            let unsearchable = job.unsearchable.count
            let cost = job.posts.map { price.text(for: Double($0)) } ?? "as your contract says"
            let note = unsearchable == 0 ? "" : "\(counted(unsearchable, "rule")) cannot be searched"
            return [
                job.gaps.map(String.init).joined(separator: ","), String(job.from.prefix(19)) + "Z",
                String(job.to.prefix(19)) + "Z", job.method, job.posts.map { groupedDigits($0) } ?? "?", cost, note,
            ]
        }
        let sum: Int64 = jobs.compactMap(\.posts).reduce(0, +)
        let table = FittingTable(
            header: ["GAPS", "FROM", "TO", "BY", "POSTS", "COST", "NOTE"], rows: rows,
            footer: "\(groupedDigits(sum)) posts by search at most, \(price.text(for: Double(sum)))")
        return table.text(on: terminal)
    }
}

/// What came of filling gaps.
struct RepairResults: Report {
    struct Job: Encodable {
        let gaps: [Int64]
        let method: String
        let posts: Int64
        /// Nil when the gaps are filled.
        let obstacle: String?
        /// From when on they are, when X no longer gives what is older.
        let filledFrom: String?

        init(_ report: GapRepair.Report) {
            gaps = report.job.seqs
            method = report.job.method.rawValue
            posts = report.outcome.posts
            obstacle = report.outcome.obstacle
            filledFrom = report.outcome.filledFrom?.description
        }
    }

    let jobs: [Job]

    func text(on terminal: Terminal?) -> String {
        guard !jobs.isEmpty else { return "nothing can be filled" }
        let rows = jobs.map { job -> [String] in
            let result =
                job.obstacle.map { "open: \($0)" } ?? job.filledFrom.map { "open: filled from \($0) on" } ?? "filled"
            return [
                job.gaps.map(String.init).joined(separator: ","), job.method, groupedDigits(job.posts), result.plain,
            ]
        }
        return FittingTable(header: ["GAPS", "BY", "POSTS", "RESULT"], rows: rows).text(on: terminal)
    }
}

/// The number of gaps that a running producer has to fill.
struct QueuedRepair: Report {
    let queued: Int

    func text(on terminal: Terminal?) -> String {
        "queued \(queued) for the running producer; see `tweet-producer gaps list`"
    }
}
