import Core
import KafkaClient
import Logging

/// Whether our membership of Kafka's group can still be used.
struct GroupMembership {
    /// Partitions whose next offset Kafka does not have.
    var holes: Set<TopicPartition> = []
    /// Those of them where another log stands in the place of the one that was loaded.
    var replaced: Set<TopicPartition> = []
    private var endReason: String?
    /// Whether the writer has asked to leave the group.
    private(set) var isOrderedToEnd = false
    private var backoff = Backoff(first: .milliseconds(100), longest: .seconds(5))
    private var nextLook = ContinuousClock.now
    /// When another loader last had a partition that the group had assigned to us.
    private var lastContest: ContinuousClock.Instant?

    /// Since when the group has not answered which partitions are ours; nil once it has.
    private var askedAt: ContinuousClock.Instant?
    private var isSilenceLogged = false

    /// How long the group may take to answer until that is reported; when members start and stop, it takes seconds.
    private static let patience = Duration.seconds(30)
    /// How long until a new client asks: longer than Kafka itself waits for other members, which is five minutes
    /// (`max.poll.interval.ms`).
    private static let longestSilence = Duration.seconds(360)

    private static let silence = "Kafka's group has not answered which partitions are this loader's"
    private static let silenceRemedy =
        "wait: after 6 min a new client asks; look for a member that hangs with kafka-consumer-groups --describe --members"

    /// A loader that was paused loses its partitions once; one whose name a different process uses does so repeatedly.
    private static let contestInterval = Duration.seconds(600)

    static let nameRemedy =
        "give each host a name of its own, or each process a different -X group.instance.id; until then, a restart takes"
        + " as long as session.timeout.ms"

    /// What is wrong with a name in the group, and what to do.
    ///
    /// - Parameters:
    ///   - name: of the member.
    ///   - isFenced: whether Kafka reports a different process with this name; else it is only probable.
    /// - Returns: the problem, as `status` shows it.
    static func problem(ofName name: String, isFenced: Bool) -> String {
        isFenced
            ? "FENCED_INSTANCE_ID: a different process has joined Kafka's group as '\(name)': \(nameRemedy)"
            : "a different process probably is '\(name)' in Kafka's group, too: \(nameRemedy)"
    }

    /// The group must be left and rejoined.
    ///
    /// - Parameters:
    ///   - reason: for the log; the first one counts.
    ///   - isOrdered: whether the writer has asked for it.
    mutating func end(_ reason: String, isOrdered: Bool = false) {
        endReason = endReason ?? reason
        if isOrdered { isOrderedToEnd = true }
    }

    /// Why the group must be left, and how long to wait before rejoining it; nil when there is no reason.
    mutating func takeEnd() -> (reason: String, delay: Duration)? {
        guard let reason = endReason else { return nil }
        endReason = nil
        isOrderedToEnd = false
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

    /// Takes note that the group is asked for partitions.
    mutating func ask() {
        askedAt = .now
        isSilenceLogged = false
    }

    /// Takes note of what the group has assigned and revoked; behind what is revoked comes a new answer.
    mutating func follow(_ changes: [AssignmentChange]) {
        if case .revoked = changes.last { ask() } else { askedAt = nil }
    }

    /// Looks whether the group has not answered for long: that is logged once, and after minutes ends the membership.
    ///
    /// - Parameters:
    ///   - group: its name.
    ///   - isReachable: whether brokers answer; while they do not, that is the problem.
    ///   - logger: gets a warning.
    /// - Returns: the problem, as `status` shows it; nil when there is none yet.
    mutating func silence(of group: String, isReachable: Bool, _ logger: Logger) -> String? {
        guard isReachable, let wait = askedAt?.duration(to: .now), wait > Self.patience else { return nil }
        if !isSilenceLogged {
            isSilenceLogged = true
            logger.warning(
                "Kafka's group does not answer which partitions are this loader's; waiting",
                metadata: ["group": "\(group)", "remedy": "\(Self.silenceRemedy)"])
        }
        if wait > Self.longestSilence { end(Self.silence) }
        return "\(Self.silence): \(Self.silenceRemedy)"
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
