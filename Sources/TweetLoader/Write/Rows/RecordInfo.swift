import KafkaClient

/// Where a line came from; it becomes columns of the tweet's row.
package struct RecordInfo: Sendable, Equatable {
    /// What the producer wrote beside the line; nil for a foreign record.
    package var headers: RecordHeaders?
    /// The Kafka partition it was read from.
    package var topicPartition: TopicPartition
    /// Its offset there.
    package var offset: Int64

    package init(headers: RecordHeaders?, topicPartition: TopicPartition, offset: Int64) {
        self.headers = headers
        self.topicPartition = topicPartition
        self.offset = offset
    }
}
