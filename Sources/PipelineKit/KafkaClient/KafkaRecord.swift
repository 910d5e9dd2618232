import CRdKafka

/// A record that owns its bytes, so that it can be sent again.
package struct KafkaRecord: Sendable {
    /// The number given to `KafkaProducer.enqueue`.
    package let id: Int64
    package let topic: String
    package let key: [UInt8]
    package let value: [UInt8]
    package let headers: RecordHeaders

    package init(id: Int64, topic: String, key: [UInt8], value: [UInt8], headers: RecordHeaders) {
        (self.id, self.topic, self.key, self.value, self.headers) = (id, topic, key, value, headers)
    }

    /// Copies a record out of its delivery report; nil when it has no headers of ours, which all our records have.
    init?(_ message: UnsafePointer<rd_kafka_message_t>, id: Int64) {
        guard let headers = unsafe KafkaHeaders.read(message),
            let name = unsafe rd_kafka_topic_name(message.pointee.rkt)
        else { return nil }
        self.id = id
        self.headers = headers
        topic = unsafe String(cString: name)
        key = unsafe Array(UnsafeRawBufferPointer(start: message.pointee.key, count: message.pointee.key_len))
        value = unsafe Array(UnsafeRawBufferPointer(start: message.pointee.payload, count: message.pointee.len))
    }
}
