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

    /// The row of a gap; `isQueued` says whether a producer has a request to fill it.
    init(_ gap: StreamGap, plan: AccountPlan, now: Timestamp, isQueued: Bool = false) {
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
        next =
            gap.status != .open
            ? nil
            : gap.end == nil
                ? "not connected" : RepairPlan.method(for: gap, plan: plan, at: now)?.rawValue ?? "too old"
        filledFrom = gap.filledFrom.map { Timestamp(milliseconds: $0).description }
        note = gap.note
    }

    /// Without control characters: a note may quote what a server said.
    private static func plain(_ text: String) -> String {
        String(
            String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
    }

    /// For people.
    static func table(_ rows: [GapRow]) -> String {
        guard !rows.isEmpty else { return "no open gaps" }
        let header = ["GAP", "STARTED", "LENGTH", "CAUSE", "STATUS", "POSTS", "NEXT", "NOTE"]
        return TextTable.render(
            header: header,
            rows.map { row in
                [
                    "\(row.gap)", String(row.started.prefix(19)) + "Z",
                    Duration.milliseconds(Int64(row.seconds * 1000)).short, row.cause,
                    row.status + (row.repairedBy.map { " (\($0))" } ?? ""), "\(row.posts)", row.next ?? "",
                    plain(row.note ?? ""),
                ]
            })
    }
}
