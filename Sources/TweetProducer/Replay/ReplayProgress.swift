import Core
import XAPI

/// Shows how far a replay is: a bar on a terminal, else a line every 10 seconds.
struct ReplayProgress {
    private let totalBytes: Int64
    private let isTerminal: Bool
    private let begin = ContinuousClock.now
    private var pace: Periodic
    private var first: Int64?

    init(totalBytes: Int64, isTerminal: Bool) {
        (self.totalBytes, self.isTerminal) = (totalBytes, isTerminal)
        pace = isTerminal ? Periodic(every: .milliseconds(200), atOnce: true) : Periodic(every: .seconds(10))
    }

    mutating func report(bytes: Int64, published: Int64) {
        if first == nil { first = published }
        guard pace.isDue() else { return }
        let share = totalBytes > 0 ? min(1, Double(bytes) / Double(totalBytes)) : 1
        let elapsed = begin.duration(to: .now)
        let left = share > 0.01 ? (elapsed * ((1 - share) / share)).short : "?"
        let text = "\(published) lines, \(rate(published)) a second, \(Int(share * 100)) %, \(left) left"
        let full = Int(share * 30)
        let bar = String(repeating: "#", count: full) + String(repeating: ".", count: 30 - full)
        writeToStandardError(isTerminal ? "\r[\(bar)] \(text)\u{1B}[K" : "replay: \(text)\n")
    }

    private func rate(_ published: Int64) -> Int64 {
        (published - (first ?? 0)) * 1000 / max(1, begin.duration(to: .now).milliseconds)
    }

    /// Shows how much it was, and how many lines Kafka or the disk rejected.
    ///
    /// - Parameters:
    ///   - published: lines of this run and of those before it.
    ///   - earlier: lines of the runs before it.
    ///   - refused: lines that became rejects.
    ///   - others: lines that are no tweets.
    func end(published: Int64, earlier: Int64, refused: RefusedLines, others: OtherLines) {
        let text =
            published == earlier && earlier > 0
            ? "nothing left: \(groupedDigits(earlier)) lines were published before"
            : "\(published) lines, \(rate(published)) a second, \(begin.duration(to: .now).short)"
        let notes = (refused.isEmpty ? "" : "; \(refused)") + (others.count == 0 ? "" : "; \(others)")
        writeToStandardError((isTerminal ? "\r\u{1B}[K" : "") + "replay: \(text)\(notes)\n")
    }
}

/// Lines of other tools' files that are no tweets; they go to the events topic as they are.
struct OtherLines: CustomStringConvertible {
    private(set) var count = 0
    private var first = ""
    private var last: (file: Int, line: Int64) = (-1, 0)

    /// Counts one; a line that is read again counts once.
    mutating func insert(file: Int, _ line: ReplayLine, path: String, reason: String) {
        guard (file, line.seq) > last else { return }
        last = (file, line.seq)
        count += 1
        if first.isEmpty { first = "\(path), \(line.place): \(reason)" }
    }

    var description: String { "\(count) lines are not tweets (the first: \(first))" }
}

/// Lines that a replay could not publish as they are, and why; in their place events of type `rejected` were published.
struct RefusedLines: CustomStringConvertible, Sendable {
    /// By the line's place among those that the replay has published.
    private var reasons: [Int64: String] = [:]

    /// Takes note of one; a line that is sent again counts once.
    mutating func insert(_ line: Int64, reason: String) { reasons[line] = reason }

    var count: Int { reasons.count }
    var isEmpty: Bool { reasons.isEmpty }

    /// How many, and how many for each reason.
    var description: String {
        let counts = Dictionary(grouping: reasons.values) { $0 }.map { ($0.key, $0.value.count) }.sorted { $0 < $1 }
        return "\(count) lines rejected (\(counts.map { "\($0.0) \($0.1)" }.joined(separator: ", ")))"
    }
}
