import Core
import KafkaClient
import Logging

/// Takes messages from Kafka and decodes them into batches, on a thread of its own that belongs to Kafka's group.
///
/// It knows nothing of PostgreSQL: where partitions start, and when to pause: the mailbox gives it both.
final class Intake {
    private let settings: LoaderSettings
    private let stop: Stop
    private let logger: Logger
    private let mailbox: BatchMailbox
    private var tally: ConsumeTally?
    private var consumer: KafkaConsumer?
    private var decoder = TweetDecoder()
    private var batch = Batch()
    /// When the first message came into `batch`.
    private var batchBegan: ContinuousClock.Instant?
    private var assignment = Assignment()
    private var membership = GroupMembership()
    private var check = LogCheck()
    /// The id of Kafka's cluster, once it is known.
    private var cluster: String?
    private var policies: TopicPolicies
    /// Our name in the group, until another process turns out to use it.
    private var member: String?
    /// Why the name is no longer used, and what to do; nil while it is.
    private var nameProblem: String?
    private var settled = SettledLines()
    private var age: Duration
    private var isPaused = false

    /// How long to wait for a message before the stop and orders are looked at.
    private static let patience = Duration.milliseconds(100)
    /// How long the group is not served at most.
    private static let longestSilence = Duration.milliseconds(500)

    init(
        _ settings: LoaderSettings, _ mailbox: BatchMailbox, stop: Stop, logger: Logger, metrics: ConsumeMetrics? = nil
    ) {
        tally = metrics.map { ConsumeTally($0) }
        self.settings = settings
        self.mailbox = mailbox
        self.stop = stop
        self.logger = logger
        age = settings.limits.age
        member = settings.member
        policies = TopicPolicies(logger: logger)
    }

    /// Takes messages until the stop is raised; then leaves the group once the last batch is settled.
    func run() {
        var failure: (any Error)?
        do {
            try join()
            logger.info("loading", metadata: settings.description)
            while !stop.isRaised {
                Heartbeat.beat()
                if let orders = mailbox.takeOrders() { obey(orders) }
                rejoin()
                step()
                lookAtHoles()
            }
        } catch {
            failure = error
        }
        mailbox.end(&batch, failure: failure) { orders in consumer?.commit(orders.commits) }
        consumer?.close()
    }

    /// Gives the batch to the writer if it is due, or takes messages.
    private func step() {
        let left = batchBegan.map { ContinuousClock.now.duration(to: $0 + age) }
        let isFull = batch.isFull(settings.limits)
        guard isFull || left.map({ $0 <= .zero }) ?? false else {
            let patience = assignment.isWaiting ? Self.patience / 5 : Self.patience
            return takeMessages(waiting: min(left ?? patience, patience))
        }
        if mailbox.offer(&batch) {
            batchBegan = nil
        } else if isPaused {
            // In an outage the group is served, so that Kafka does not give our partitions away.
            takeMessages(waiting: Self.patience)
        } else if isFull {
            // The group must be served however long the writer takes; that may add one message to the batch.
            if !mailbox.waitForWriter(Self.longestSilence) { _ = poll(.zero) }
        } else {
            // The writer is busy: what comes meanwhile goes into the same transaction.
            takeMessages(waiting: Self.patience / 20)
        }
    }

    /// Takes what Kafka has fetched, or waits for the first message; follows the group's rebalances.
    private func takeMessages(waiting timeout: Duration) {
        defer { tally?.flush() }
        guard poll(timeout) else { return }
        for _ in 0..<100 {
            guard !batch.isFull(settings.limits), poll(.zero) else { return }
        }
    }

    /// Takes one message, if one comes in time; answers whether there was one.
    private func poll(_ timeout: Duration) -> Bool {
        guard let consumer else { return false }
        do {
            let message = try consumer.poll(timeout: timeout)
            followGroup(consumer)
            followEnds(consumer)
            guard let message else {
                let silence = membership.silence(of: settings.group, isReachable: !consumer.isUnreachable, logger)
                mailbox.set(groupProblem: consumer.groupProblem ?? nameProblem ?? silence)
                return false
            }
            take(message)
            return true
        } catch {
            handle(error)
            return false
        }
    }

    private func take(_ message: borrowing KafkaMessage) {
        if !check.isEmpty, check.isReplaced(message, cluster: cluster) { return halt(message.topicPartition) }
        guard assignment.takes(message.topicPartition, message.offset) else { return }
        tally?.note(message, isTweet: message.topicPartition.topic == settings.topic)
        beginBatch()
        noteJump(message.topicPartition)
        batch.add(message, decoder: &decoder, payload: settings.payload, settled: &settled)
    }

    private func handle(_ error: KafkaError) {
        if let partition = error.offsetGone {
            if check.isReplaced(without: partition, cluster: cluster) { membership.replaced.insert(partition) }
            membership.holes.insert(partition)
        } else if [.rebuild, .settings].contains(error.disposition) {
            if error.isNameTaken { dropName(isFenced: true) }
            membership.end("\(error)")
        } else {
            logger.error("Kafka reports an error; retrying", metadata: ["reason": "\(error)"])
        }
    }

