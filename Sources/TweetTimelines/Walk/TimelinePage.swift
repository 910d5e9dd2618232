import Core
import FoundationEssentials
import TweetFormat

/// A page of a timeline, and its posts as lines of the journal.
struct TimelinePage: Sendable {
    let page: TimelineWalk.Page
    private let lines: [Int64: [UInt8]]

    /// Reads X's answer; nil for what is no page of posts.
    ///
    /// - Parameters:
    ///   - body: the answer.
    ///   - account: whose timeline.
    ///   - kind: of the timeline.
    ///   - date: X's clock.
    init?(_ body: [UInt8], of account: Int64, _ kind: TimelineKind, date: Timestamp) {
        guard let answer = SearchPage(body, rule: nil) else { return nil }
        let origin =
            ",\"timeline\":{\"user_id\":\"\(account)\",\"kind\":\"\(kind.rawValue)\",\"fetched_at\":\"\(date)\"}}"
        var lines: [Int64: [UInt8]] = [:]
        var ids: [Int64] = []
        for (text, line) in zip(answer.ids, answer.lines) {
            guard let id = Int64(text), lines[id] == nil else { continue }
            ids.append(id)
            lines[id] = line.dropLast() + Array(origin.utf8)
        }
        self.lines = lines
        page = TimelineWalk.Page(ids: ids, nextToken: answer.nextToken, date: date)
    }

    /// The lines of some posts, the oldest first.
    func lines(of ids: [Int64]) -> [[UInt8]] { ids.sorted().compactMap { lines[$0] } }
}
