import CRdKafka
import Core
import Glibc

/// The text that a group keeps beside a partition's committed offset (Kafka's protocol guide, OffsetCommit,
/// `committed_metadata`): the broker accepts it from members of the current generation only.
extension KafkaConsumer {
    /// Commits a text for a partition, without waiting for the answer; the broker keeps at most 4096 bytes
    /// (`offset.metadata.max.bytes`).
    ///
    /// - Parameters:
    ///   - note: the text.
    ///   - partition: the partition of the group's topic.
    package func commit(note: String, for partition: TopicPartition) {
        let list = KafkaPartitionList([partition: 0])
        let element = unsafe list.pointer.pointee.elems
        // librdkafka frees it with the list.
        unsafe element?.pointee.metadata = unsafe UnsafeMutableRawPointer(strdup(note))
        unsafe element?.pointee.metadata_size = note.utf8.count
        _ = unsafe rd_kafka_commit(handle.client, list.pointer, 1)
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
