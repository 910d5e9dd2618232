package import Core
internal import Journal
internal import KafkaClient
import TweetFormat

/// What is counted of publishing.
package struct PublishCounts: Sendable {
    /// Lines that Kafka has acknowledged.
    package let acknowledged = LabelledCounters<PublishTopic>()
    /// Bytes of their values.
    package let acknowledgedBytes = LabelledCounters<PublishTopic>()
    /// Lines that were handed to the Kafka client and have no report yet.
    package let queued = Gauge()
    /// From the receipt of a line to the acknowledgement of it and of all lines before it.
    package let durations = Histogram(bounds: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 21_600])
    /// Failures, by what was done about them.
    package let failures = LabelledCounters<PublishFailure>()
    /// How often the Kafka client was made anew.
    package let restarts = Counter()
    /// 1 since Kafka has acknowledged a line, until no broker can be reached.
    package let connected = Gauge()
    /// Lines that the disk has changed.
    package let damaged = Counter()
    /// From the making of a post, which its id has, to its receipt; of posts on the connection that was made last.
    package let delays = Histogram(bounds: [0.5, 1, 2, 3, 5, 7, 10, 15, 30, 60, 300])
    /// The id of the connection to the stream that was made last.
    package let connection = Gauge()
    /// Posts by the tags of the rules that they matched; nil to save their search.
    package let tags: TagCounters?

    /// - Parameter tags: posts by tag; nil when nobody reads them.
    package init(tags: TagCounters? = nil) {
        self.tags = tags
    }
}

/// Where acknowledged lines are.
package enum PublishTopic: String, MetricLabel {
    case tweets, events
}

/// What was done about a failure.
package enum PublishFailure: String, MetricLabel {
    /// What was not acknowledged was sent again.
    case retry
    /// The same, with a new client in place of one that failed for good.
    case rebuild
    /// A record became a reject.
    case reject
    /// A setting is wrong; sent again.
    case settings
}

extension PublishFailure {
    init(_ disposition: KafkaError.Disposition) {
        self =
            switch disposition {
            case .retry, .queueFull: .retry
            case .rebuild: .rebuild
            case .rejectRecord: .reject
            case .settings: .settings
            }
    }
}

/// What the publisher counts of its lines, gathered on its thread and added up once in a while.
struct PublishTally {
    /// Lines in a row that were received at the same time.
    private struct Receipt {
        var first: Int64
        var end: Int64
        let at: Timestamp
    }

    let counts: PublishCounts
    /// Lines on their way, oldest first, from `head` on.
    private var receipts: [Receipt] = []
    private var head = 0
    private var delays: Histogram.Tally
    /// Posts by rule since the last addition, and when the newest was received.
    private var posts: [Int64: Int64] = [:]
    private var newest: Timestamp?
    /// The newest line that was noted: older ones are handed over again.
    private var last: Int64 = 0

    init(_ counts: PublishCounts) {
        self.counts = counts
        delays = Histogram.Tally(counts.delays)
    }

    /// Takes note of a line that is handed over.
    ///
    /// - Parameters:
    ///   - line: the line.
    ///   - post: its own id; nil for what is no tweet.
    ///   - rules: the rules that it matched.
    mutating func note(_ line: JournalLine, post: Int64?, rules: [Int64]) {
        if let last = receipts.indices.last, receipts[last].at == line.receivedAt, receipts[last].end == line.seq {
            receipts[last].end += 1
        } else {
            receipts.append(Receipt(first: line.seq, end: line.seq + 1, at: line.receivedAt))
        }
        guard line.seq > last else { return }
        last = line.seq
        if let post, Double(line.connection) == counts.connection.value, let made = Snowflake.timestamp(of: post) {
            delays.observe(Double(line.receivedAt.milliseconds - made.milliseconds) / 1000)
        }
        for rule in rules { posts[rule, default: 0] += 1 }
        if !rules.isEmpty { newest = line.receivedAt }
    }

    /// Adds up what was noted.
    ///
    /// - Parameters:
    ///   - seq: every line up to this one is acknowledged.
    ///   - tags: of the rules.
    mutating func flush(through seq: Int64, tags: [Int64: String]) {
        if head < receipts.count, receipts[head].first <= seq { observe(through: seq) }
        counts.delays.take(&delays)
        guard let newest, !posts.isEmpty else { return }
        for (rule, count) in posts { counts.tags?.add(count, tags[rule], at: newest) }
        posts.removeAll(keepingCapacity: true)
    }

    private mutating func observe(through seq: Int64) {
        let now = Timestamp.now().milliseconds
        while head < receipts.count, receipts[head].first <= seq {
            let end = min(receipts[head].end, seq + 1)
            counts.durations.observe(
                Double(now - receipts[head].at.milliseconds) / 1000, count: end - receipts[head].first)
            receipts[head].first = end
            guard end == receipts[head].end else { break }
            head += 1
        }
        if head == receipts.count {
            receipts.removeAll(keepingCapacity: true)
            head = 0
        } else if head > 4096 {
            receipts.removeFirst(head)
            head = 0
        }
    }

    /// Forgets the lines on their way, which are handed over again.
    mutating func restart() {
        receipts.removeAll(keepingCapacity: true)
        head = 0
    }
}
