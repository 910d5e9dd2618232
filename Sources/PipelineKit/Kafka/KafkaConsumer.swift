import CRdKafka
package import Logging

/// A change of what the consumer group has given us.
package enum AssignmentChange: Sendable, Equatable {
    /// Ours from now on, but not fetched before `start`.
    case assigned([TopicPartition])
    /// No longer ours. `isLost`: another member may already have them.
    case revoked([TopicPartition], isLost: Bool)
}

/// A member of a consumer group that fetches a partition only after it was told from where.
///
/// Owned by one thread. Kafka's own committed offsets are never read: they are a hint for lag tools only.
package final class KafkaConsumer {
    /// The offset of the oldest record that Kafka still has.
    package static let earliest = Int64(RD_KAFKA_OFFSET_BEGINNING)

    private let handle: KafkaHandle
    private let context: KafkaContext
    private var started: Set<TopicPartition> = []
    private var isClosed = false

    /// Before 2.3.0, librdkafka aborts the process when a member leaves ahead of its first cooperative assignment
    /// (confluentinc/librdkafka issue 4312).
    private static var assignmentStrategy: String {
        rd_kafka_version() >= 0x0203_0000 ? "cooperative-sticky" : "range,roundrobin"
    }

    /// What a consumer is made with unless the user says otherwise.
    private static let defaults = [
        "partition.assignment.strategy": assignmentStrategy,
        // Memory for records fetched ahead, over all partitions together; the bytes alone decide. Above either bound librdkafka
        // looks only once a second whether to fetch again, so what is fetched must last for longer: with 20,000 messages
        // a loader stood still for most of the time.
        "queued.max.messages.kbytes": "65536",
        "queued.min.messages": "10000000",
        "fetch.wait.max.ms": "50",
        "fetch.message.max.bytes": "1048576",
        "client.id": "tweet-loader",
        // A killed loader's partitions go to others this soon; one that only seemed dead is kept out by the fence.
        "session.timeout.ms": "10000",
        "topic.metadata.refresh.interval.ms": "60000",
    ]

    /// What the loader's guarantees hang on.
    private static let fixed = [
        "enable.auto.commit": "false",
        "enable.auto.offset.store": "false",
        // A hole in the topic is for the loader to see, never to be jumped over in silence.
        "auto.offset.reset": "error",
    ]

    /// Joins a group; partitions come later, inside `poll`. Without topics it joins nothing and only looks.
    ///
    /// - Throws: `Failure` (78) when librdkafka refuses a property, 69 when the topics cannot be subscribed to.
    package init(
        _ configuration: KafkaConfiguration, group: String, topics: [String], logger: Logger
    ) throws(Failure) {
        let configuration = try configuration.current()
        let context = KafkaContext(configuration, logger: logger)
        self.context = context
        var fixed = Self.fixed
        fixed["group.id"] = group
        handle = try unsafe KafkaHandle(
            RD_KAFKA_CONSUMER, configuration.withDefaults(Self.defaults).fixing(fixed), context: context
        ) { settings in
            unsafe rd_kafka_conf_set_rebalance_cb(settings, kafkaRebalanced)
        }
        unsafe rd_kafka_poll_set_consumer(handle.client)
        guard !topics.isEmpty else { return }
        let list = KafkaPartitionList(topics.map { TopicPartition($0, RD_KAFKA_PARTITION_UA) })
        let code = unsafe rd_kafka_subscribe(handle.client, list.pointer)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw Failure(.unavailable, "\(KafkaError(code, "subscribe to \(topics.joined(separator: ", "))"))")
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
            return try unsafe ignoreOrThrow(code, partition, reason: rd_kafka_message_errstr(message))
        }
        context.brokersAnswered()
        return unsafe KafkaMessage(message, topicPartition: TopicPartition(name, message.pointee.partition))
    }

    private func ignoreOrThrow(
        _ code: rd_kafka_resp_err_t, _ partition: TopicPartition, reason: UnsafePointer<CChar>?
    ) throws(KafkaError) -> KafkaMessage? {
        let text = unsafe reason.map { unsafe String(cString: $0) }
        switch code {
        case RD_KAFKA_RESP_ERR__PARTITION_EOF: return nil
        case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE,
            RD_KAFKA_RESP_ERR__FATAL:
            throw KafkaError(code, "fetch \(partition)", reason: text, of: partition)
        default:
            context.logger.warning(
                "Kafka: waiting", metadata: ["partition": "\(partition)", "reason": "\(text ?? "")"])
            return nil
        }
    }

    /// What the group has given and taken since the last call, in order.
    package func takeAssignmentChanges() -> [AssignmentChange] {
        let changes = context.changes.withLock { changes in
            defer { changes.removeAll() }
            return changes
        }
        for case .revoked(let partitions, _) in changes { started.subtract(partitions) }
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

    /// Stops fetching every started partition; `poll` goes on serving the group.
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

    /// Tells Kafka the next offset of each partition, without waiting for the answer.
    package func commit(_ offsets: [TopicPartition: Int64]) {
        let list = KafkaPartitionList(offsets)
        let code = unsafe rd_kafka_commit(handle.client, list.pointer, 1)
        if code != RD_KAFKA_RESP_ERR_NO_ERROR {
            context.logger.debug("\(KafkaError(code, "commit to Kafka"))")
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
        unsafe rd_kafka_consumer_close(handle.client)
    }

    /// Leaves the group if that has not happened yet.
    deinit {
        close()
    }
}

/// A rebalance (rdkafka.h, rebalance_cb): runs inside `poll` or `close`.
///
/// An assignment is taken note of and answered with nothing to fetch; `start` adds the partitions when PostgreSQL has
/// said from where.
private func kafkaRebalanced(
    client: OpaquePointer?, code: rd_kafka_resp_err_t,
    partitions: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?, opaque: UnsafeMutableRawPointer?
) {
    guard let client = unsafe client, let partitions = unsafe partitions, let opaque = unsafe opaque else { return }
    let context = unsafe Unmanaged<KafkaContext>.fromOpaque(opaque).takeUnretainedValue()
    let isCooperative = unsafe String(cString: rd_kafka_rebalance_protocol(client)) == "COOPERATIVE"
    let names = unsafe KafkaPartitionList.partitions(of: partitions)
    if code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
        context.changes.withLock { $0.append(.assigned(names)) }
        let nothing = KafkaPartitionList()
        if isCooperative {
            unsafe check(rd_kafka_incremental_assign(client, nothing.pointer), context)
        } else {
            unsafe rd_kafka_assign(client, nothing.pointer)
        }
        return
    }
    let isLost = unsafe rd_kafka_assignment_lost(client) != 0
    context.changes.withLock { $0.append(.revoked(names, isLost: isLost)) }
    if isCooperative {
        let fetched = unsafe fetchedPartitions(client).intersection(names)
        let list = KafkaPartitionList(fetched)
        unsafe check(rd_kafka_incremental_unassign(client, list.pointer), context)
    } else {
        unsafe rd_kafka_assign(client, nil)
    }
}

/// The partitions that are being fetched, which may be fewer than the group has given us.
private func fetchedPartitions(_ client: OpaquePointer) -> Set<TopicPartition> {
    var list: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?
    guard unsafe rd_kafka_assignment(client, &list) == RD_KAFKA_RESP_ERR_NO_ERROR, let list = unsafe list else {
        return []
    }
    defer { unsafe rd_kafka_topic_partition_list_destroy(list) }
    return unsafe Set(KafkaPartitionList.partitions(of: list))
}

private func check(_ error: OpaquePointer?, _ context: KafkaContext) {
    guard let error = unsafe error else { return }
    context.logger.warning("\(unsafe KafkaError(consuming: error, "rebalance"))")
}
