import CRdKafka
import Core
package import Logging

/// A change of what the consumer group has given us.
package enum AssignmentChange: Sendable, Equatable {
    /// Ours from now on, but not fetched before `start`.
    case assigned([TopicPartition])
    /// No longer ours. `isLost`: another member may already have them.
    case revoked([TopicPartition], isLost: Bool)
}

/// A member of a consumer group that fetches a partition only after it was given an offset.
///
/// Owned by one thread. Kafka's own committed offsets are never read: they are a hint for lag tools only.
package final class KafkaConsumer {
    /// The offset of the oldest record that Kafka still has.
    package static let earliest = Int64(RD_KAFKA_OFFSET_BEGINNING)

    let handle: KafkaHandle
    private let context: KafkaContext
    private var started: Set<TopicPartition> = []
    private var isClosed = false
    private var limits: KafkaFetchLimits
    private var errors: KafkaErrorLog
    private var ends: [TopicPartition: Int64] = [:]
    private var queue: KafkaQueue?
    /// Whether `close` leaves the group, in which Kafka otherwise keeps the place of a member with a name (KIP-345).
    private let leavesAtClose: Bool

    /// Before 2.3.0, librdkafka aborts the process when a member leaves ahead of its first cooperative assignment
    /// (confluentinc/librdkafka issue 4312).
    private static var assignmentStrategy: String {
        rd_kafka_version() >= 0x0203_0000 ? "cooperative-sticky" : "range,roundrobin"
    }

    /// The properties of a consumer, unless the user sets others.
    private static let defaults = [
        "partition.assignment.strategy": assignmentStrategy,
        // So that offsets without a message at the end of a partition are seen: what transactions and compaction leave.
        "enable.partition.eof": "true",
        "client.id": "tweet-loader",
        // A killed loader's partitions go to others this soon; one that only seemed dead is kept out by the fence.
        "session.timeout.ms": "10000",
        "topic.metadata.refresh.interval.ms": "60000",
    ]

    /// The properties that the loader's guarantees depend on.
    private static let fixed = [
        "enable.auto.commit": "false",
        "enable.auto.offset.store": "false",
        // The loader must see a hole in the topic; librdkafka must not skip it silently.
        "auto.offset.reset": "error",
    ]

    /// Joins a group; partitions come later, inside `poll`. Without topics it joins nothing and only looks.
    ///
    /// - Parameters:
    ///   - configuration: of the client.
    ///   - group: the group's name.
    ///   - member: the member's name (`group.instance.id`); nil for none, whatever the configuration has. A member that is
    ///     killed and started again has its place back at once; `close` leaves the group unless the configuration has a name.
    ///   - topics: what to consume.
    ///   - consumers: how many consumers of this process share the bounds of memory.
    ///   - logger: gets what happens to the client.
    /// - Throws: `KafkaClientError`: `operator` when librdkafka rejects a property, `wait` when it does not subscribe to the
    ///   topics.
    package init(
        _ configuration: KafkaConfiguration, group: String, member: String? = nil, topics: [String],
        consumers: Int = 1, logger: Logger
    ) throws(KafkaClientError) {
        let configuration = try configuration.current()
        let context = KafkaContext(configuration, logger: logger)
        self.context = context
        limits = KafkaFetchLimits(consumers: consumers)
        var fixed = Self.fixed
        fixed["group.id"] = group
        leavesAtClose = member != nil && !topics.isEmpty && configuration.memberName == nil
        handle = try unsafe KafkaHandle(
            RD_KAFKA_CONSUMER,
            limits.bound(configuration.naming(member).withDefaults(Self.defaults)).fixing(fixed), context: context
        ) { settings in
            unsafe rd_kafka_conf_set_rebalance_cb(settings, kafkaRebalanced)
        }
        unsafe rd_kafka_poll_set_consumer(handle.client)
        errors = KafkaErrorLog(logger: logger)
        queue = unsafe KafkaQueue(of: handle.client)
        guard !topics.isEmpty else { return }
        let list = KafkaPartitionList(topics.map { TopicPartition($0, RD_KAFKA_PARTITION_UA) })
        let code = unsafe rd_kafka_subscribe(handle.client, list.pointer)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw KafkaClientError(
                .wait, "\(KafkaError(code, "subscribe to \(topics.joined(separator: ", "))"))")
        }
    }

    /// Waits for the next record; nil when none came in time. Serves rebalances and keeps the membership alive.
    ///
    /// - Throws: `KafkaError` for an error that belongs to a partition (such as an offset that Kafka no longer has) or
    ///   that ended the client, and `rebuild` when there are new credentials for one that is refused; what heals by
    ///   itself is not thrown.
    package func poll(timeout: Duration) throws(KafkaError) -> KafkaMessage? {
        guard let message = unsafe rd_kafka_consumer_poll(handle.client, Int32(clamping: timeout.milliseconds)) else {
            if let renewal = context.renewal() { throw renewal }
            return nil
        }
        let code = unsafe message.pointee.err
        let name = unsafe message.pointee.rkt.map { unsafe String(cString: rd_kafka_topic_name($0)) } ?? ""
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
            defer { unsafe rd_kafka_message_destroy(message) }
            let partition = unsafe TopicPartition(name, message.pointee.partition)
            if code == RD_KAFKA_RESP_ERR__PARTITION_EOF { unsafe ends[partition] = message.pointee.offset }
            return try unsafe ignoreOrThrow(code, partition, reason: rd_kafka_message_errstr(message))
        }
        context.brokersAnswered()
        let partition = unsafe TopicPartition(name, message.pointee.partition)
        if !errors.isEmpty { errors.ended(partition) }
        if KafkaFetchLimits.needsNudges,
            limits.isNudgeDue(after: unsafe message.pointee.len, queued: { queue?.count ?? 0 })
        {
            nudge(partition)
        }
        return unsafe KafkaMessage(message, topicPartition: partition)
    }

    /// The ends of partitions that were reached since the last call: the offset after the last that was read, whether
    /// there was a message or not.
    package func takeEnds() -> [TopicPartition: Int64] {
        guard !ends.isEmpty else { return [:] }
        defer { ends = [:] }
        return ends
    }

    /// The error of the group that keeps this member out of it, with what to do; nil when there is none.
    package var groupProblem: String? { errors.isEmpty ? nil : errors.groupProblem }

    /// Whether no broker could be reached, and none has sent a record since.
    package var isUnreachable: Bool { context.isUnreachable }

    /// Has the thread that serves a partition's broker look again whether to fetch: any request wakes it.
    private func nudge(_ partition: TopicPartition) {
        _ = try? watermarks(partition, timeout: .milliseconds(500))
    }

    private func ignoreOrThrow(
        _ code: rd_kafka_resp_err_t, _ partition: TopicPartition, reason: UnsafePointer<CChar>?
    ) throws(KafkaError) -> KafkaMessage? {
        let text = unsafe reason.map { unsafe String(cString: $0) }
        switch code {
        case RD_KAFKA_RESP_ERR__PARTITION_EOF:
            if !errors.isEmpty { errors.ended(partition) }
            return nil
        case RD_KAFKA_RESP_ERR__FATAL: throw handle.fatalError() ?? KafkaError(code, "consume", reason: text)
        case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
            throw KafkaError(code, "fetch \(partition)", reason: text, of: partition)
        default:
            errors.note(
                KafkaError(code, "consume", reason: text), of: partition.topic.isEmpty ? nil : partition)
            return nil
        }
    }

    /// The partitions that the group has assigned and revoked since the last call, in order.
    package func takeAssignmentChanges() -> [AssignmentChange] {
        let changes = context.changes.withLock { changes in
            defer { changes.removeAll() }
            return changes
        }
        for case .revoked(let partitions, _) in changes { started.subtract(partitions) }
        if !changes.isEmpty { errors.ended(nil) }
        return changes
    }

    /// Begins to fetch assigned partitions, each exactly from its offset (or `earliest`).
    package func start(_ offsets: [TopicPartition: Int64]) throws(KafkaError) {
        guard !offsets.isEmpty else { return }
        if isCooperative {
            let list = KafkaPartitionList(offsets)
            if let error = unsafe rd_kafka_incremental_assign(handle.client, list.pointer) {
                throw unsafe KafkaError(consuming: error, "start partitions")
            }
        } else {
            // The eager protocol gives all partitions at once: the loader starts them all in one call.
            let list = KafkaPartitionList(offsets)
            let code = unsafe rd_kafka_assign(handle.client, list.pointer)
            guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(code, "start partitions") }
        }
        started.formUnion(offsets.keys)
    }

    private var isCooperative: Bool {
        unsafe rd_kafka_rebalance_protocol(handle.client).map { unsafe String(cString: $0) } == "COOPERATIVE"
    }

    /// Stops fetching a partition until the group assigns it again; `resume` does not change that.
    package func hold(_ partition: TopicPartition) throws(KafkaError) {
        started.remove(partition)
        let list = KafkaPartitionList([partition])
        let code = unsafe rd_kafka_pause_partitions(handle.client, list.pointer)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(code, "pause \(partition)") }
    }

    /// Settings of a topic as the broker reports them; see `KafkaHandle.topicConfig`.
    package func topicConfig(
        _ topic: String, names: [String], timeout: Duration
    ) throws(KafkaError) -> [String: String] {
        try handle.topicConfig(topic, names: names, timeout: timeout)
    }

    /// The cluster's id, if it is known by now: since the first answer of a broker of Kafka 0.10 or later.
    package var clusterID: String? {
        guard let text = unsafe rd_kafka_clusterid(handle.client, 0) else { return nil }
        defer { unsafe rd_kafka_mem_free(handle.client, text) }
        return unsafe String(cString: text)
    }

    /// Stops fetching every started partition; `poll` still serves the group.
    package func pause() throws(KafkaError) {
        let list = KafkaPartitionList(started)
        let code = unsafe rd_kafka_pause_partitions(handle.client, list.pointer)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(code, "pause") }
    }

    /// Fetches every started partition again.
    package func resume() throws(KafkaError) {
        let list = KafkaPartitionList(started)
        let code = unsafe rd_kafka_resume_partitions(handle.client, list.pointer)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(code, "resume") }
    }

    /// Commits the next offset of each partition to Kafka, without waiting for the answer.
    package func commit(_ offsets: [TopicPartition: Int64]) {
        let list = KafkaPartitionList(offsets)
        let code = unsafe rd_kafka_commit(handle.client, list.pointer, 1)
        if code != RD_KAFKA_RESP_ERR_NO_ERROR {
            context.logger.debug(
                "offsets were not committed to Kafka", metadata: ["reason": "\(KafkaError(code, "commit"))"])
        }
    }

    /// The oldest offset that Kafka still has, and the one that the next record will get.
    package func watermarks(
        _ partition: TopicPartition, timeout: Duration
    ) throws(KafkaError) -> (low: Int64, high: Int64) {
        var low: Int64 = 0
        var high: Int64 = 0
        let code = unsafe rd_kafka_query_watermark_offsets(
            handle.client, partition.topic, partition.partition, &low, &high, Int32(clamping: timeout.milliseconds))
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(code, "ask for the end of \(partition)") }
        return (low, high)
    }

    /// Leaves the group, so that others get our partitions at once.
    package func close() {
        guard !isClosed else { return }
        isClosed = true
        if leavesAtClose, handle.fatalError() == nil { leave() }
        unsafe rd_kafka_consumer_close(handle.client)
    }

    /// Leaves the group. `rd_kafka_consumer_close` alone keeps the place of a member with a name.
    private func leave() {
        unsafe rd_kafka_unsubscribe(handle.client)
        let deadline = ContinuousClock.now + .seconds(1)
        // The rebalance callback runs in the poll; the id is forgotten when the request to leave is sent.
        while isMember, ContinuousClock.now < deadline {
            if let message = unsafe rd_kafka_consumer_poll(handle.client, 10) {
                unsafe rd_kafka_message_destroy(message)
            }
        }
    }

    /// Whether the group has a place for us.
    private var isMember: Bool {
        guard let id = unsafe rd_kafka_memberid(handle.client) else { return false }
        defer { unsafe rd_kafka_mem_free(handle.client, id) }
        return unsafe id.pointee != 0
    }

    /// Leaves the group if that has not happened yet.
    deinit {
        close()
        // Before the client that it belongs to.
        queue = nil
    }
}
