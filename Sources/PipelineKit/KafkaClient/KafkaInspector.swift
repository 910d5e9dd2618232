import CRdKafka
import Core
package import Logging

/// A client that inspects topics without joining a group, so that it never moves a partition.
///
/// It sees what a loader can read: records of committed transactions up to the last stable offset. Owned by one thread.
package final class KafkaInspector {
    /// What `poll` found.
    package enum Event: ~Copyable {
        case message(KafkaMessage)
        /// There is no record to read between the last message and this offset, where the partition ends for now.
        case end(TopicPartition, Int64)
        /// The partition cannot be read.
        case failed(TopicPartition, KafkaError)
    }

    let handle: KafkaHandle

    /// What it is made with unless the user sets something else.
    private static let defaults = ["client.id": "tweet-loader", "isolation.level": "read_committed"]

    private static let fixed = [
        "enable.auto.commit": "false", "enable.auto.offset.store": "false", "auto.offset.reset": "error",
        // Behind the last record the end is reported.
        "enable.partition.eof": "true",
    ]

    /// - Parameters:
    ///   - configuration: of a consumer.
    ///   - group: its `group.id`, which librdkafka requires; the group is not joined.
    ///   - logger: gets what happens to the client.
    /// - Throws: `KafkaClientError` when librdkafka rejects a property.
    package init(_ configuration: KafkaConfiguration, group: String, logger: Logger) throws(KafkaClientError) {
        let configuration = try configuration.current()
        let context = KafkaContext(configuration, logger: logger)
        let fixed = Self.fixed.merging(["group.id": group]) { $1 }
        handle = try unsafe KafkaHandle(
            RD_KAFKA_CONSUMER,
            KafkaFetchLimits(consumers: 1).bound(configuration.withDefaults(Self.defaults)).fixing(fixed),
            context: context
        ) { _ in }
        unsafe rd_kafka_poll_set_consumer(handle.client)
    }

    deinit {
        unsafe rd_kafka_consumer_close(handle.client)
    }

    /// Brokers and topics, as a broker describes them.
    struct Cluster {
        /// The addresses that the brokers advertise, by their ids.
        var brokers: [Int: TCPServer] = [:]
        var topics: [String: (partitions: Int, replicas: Int)] = [:]
    }

    /// How many partitions each topic has. Topics that do not exist, or that the user may not describe, are not in it.
    ///
    /// - Throws: `KafkaError` when no broker answers within `timeout`.
    package func topics(timeout: Duration) throws(KafkaError) -> [String: Int] {
        try cluster(timeout: timeout).topics.mapValues { $0.partitions }
    }

    /// The brokers, and the topics that exist and that the user may describe; of each the copies of the partition with the fewest.
    ///
    /// - Throws: `KafkaError` when no broker answers within `timeout`.
    func cluster(timeout: Duration) throws(KafkaError) -> Cluster {
        var answer: UnsafePointer<rd_kafka_metadata>?
        // Asking for all topics never creates one; asking for one topic may (broker's auto.create.topics.enable).
        let code = unsafe rd_kafka_metadata(handle.client, 1, nil, &answer, Int32(clamping: timeout.milliseconds))
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR, let answer = unsafe answer else {
            throw KafkaError(code, "ask Kafka for its topics")
        }
        defer { unsafe rd_kafka_metadata_destroy(answer) }
        var cluster = Cluster()
        for index in 0..<Int(unsafe answer.pointee.broker_cnt) {
            let broker = unsafe answer.pointee.brokers[index]
            let host = unsafe broker.host.map { unsafe String(cString: $0) } ?? ""
            cluster.brokers[unsafe Int(broker.id)] = TCPServer(host: host, port: unsafe Int(broker.port))
        }
        for index in 0..<Int(unsafe answer.pointee.topic_cnt) {
            let topic = unsafe answer.pointee.topics[index]
            guard unsafe topic.err == RD_KAFKA_RESP_ERR_NO_ERROR else { continue }
            let copies = unsafe (0..<Int(topic.partition_cnt)).map { unsafe Int(topic.partitions[$0].replica_cnt) }
            unsafe cluster.topics[String(cString: topic.topic)] = (copies.count, copies.min() ?? 0)
        }
        return cluster
    }

    /// The oldest offset that Kafka still has, and the last stable offset: the end of what can be read.
    package func ends(
        of partition: TopicPartition, timeout: Duration
    ) throws(KafkaError) -> (low: Int64, high: Int64) {
        var low: Int64 = 0
        var high: Int64 = 0
        let code = unsafe rd_kafka_query_watermark_offsets(
            handle.client, partition.topic, partition.partition, &low, &high, Int32(clamping: timeout.milliseconds))
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(code, "ask for the end of \(partition)") }
        return (low, high)
    }

    /// The state of a consumer group by Kafka's name (`Stable`, `Empty`, `Dead` for one that does not exist), and its members.
    ///
    /// - Parameters:
    ///   - name: its `group.id`.
    ///   - timeout: for all brokers together.
    /// - Returns: what its coordinator answered.
    /// - Throws: `KafkaError` when no coordinator answers within `timeout`.
    package func group(_ name: String, timeout: Duration) throws(KafkaError) -> (state: String, members: Int) {
        var answer: UnsafePointer<rd_kafka_group_list>?
        let doing = "ask for the group \(name)"
        let code = unsafe rd_kafka_list_groups(
            handle.client, name, &answer, Int32(clamping: timeout.milliseconds))
        defer { if let answer = unsafe answer { unsafe rd_kafka_group_list_destroy(answer) } }
        // With some brokers unreachable, the coordinator's answer may still be there.
        guard let answer = unsafe answer else { throw KafkaError(code, doing) }
        var failure = code
        for index in 0..<Int(unsafe answer.pointee.group_cnt) {
            let group = unsafe answer.pointee.groups[index]
            guard unsafe group.err == RD_KAFKA_RESP_ERR_NO_ERROR, let state = unsafe group.state else {
                failure = unsafe group.err
                continue
            }
            return unsafe (String(cString: state), Int(group.member_cnt))
        }
        throw KafkaError(
            failure == RD_KAFKA_RESP_ERR_NO_ERROR ? RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE : failure, doing)
    }

    /// Reads these partitions from these offsets on, and no others.
    package func start(_ offsets: [TopicPartition: Int64]) throws(KafkaError) {
        let list = KafkaPartitionList(offsets)
        let code = unsafe rd_kafka_assign(handle.client, list.pointer)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(code, "read partitions") }
    }

    /// Waits for the next event; nil when there was none in time.
    package func poll(timeout: Duration) -> Event? {
        guard let message = unsafe rd_kafka_consumer_poll(handle.client, Int32(clamping: timeout.milliseconds)) else {
            return nil
        }
        let (code, offset) = unsafe (message.pointee.err, message.pointee.offset)
        let name = unsafe message.pointee.rkt.map { unsafe String(cString: rd_kafka_topic_name($0)) }
        let partition = unsafe TopicPartition(name ?? "", message.pointee.partition)
        if code == RD_KAFKA_RESP_ERR_NO_ERROR {
            return unsafe .message(KafkaMessage(message, topicPartition: partition))
        }
        defer { unsafe rd_kafka_message_destroy(message) }
        switch code {
        case RD_KAFKA_RESP_ERR__PARTITION_EOF: return .end(partition, offset)
        case _ where name != nil && Self.isFinal(code):
            return .failed(partition, KafkaError(code, "read \(partition)", of: partition))
        default: return nil
        }
    }

    /// Whether trying again does not help.
    private static func isFinal(_ code: rd_kafka_resp_err_t) -> Bool {
        [
            RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE,
            RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION,
            RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        ].contains(code)
    }
}
