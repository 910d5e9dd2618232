import CRdKafka
import Core

/// A partition of a topic.
package struct TopicPartition: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let topic: String
    package let partition: Int32

    package init(_ topic: String, _ partition: Int32) {
        self.topic = topic
        self.partition = partition
    }

    package static func < (left: TopicPartition, right: TopicPartition) -> Bool {
        (left.topic, left.partition) < (right.topic, right.partition)
    }

    package var description: String { "\(topic)-\(partition)" }
}

/// A consumed record; its memory belongs to librdkafka and is freed with this value.
@safe
package struct KafkaMessage: ~Copyable {
    private let message: UnsafeMutablePointer<rd_kafka_message_t>
    package let topicPartition: TopicPartition

    init(_ message: UnsafeMutablePointer<rd_kafka_message_t>, topicPartition: TopicPartition) {
        unsafe self.message = message
        self.topicPartition = topicPartition
    }

    deinit {
        unsafe rd_kafka_message_destroy(message)
    }

    package var offset: Int64 { unsafe message.pointee.offset }

    /// When the record was made or stored, as the topic is set up; nil when the broker does not say.
    package var timestamp: Timestamp? {
        var type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE
        let milliseconds = unsafe rd_kafka_message_timestamp(message, &type)
        return type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? nil : Timestamp(milliseconds: milliseconds)
    }

    /// The key's bytes for the time of a call; nil when the record has none.
    package func withKey<Result>(_ body: (UnsafeRawBufferPointer?) throws -> Result) rethrows -> Result {
        let start = unsafe message.pointee.key
        return try unsafe body(start.map { unsafe UnsafeRawBufferPointer(start: $0, count: message.pointee.key_len) })
    }

    /// The value's bytes for the time of a call; nil for a tombstone.
    package func withValue<Result>(_ body: (UnsafeRawBufferPointer?) throws -> Result) rethrows -> Result {
        let start = unsafe message.pointee.payload
        return try unsafe body(start.map { unsafe UnsafeRawBufferPointer(start: $0, count: message.pointee.len) })
    }

    /// What our producer knows of the line; nil for a record of another producer.
    package func recordHeaders() -> RecordHeaders? {
        unsafe KafkaHeaders.read(message)
    }
}
