import Core
import Journal
import TweetFormat
import XAPI

/// Journals the rules at X: all of them at the start, and again whenever they have changed.
///
/// So it can be said later what was asked of X when. Owned by the thread that reads the rules.
struct RuleRecorder {
    /// A fingerprint of the rules that are journalled; nil before the first time.
    private var recorded: Int?
    /// JSON bytes of the rules in one event: an enterprise account's 25,000 rules of 2,048 characters are 50 MB, and a topic may
    /// accept as little as 1 MB.
    private static let mostBytes = 256 << 10

    /// Journals the rules unless these are recorded already.
    ///
    /// - Parameters:
    ///   - rules: every rule at X.
    ///   - now: when they were read; all parts of one list carry it.
    ///   - deliver: hands events to the owner of the journal.
    /// - Returns: whether they are recorded now; the next call tries again.
    mutating func record(
        _ rules: [XRule], at now: Timestamp, _ deliver: (JournalChunk) -> ChunkDelivery
    ) -> Bool {
        let sorted = rules.sorted { ($0.id, $0.value) < ($1.id, $1.value) }
        let fingerprint = Self.fingerprint(sorted)
        guard fingerprint != recorded else { return true }
        let parts = Self.parts(of: sorted)
        for (index, part) in parts.enumerated() {
            var event = PipelineEvent(.rules, at: now)
            event.rules = sorted[part].map { PipelineEvent.Rule(id: $0.id, value: $0.value, tag: $0.tag) }
            event.lines = Int64(rules.count)
            event.part = index + 1
            event.parts = parts.count
            // One at a time: the reader reads X in between.
            guard deliver(JournalChunk(events: [event])) == .durable else { return false }
        }
        recorded = fingerprint
        return true
    }

    private static func fingerprint(_ rules: [XRule]) -> Int {
        var hasher = Hasher()
        for rule in rules {
            hasher.combine(rule.id)
            hasher.combine(rule.value)
            hasher.combine(rule.tag)
        }
        return hasher.finalize()
    }

    /// Cuts the rules into parts that fit into one event each; one, which is empty, for no rules.
    private static func parts(of rules: [XRule]) -> [Range<Int>] {
        var parts: [Range<Int>] = []
        var (start, bytes) = (0, 0)
        for (index, rule) in rules.enumerated() {
            let size = JSONText.string(rule.value).utf8.count + JSONText.string(rule.tag ?? "").utf8.count + 64
            if bytes + size > mostBytes, index > start {
                parts.append(start..<index)
                (start, bytes) = (index, 0)
            }
            bytes += size
        }
        return parts + [start..<rules.count]
    }
}
