import Core
import FoundationEssentials
import Synchronization

/// Where the simulator's lines come from.
package enum FeedSource: Sendable {
    /// Made up, without end or up to a count.
    case generator(seed: UInt64, count: Int64?)
    /// These, once, byte for byte.
    case lines([[UInt8]])

    /// The lines of JSON Lines files, in order; line ends and empty lines are left out.
    ///
    /// - Throws: `Failure` (badData) that names a file that cannot be read.
    package static func files(_ paths: [String]) throws(Failure) -> FeedSource {
        var lines: [[UInt8]] = []
        for path in paths {
            do { lines += splitLines(try readWholeFile(path)) } catch { throw Failure(.badData, "\(error)") }
        }
        return .lines(lines)
    }

    private static func splitLines(_ bytes: [UInt8]) -> [[UInt8]] {
        bytes.split(separator: 10).compactMap { line in
            let trimmed = line.last == 13 ? line.dropLast() : line
            return trimmed.isEmpty ? nil : Array(trimmed)
        }
    }
}

/// A line of the feed.
struct FeedLine: Sendable {
    /// Its number, from 0 and dense.
    let index: Int64
    /// The tweet's id; nil when it is no tweet.
    let id: Int64?
    let bytes: [UInt8]
}

/// Issues lines in time: at a rate while someone listens, or, as X does, whether someone listens or not.
///
/// The log remembers when each line was issued and under which rules, so that any line can be made again.
final class Feed: Sendable {
    private struct Issue {
        let at: Timestamp
        let rulesVersion: Int
    }

    private struct State {
        var log: [Issue] = []
        var rate: Double?
        var isStopped = false
        /// The part of a line that is due already, at `rate`.
        var allowance = 0.0
        var lastLook: ContinuousClock.Instant?
        var ruleSets: [[StreamRule]] = [[]]
    }

    private let state: Mutex<State>
    private let clock: SandboxClock
    private let seed: UInt64
    private let stream: Int64
    private let lines: [(id: Int64?, bytes: [UInt8])]
    private let count: Int64

    /// - Parameters:
    ///   - source: where the lines come from.
    ///   - stream: 0 to 3; the generated posts of two streams never have the same id.
    ///   - rate: lines a second; nil as fast as they are taken.
    ///   - clock: when lines are issued.
    init(_ source: FeedSource, stream: Int64 = 0, rate: Double?, clock: SandboxClock = SandboxClock()) {
        self.clock = clock
        self.stream = stream
        state = Mutex(State(rate: rate))
        switch source {
        case .generator(let seed, let count):
            self.seed = seed
            self.count = count ?? .max
            lines = []
        case .lines(let lines):
            seed = 0
            count = Int64(lines.count)
            self.lines = lines.map { (LineID.find(in: $0), $0) }
        }
    }

    private var generator: TweetGenerator { TweetGenerator(seed: seed, stream: stream) { self.time(of: $0) } }

    /// How many lines were issued.
    var issued: Int64 { state.withLock { Int64($0.log.count) } }

    /// Whether all there is was issued, or the feed was stopped.
    var isFinished: Bool { state.withLock { $0.isStopped || $0.log.count >= count } }

    /// Issues nothing more.
    func stop() {
        state.withLock { $0.isStopped = true }
    }

    /// Lines a second; nil as fast as they are taken.
    func setRate(_ rate: Double?) {
        state.withLock { $0.rate = rate }
    }

    func setRules(_ rules: [StreamRule]) {
        state.withLock { $0.ruleSets.append(rules) }
    }

    /// Time passes without lines being due: no client is connected, and the feed waits for one.
    func skipTime() {
        state.withLock { $0.lastLook = nil }
    }

    /// Issues a number of lines now, due or not.
    func issue(_ count: Int) {
        state.withLock { state in
            state.lastLook = clock.instant
            let at = max(clock.now, state.log.last?.at ?? clock.now)
            let issue = Issue(at: at, rulesVersion: state.ruleSets.count - 1)
            state.log += repeatElement(issue, count: count)
        }
    }

    /// Issues what is due; flat out, up to `wanted` more lines than `position`.
    func issueDue(position: Int64, wanted: Int) {
        state.withLock { state in
            let now = clock.instant
            defer { state.lastLook = now }
            guard !state.isStopped else { return }
            var due = Double(position + Int64(wanted) - Int64(state.log.count))
            let elapsed = state.lastLook.map { (now - $0).seconds } ?? 0
            if let rate = state.rate {
                state.allowance += elapsed * rate
                due = state.allowance.rounded(.down)
                state.allowance -= due
            }
            let number = max(0, min(Int64(due), count - Int64(state.log.count)))
            let end = clock.now
            for line in 0..<number {
                // Lines that became due meanwhile are spread over that time.
                let late = elapsed * Double(number - 1 - line) / Double(number)
                let at = end.advanced(by: .milliseconds(-Int64(late * 1000)))
                let last = state.log.last?.at ?? at
                state.log.append(Issue(at: max(at, last), rulesVersion: state.ruleSets.count - 1))
            }
        }
    }

    /// The first line issued at or after a moment.
    func firstIndex(since moment: Timestamp) -> Int64 {
        state.withLock { state in
            var (low, high) = (0, state.log.count)
            while low < high {
                let middle = (low + high) / 2
                if state.log[middle].at < moment { low = middle + 1 } else { high = middle }
            }
            return Int64(low)
        }
    }

    /// When a line was issued.
    func time(of index: Int64) -> Timestamp {
        state.withLock { state in
            state.log.indices.contains(Int(index)) ? state.log[Int(index)].at : clock.now
        }
    }

    /// The id of an issued line; nil when it is no tweet.
    func id(of index: Int64) -> Int64? {
        lines.isEmpty ? generator.id(of: index) : lines[Int(index)].id
    }

    /// Whether a search with the query finds an issued line: a rule under which it was issued stands in the query, or the
    /// line comes from a file.
    func matches(_ query: String, line index: Int64) -> Bool {
        guard lines.isEmpty else { return true }
        let rules = state.withLock { state in state.ruleSets[state.log[Int(index)].rulesVersion] }
        let post = generator.posts.post(index)
        return StreamRule.matching(rules, post).contains { query.contains($0.value) }
    }

    /// An issued line, the same bytes each time.
    func line(_ index: Int64) -> FeedLine {
        guard lines.isEmpty else {
            return FeedLine(index: index, id: lines[Int(index)].id, bytes: lines[Int(index)].bytes)
        }
        let rules = state.withLock { state in state.ruleSets[state.log[Int(index)].rulesVersion] }
        return FeedLine(index: index, id: generator.id(of: index), bytes: generator.line(index, rules: rules))
    }
}

extension Duration {
    /// As a number of seconds.
    var seconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) / 1e18
    }
}