    private func obey(_ orders: BatchMailbox.Orders) {
        if let settled = orders.settled { self.settled = settled }
        if let age = orders.age { self.age = age }
        if let reason = orders.leave {
            let isContest = orders.lost.map { assignment.contains($0) } ?? false
            if isContest, membership.noteContest() { dropName(isFenced: false) }
            membership.end(reason, isOrdered: true)
        }
        if !orders.commits.isEmpty {
            consumer?.commit(orders.commits)
            membership.committed()
        }
        do {
            if orders.isOutage != isPaused {
                isPaused = orders.isOutage
                if isPaused { try consumer?.pause() } else { try consumer?.resume() }
            }
            guard let starts = orders.starts else { return }
            try start(assignment.start(starts.offsets, asOf: starts.asOf), starts.logs)
            // A partition that was paused in an outage and has come back since is still paused.
            if !isPaused { try consumer?.resume() }
        } catch {
            membership.end("\(error)")
        }
    }
}

/// Kafka's group.
extension Intake {
    private func join() throws {
        consumer = try KafkaConsumer(
            settings.kafka, group: settings.group, member: member, topics: settings.topics,
            consumers: settings.writers ?? 1, logger: logger)
        membership.ask()
    }

    /// Continues without a name: two processes that insist on one would take each other's partitions for ever.
    ///
    /// - Parameter isFenced: whether Kafka reports a different process with this name. A loader with much to do loses its
    ///   partitions before its next heartbeat is answered, and some brokers never report it.
    private func dropName(isFenced: Bool) {
        guard let name = member else { return }
        member = nil
        nameProblem = GroupMembership.problem(ofName: name, isFenced: isFenced)
        logger.error(
            isFenced
                ? "a different process has joined Kafka's group under this loader's name; continuing without a name"
                : "another loader repeatedly claims the partitions of this one; continuing without a name",
            metadata: ["group": "\(settings.group)", "name": "\(name)", "remedy": "\(GroupMembership.nameRemedy)"])
    }

    private func followGroup(_ consumer: KafkaConsumer) {
        let changes = consumer.takeAssignmentChanges()
        guard !changes.isEmpty else { return }
        membership.follow(changes)
        let gone = assignment.apply(changes)
        batch.drop(gone)
        if batch.isEmpty { dropBatch() }
        membership.holes.subtract(gone)
        membership.replaced.subtract(gone)
        check.forget(gone)
        mailbox.tell(changes, gone: gone)
        logger.info("Kafka's group changed", metadata: ["partitions": .stringConvertible(assignment.count)])
    }

    private func dropBatch() {
        batch.removeAll()
        batchBegan = nil
    }

    /// Leaves and rejoins Kafka's group when our membership is unusable.
    private func rejoin() {
        let isOrdered = membership.isOrderedToEnd
        guard let (reason, delay) = membership.takeEnd() else { return }
        logger.warning("rejoining Kafka's group", metadata: ["reason": "\(reason)"])
        if !isOrdered { tally?.metrics.rejoins[.kafka].add() }
        dropBatch()
        assignment.leave()
        check = LogCheck()
        cluster = nil
        consumer?.close()
        consumer = nil
        mailbox.tellLeft()
        guard !stop.wait(for: delay) else { return }
        // The files may be invalid by now; that must not end a running loader.
        do { try join() } catch {
            logger.error("cannot join Kafka's group; retrying", metadata: ["reason": "\(error)"])
            membership.end("\(error)")
        }
    }

    /// Asks Kafka what it has in place of what it should have; the answer is for the writer, who knows what is settled.
    private func lookAtHoles() {
        guard let consumer, membership.isLookDue else { return }
        // What was taken already comes first: the hole begins behind it.
        for partition in membership.holes where batch.nextOffsets[partition] == nil {
            do {
                mailbox.tell(
                    holeIn: partition, kept: try consumer.watermarks(partition, timeout: .seconds(2)),
                    isReplaced: membership.replaced.contains(partition))
                membership.holes.remove(partition)
            } catch {
                logger.debug("the ends of a partition are not known", metadata: ["reason": "\(error)"])
            }
        }
    }
}

/// Offsets, and the logs that they belong to.
extension Intake {
    /// Begins to fetch partitions, each from the message that identifies its log.
    private func start(_ offsets: [TopicPartition: Int64], _ logs: [TopicPartition: LogIdentity]) throws {
        guard let consumer, !offsets.isEmpty else { return }
        cluster = consumer.clusterID
        try consumer.start(
            Dictionary(uniqueKeysWithValues: offsets.map { ($0, check.begin($0, at: $1, logs[$0])) }))
        policies.look(at: Set(offsets.keys.map(\.topic)), consumer)
    }

    /// Settles what lies between the last message and the end of a partition: markers of transactions, aborted messages and
    /// what compaction has left.
    private func followEnds(_ consumer: KafkaConsumer) {
        for (partition, end) in consumer.takeEnds() {
            guard let next = assignment.next(partition) else { continue }
            let isReplaced = check.isReplaced(without: partition, cluster: cluster)
            // An end before what was settled: it is not the log that was loaded.
            if isReplaced || end < next {
                halt(partition)
            } else if assignment.reaches(partition, end: end) {
                beginBatch()
                noteJump(partition)
                batch.reach(partition, end: end)
            }
        }
    }

    /// Ignores a partition whose log was replaced, until it is decided how to continue.
    private func halt(_ partition: TopicPartition) {
        assignment.halt(partition)
        membership.replaced.insert(partition)
        membership.holes.insert(partition)
        do { try consumer?.hold(partition) } catch {
            logger.debug("a partition was not paused", metadata: ["reason": "\(error)"])
        }
    }

    private func beginBatch() {
        guard batchBegan == nil else { return }
        batchBegan = .now
        cluster = cluster ?? consumer?.clusterID
        batch.cluster = cluster
    }

    private func noteJump(_ partition: TopicPartition) {
        guard let jump = assignment.jump, policies.isCompacted(partition.topic) else { return }
        batch.addJump(partition, jump)
    }
}
