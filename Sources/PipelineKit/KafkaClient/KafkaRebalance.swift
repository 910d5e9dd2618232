import CRdKafka
internal import Logging

/// A rebalance (rdkafka.h, rebalance_cb): runs inside `poll` or `close`.
///
/// An assignment is taken note of and answered with nothing to fetch; `start` adds the partitions when PostgreSQL has
/// said from where.
func kafkaRebalanced(
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
    context.logger.warning(
        "a rebalance of Kafka's group failed",
        metadata: ["reason": "\(unsafe KafkaError(consuming: error, "rebalance"))"])
}
