import Core
import XAPI

/// A gap as it is shown.
struct GapRow: Encodable {
    let gap: Int64
    let started: String
    /// Nil while the stream is not connected.
    let ended: String?
    let seconds: Double
    let cause: String
    let newestID: String?
    let status: String
    let repairedBy: String?
    let posts: Int64
    /// Marks what a repair has brought: the connection of its lines.
    let repairConnection: Int64?
    /// How it could be filled: a method, or why not.
    let next: String?
    /// From when on it is filled, when X no longer gave what is older.
    let filledFrom: String?
    let note: String?

    /// - Parameters:
    ///   - gap: the gap.
    ///   - plan: the account's contract.
    ///   - kind: of the stream.
    ///   - now: the time.
    ///   - isQueued: whether a producer has a request to fill it.
    init(_ gap: StreamGap, plan: AccountPlan, kind: StreamKind = .filtered, now: Timestamp, isQueued: Bool = false) {
        self.gap = gap.seq
        started = gap.start.description
        ended = gap.end?.description
        seconds = Double((gap.ended ?? now.milliseconds) - gap.started) / 1000
        cause = gap.cause
        newestID = gap.newestID
        status = isQueued && gap.status == .open && gap.end != nil ? "queued" : gap.status.rawValue
        repairedBy = gap.repairedBy?.rawValue
        posts = gap.posts
        repairConnection = gap.repairConnection
        let method = RepairPlan.method(for: gap, plan: plan, kind: kind, at: now)
        next =
            gap.status != .open
            ? nil : gap.end == nil ? "not connected" : method?.rawValue ?? (kind == .filtered ? "too old" : "no method")
        filledFrom = gap.filledFrom.map { Timestamp(milliseconds: $0).description }
        note = gap.note
    }
}

/// Gaps, and how each can be filled.
struct GapList: Report {
    let gaps: [GapRow]

    func text(on terminal: Terminal?) -> String {
        guard !gaps.isEmpty else { return "no open gaps" }
        let rows = gaps.map { gap in
            [
                "\(gap.gap)", String(gap.started.prefix(19)) + "Z",
                Duration.milliseconds(Int64(gap.seconds * 1000)).short, gap.cause,
                gap.status + (gap.repairedBy.map { " (\($0))" } ?? ""), "\(gap.posts)", gap.next ?? "",
                // A note may quote what a server answered.
                (gap.note ?? "").plain,
            ]
        }
        let header = ["GAP", "STARTED", "LENGTH", "CAUSE", "STATUS", "POSTS", "NEXT", "NOTE"]
        return FittingTable(header: header, rows: rows).text(on: terminal)
    }
}
