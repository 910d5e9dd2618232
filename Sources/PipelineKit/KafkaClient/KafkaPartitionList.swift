import CRdKafka

/// Owns one of librdkafka's lists of partitions with offsets.
@safe
struct KafkaPartitionList: ~Copyable {
    let pointer: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>

    init() {
        unsafe pointer = rd_kafka_topic_partition_list_new(12)
    }

    init(_ partitions: some Sequence<TopicPartition>) {
        self.init()
        for partition in partitions { add(partition, offset: Int64(RD_KAFKA_OFFSET_INVALID)) }
    }

    init(_ offsets: [TopicPartition: Int64]) {
        self.init()
        for (partition, offset) in offsets { add(partition, offset: offset) }
    }

    deinit {
        unsafe rd_kafka_topic_partition_list_destroy(pointer)
    }

    private func add(_ partition: TopicPartition, offset: Int64) {
        let element = unsafe rd_kafka_topic_partition_list_add(pointer, partition.topic, partition.partition)
        unsafe element?.pointee.offset = offset
    }

    /// The partitions of a list that librdkafka owns.
    static func partitions(of list: UnsafePointer<rd_kafka_topic_partition_list_t>) -> [TopicPartition] {
        (0..<Int(unsafe list.pointee.cnt)).map { index in
            let element = unsafe list.pointee.elems[index]
            return unsafe TopicPartition(String(cString: element.topic), element.partition)
        }
    }
}
