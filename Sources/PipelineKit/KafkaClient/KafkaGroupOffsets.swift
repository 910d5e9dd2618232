import CRdKafka
import Core

extension KafkaInspector {
    /// The next offsets that the inspector's group has committed (Kafka's protocol guide, OffsetFetch).
    ///
    /// - Parameters:
    ///   - partitions: of topics that exist.
    ///   - timeout: how long to wait for the group's coordinator.
    /// - Returns: by partition; one without a committed offset is left out.
    /// - Throws: `KafkaError` when the coordinator does not answer in time, or denies the right to see the group.
    package func committed(
        _ partitions: [TopicPartition], timeout: Duration
    ) throws(KafkaError) -> [TopicPartition: Int64] {
        let list = KafkaPartitionList(partitions)
        let operation = "ask for the offsets of the group"
        let code = unsafe rd_kafka_committed(handle.client, list.pointer, Int32(clamping: timeout.milliseconds))
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(code, operation) }
        var offsets: [TopicPartition: Int64] = [:]
        for index in 0..<Int(unsafe list.pointer.pointee.cnt) {
            let element = unsafe list.pointer.pointee.elems[index]
            guard unsafe element.err == RD_KAFKA_RESP_ERR_NO_ERROR else {
                throw unsafe KafkaError(element.err, operation)
            }
            let offset = unsafe element.offset
            if offset >= 0 {
                unsafe offsets[TopicPartition(String(cString: element.topic), element.partition)] = offset
            }
        }
        return offsets
    }
}
