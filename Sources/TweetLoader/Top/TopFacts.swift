import Core
import Operations

/// What `top` shows: the pipeline at one moment. Nil is what is not known; 0 is 0.
struct TopFacts: Report, Sendable {
    /// Where facts of a service come from.
    enum Origin: String, Encodable, Sendable {
        /// The service's own `/status`.
        case status
        /// What loaders have written.
        case postgresql
    }

    /// Who was asked, and what became of it.
    struct Source: Encodable, Sendable {
        var service: String
        /// Address, or server of PostgreSQL.
        var place: String
        var answers: Bool
        /// Its verdict about itself; nil without an answer, and for PostgreSQL.
        var status: HealthCheck.Status?
        /// Why it does not answer.
        var problem: String?
    }

    /// A producer: one stream.
    struct Producer: Encodable, Sendable {
        var name: String
        var from: Origin
        var isConnected: Bool?
        var isPassive: Bool?
        var secondsConnected: Double?
        var secondsSinceByte: Double?
        var secondsSincePost: Double?
        var postsPerSecond: Double?
        var postsPerSecondOfMinute: Double?
        /// 0: Kafka has acknowledged everything.
        var secondsUnacknowledged: Double?
        var journalBytes: Double?
        var quotaBytes: Double?
        var availableBytes: Double?
        var rulesAtX: Double?
        var postsToday: Double?
        /// Nil for no limit, too.
        var limitPerDay: Double?
        var postsOfCycle: Double?
        var limitPerCycle: Double?
        var dollarsOfCycle: Double?
        var openGaps: Double?
        /// How old these facts were when they were read.
        var secondsOld: Double?
    }

    /// The loaders together.
    struct Loading: Encodable, Sendable {
        var from: Origin
        /// Loaders that run.
        var loaders: Int
        var messagesPerSecond: Double?
        var messagesPerSecondOfMinute: Double?
        var secondsSinceCommit: Double?
        /// Of the stream whose newest heartbeat in PostgreSQL is the oldest.
        var secondsSinceHeartbeat: Double?
        var missingLines: Double?
        var unsettledLines: Double?
        var rejects: Double?
        var openHoles: Double?
        var openGaps: Double?
    }

    struct Partition: Encodable, Sendable {
        var topic: String
        var partition: Int
        var messagesPerSecond: Double?
        var messagesPerSecondOfMinute: Double?
        /// 0: nothing is pending.
        var secondsUnsettled: Double?
        var lag: Double?
        var secondsSinceCommit: Double?
        /// Messages a second in the parts of the last minute; for the screen only.
        var sparkline: [Double?] = []

        private enum CodingKeys: CodingKey {
            case topic, partition, messagesPerSecond, messagesPerSecondOfMinute, secondsUnsettled, lag
            case secondsSinceCommit
        }
    }

    /// The rules with one tag.
    struct Rule: Encodable, Sendable {
        var tag: String
        var postsPerSecond: Double?
        /// Since the producer started, or of the last 10 minutes when PostgreSQL was asked.
        var posts: Double
        var secondsSincePost: Double?
    }

    struct Gap: Encodable, Sendable {
        var stream: String
        var startedAt: String?
        /// Nil while it lasts, and when it is not known.
        var seconds: Double?
        var cause: String?
        /// How it can be filled, when the producer says so.
        var next: String?
        var count = 1
    }

    /// A check of a service that is not ok.
    struct Problem: Encodable, Sendable {
        var service: String
        var status: HealthCheck.Status
        var check: String
        var detail: String
        var remedy: String?
    }

    var at: Timestamp
    var sources: [Source] = []
    var producers: [Producer] = []
    var loading: Loading?
    var partitions: [Partition] = []
    var rules: [Rule] = []
    var gaps: [Gap] = []
    var problems: [Problem] = []
    /// Posts a second in the parts of the last minute, all producers together.
    var postsSparkline: [Double?] = []
    /// Messages a second in the parts of the last minute, all loaders together.
    var loadSparkline: [Double?] = []

    private enum CodingKeys: CodingKey {
        case at, sources, producers, loading, partitions, rules, gaps, problems
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(at.description, forKey: .at)
        try container.encode(sources, forKey: .sources)
        try container.encode(producers, forKey: .producers)
        try container.encode(loading, forKey: .loading)
        try container.encode(partitions, forKey: .partitions)
        try container.encode(rules, forKey: .rules)
        try container.encode(gaps, forKey: .gaps)
        try container.encode(problems, forKey: .problems)
    }

    /// How many parts of the last minute a sparkline has.
    static let sparks = 30

    /// Whether anything is known.
    var isEmpty: Bool { !sources.contains(where: \.answers) }

    func text(on terminal: Terminal?) -> String {
        TopScreen(facts: self, state: TopState(isPlain: true)).plain(terminal)
    }
}
