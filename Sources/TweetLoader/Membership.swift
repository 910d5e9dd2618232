import PipelineKit

/// Whether our membership of Kafka's group is still of use, and what is to be seen to beside loading.
struct Membership {
    /// Partitions whose next offset Kafka does not have.
    var holes: Set<TopicPartition> = []
    private var endReason: String?
    private var backoff = ReconnectBackoff()
    private var nextCheck = ContinuousClock.now + checkInterval

    private static let checkInterval = Duration.seconds(10)

    /// The group is to be left and joined anew.
    mutating func end(_ reason: String) {
        endReason = endReason ?? reason
    }

    /// Whether the group is to be left.
    var isOver: Bool { endReason != nil }

    /// Why the group is to be left, and how long to stay away; nil while all is well.
    mutating func takeEnd() -> (reason: String, delay: Duration)? {
        guard let reason = endReason else { return nil }
        endReason = nil
        holes = []
        return (reason, backoff.next())
    }

    /// Takes note that a batch was committed: it is of use.
    mutating func committed() {
        backoff = ReconnectBackoff()
        checked()
    }

    /// Whether PostgreSQL was not heard of for a while.
    var isCheckDue: Bool { ContinuousClock.now >= nextCheck }

    /// Takes note that PostgreSQL has answered.
    mutating func checked() {
        nextCheck = .now + Self.checkInterval
    }
}
