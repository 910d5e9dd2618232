import CRdKafka
import Core
import Glibc

/// The text that a group keeps beside a partition's committed offset (Kafka's protocol guide, OffsetCommit,
/// `committed_metadata`).
///
/// The group must have no members: then Kafka accepts every commit of a client that does not join it (generation -1). In a
/// group with members it accepts commits of members only, and none while the group rebalances.
extension KafkaConsumer {
    /// Commits a text for a partition; the broker keeps at most 4096 bytes (`offset.metadata.max.bytes`).
    ///
    /// - Parameters:
    ///   - note: the text.
    ///   - partition: the partition of a topic that exists.
    ///   - timeout: how long to wait for the group's coordinator. A commit that was not answered in time may still be made.
    /// - Throws: `KafkaError` when the coordinator rejects it, or does not answer in time.
    package func commit(note: String, for partition: TopicPartition, timeout: Duration) throws(KafkaError) {
        let list = KafkaPartitionList([partition: 0])
        let element = unsafe list.pointer.pointee.elems
        // librdkafka frees it with the list.
        unsafe element?.pointee.metadata = unsafe UnsafeMutableRawPointer(strdup(note))
        unsafe element?.pointee.metadata_size = note.utf8.count
        let operation = "write the group's note of \(partition)"
        let queue = unsafe rd_kafka_queue_new(handle.client)
        defer { unsafe rd_kafka_queue_destroy(queue) }
        let code = unsafe rd_kafka_commit_queue(handle.client, list.pointer, queue, nil, nil)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(code, operation) }
        guard let event = unsafe rd_kafka_queue_poll(queue, Int32(clamping: timeout.milliseconds)) else {
            throw KafkaError(RD_KAFKA_RESP_ERR__TIMED_OUT, operation)
        }
        defer { unsafe rd_kafka_event_destroy(event) }
        let failure = unsafe rd_kafka_event_error(event)
        guard failure == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(failure, operation) }
        guard let answer = unsafe rd_kafka_event_topic_partition_list(event), unsafe answer.pointee.cnt > 0 else {
            return
        }
        let rejection = unsafe answer.pointee.elems.pointee.err
        guard rejection == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(rejection, operation) }
    }

    /// The text that the group keeps for a partition; nil when it keeps none.
    ///
    /// - Parameters:
    ///   - partition: the partition.
    ///   - timeout: how long to wait for the group's coordinator.
    /// - Returns: the text.
    /// - Throws: `KafkaError` when the coordinator does not answer in time.
    package func note(of partition: TopicPartition, timeout: Duration) throws(KafkaError) -> String? {
        let list = KafkaPartitionList([partition])
        let operation = "read the group's note of \(partition)"
        let code = unsafe rd_kafka_committed(handle.client, list.pointer, Int32(clamping: timeout.milliseconds))
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(code, operation) }
        guard let element = unsafe list.pointer.pointee.elems else { return nil }
        let failure = unsafe element.pointee.err
        guard failure == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(failure, operation) }
        guard let start = unsafe element.pointee.metadata, unsafe element.pointee.metadata_size > 0 else { return nil }
        return unsafe String(
            decoding: UnsafeRawBufferPointer(start: start, count: element.pointee.metadata_size), as: UTF8.self)
    }
}
