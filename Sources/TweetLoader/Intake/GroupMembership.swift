import Core
import KafkaClient

/// Whether our membership of Kafka's group can still be used.
struct GroupMembership {
    /// Partitions whose next offset Kafka does not have.
    var holes: Set<TopicPartition> = []
    /// Those of them where another log stands in the place of the one that was loaded.
    var replaced: Set<TopicPartition> = []
    private var endReason: String?
    private var backoff = Backoff(first: .milliseconds(100), longest: .seconds(5))
    private var nextLook = ContinuousClock.now
    /// When another loader last had a partition that the group had assigned to us.
    private var lastContest: ContinuousClock.Instant?

    /// A loader that was paused loses its partitions once; one whose name a different process uses does so repeatedly.
    private static let contestInterval = Duration.seconds(600)

    /// The group must be left and rejoined.
    mutating func end(_ reason: String) {
        endReason = endReason ?? reason
    }

    /// Why the group must be left, and how long to wait before rejoining it; nil when there is no reason.
    mutating func takeEnd() -> (reason: String, delay: Duration)? {
        guard let reason = endReason else { return nil }
        endReason = nil
        holes = []
        replaced = []
        return (reason, backoff.next())
    }

    /// Takes note that another loader has claimed a partition that the group has assigned to us.
    ///
    /// - Returns: whether that happened within the last ten minutes before, too.
    mutating func noteContest() -> Bool {
        let now = ContinuousClock.now
        defer { lastContest = now }
        return lastContest.map { now - $0 < Self.contestInterval } ?? false
    }

    /// Takes note that a batch was committed: the membership works.
    mutating func committed() {
        backoff.reset()
    }

    /// Whether it is time to ask Kafka about holes, which is not done more often than twice a second.
    var isLookDue: Bool {
        mutating get {
            guard !holes.isEmpty, ContinuousClock.now >= nextLook else { return false }
            nextLook = .now + .milliseconds(500)
            return true
        }
    }
}
