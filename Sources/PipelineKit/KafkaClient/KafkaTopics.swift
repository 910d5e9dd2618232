import CRdKafka
import Glibc

/// A topic as it shall be when it has to be created.
package struct NewTopic: Sendable {
    package let name: String
    package let partitions: Int
    /// Copies of each partition; -1 leaves it to the broker.
    package let replication: Int

    package init(_ name: String, partitions: Int, replication: Int = -1) {
        self.name = name
        self.partitions = partitions
        self.replication = replication
    }
}

/// Looks topics up and creates them.
enum KafkaTopics {
    /// Creates a topic where it does not exist and the broker allows that.
    ///
    /// Asking the broker for a topic may create it with the broker's own number of partitions (auto.create.topics.enable;
    /// librdkafka's allow.auto.create.topics is for consumers only), so it is created first: an existing one is left as it is.
    static func ensure(_ topic: NewTopic, client: OpaquePointer, timeout: Duration) throws(KafkaError) -> Int {
        let refusal =
            try unsafe hasController(client, timeout: timeout)
            ? create(topic, client: client, timeout: timeout)
            : KafkaError(
                RD_KAFKA_RESP_ERR_NOT_CONTROLLER, "create topic \(topic.name)", reason: "the brokers name no controller"
            )
        // Brokers that do not know CreateTopics, or deny it, may still have the topic, or create it now.
        let deadline = ContinuousClock.now + timeout
        var pause = timespec(tv_sec: 0, tv_nsec: 100_000_000)
        while true {
            let found = try unsafe partitions(topic.name, client: client, timeout: timeout)
            if let found, found > 0 { return found }
            guard refusal == nil || found != nil, ContinuousClock.now < deadline else { break }
            // A broker knows a new topic, and its leaders, only after a while.
            unsafe nanosleep(&pause, nil)
        }
        throw refusal ?? KafkaError(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "create topic \(topic.name)")
    }

    /// How many partitions a topic has, 0 while it has no leaders; nil when there is no such topic.
    private static func partitions(
        _ name: String, client: OpaquePointer, timeout: Duration
    ) throws(KafkaError) -> Int? {
        let topic = unsafe rd_kafka_topic_new(client, name, nil)
        defer { if let topic = unsafe topic { unsafe rd_kafka_topic_destroy(topic) } }
        var answer: UnsafePointer<rd_kafka_metadata>?
        let code = unsafe rd_kafka_metadata(client, 0, topic, &answer, Int32(clamping: timeout.milliseconds))
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR, let answer = unsafe answer else {
            throw KafkaError(code, "ask Kafka for topic \(name)")
        }
        defer { unsafe rd_kafka_metadata_destroy(answer) }
        for index in 0..<Int(unsafe answer.pointee.topic_cnt) {
            let found = unsafe answer.pointee.topics[index]
            guard unsafe String(cString: found.topic) == name else { continue }
            switch unsafe found.err {
            case RD_KAFKA_RESP_ERR_NO_ERROR: return unsafe Int(found.partition_cnt)
            case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE: return 0
            default: return nil
            }
        }
        return nil
    }

    /// Whether the brokers name one of them as the controller, which answers what is asked about topics: librdkafka would
    /// wait for one until the time-out.
    ///
    /// - Throws: `KafkaError` when no broker answers in time.
    static func hasController(_ client: OpaquePointer, timeout: Duration) throws(KafkaError) -> Bool {
        var answer: UnsafePointer<rd_kafka_metadata>?
        // No topic is asked for, only the brokers.
        let code = unsafe rd_kafka_metadata(client, 0, nil, &answer, Int32(clamping: timeout.milliseconds))
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR, let answer = unsafe answer else {
            throw KafkaError(code, "ask Kafka for its brokers")
        }
        defer { unsafe rd_kafka_metadata_destroy(answer) }
        let controller = unsafe rd_kafka_controllerid(client, 0)
        return (0..<Int(unsafe answer.pointee.broker_cnt)).contains {
            unsafe answer.pointee.brokers[$0].id == controller
        }
    }

    /// Asks the broker to create a topic; returns why it did not.
    private static func create(_ topic: NewTopic, client: OpaquePointer, timeout: Duration) -> KafkaError? {
        let operation = "create topic \(topic.name)"
        var reason = [CChar](repeating: 0, count: 512)
        guard
            let new = unsafe rd_kafka_NewTopic_new(
                topic.name, Int32(topic.partitions), Int32(topic.replication), &reason, reason.count)
        else {
            return KafkaError(RD_KAFKA_RESP_ERR__INVALID_ARG, operation, reason: KafkaHandle.text(reason))
        }
        defer { unsafe rd_kafka_NewTopic_destroy(new) }
        let queue = unsafe rd_kafka_queue_new(client)
        defer { unsafe rd_kafka_queue_destroy(queue) }
        var topics: [OpaquePointer?] = unsafe [new]
        unsafe rd_kafka_CreateTopics(client, &topics, 1, nil, queue)
        guard let event = unsafe rd_kafka_queue_poll(queue, Int32(clamping: timeout.milliseconds)) else {
            return KafkaError(RD_KAFKA_RESP_ERR__TIMED_OUT, operation)
        }
        defer { unsafe rd_kafka_event_destroy(event) }
        let code = unsafe rd_kafka_event_error(event)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
            return KafkaError(code, operation, reason: unsafe String(cString: rd_kafka_event_error_string(event)))
        }
        var count = 0
        guard let result = unsafe rd_kafka_event_CreateTopics_result(event),
            let list = unsafe rd_kafka_CreateTopics_result_topics(result, &count), count == 1,
            let first = unsafe list[0]
        else { return KafkaError(RD_KAFKA_RESP_ERR__BAD_MSG, operation) }
        let outcome = unsafe rd_kafka_topic_result_error(first)
        let isThere = outcome == RD_KAFKA_RESP_ERR_NO_ERROR || outcome == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS
        return isThere ? nil : KafkaError(outcome, operation)
    }
}
