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
    static func ensure(_ topic: NewTopic, client: OpaquePointer, timeout: Duration) throws(KafkaError) -> Int {
        if let found = try unsafe partitions(topic.name, client: client, timeout: timeout) { return found }
        let refusal =
            unsafe hasController(client, timeout: timeout)
            ? create(topic, client: client, timeout: timeout)
            : KafkaError(
                RD_KAFKA_RESP_ERR_NOT_CONTROLLER, "create topic \(topic.name)", reason: "the brokers name no controller"
            )
        // Brokers that do not know CreateTopics, or do not allow it, may still create a topic when asked about it.
        let deadline = ContinuousClock.now + timeout
        var pause = timespec(tv_sec: 0, tv_nsec: 100_000_000)
        while true {
            if let found = try unsafe partitions(topic.name, client: client, timeout: timeout, mayCreate: true) {
                return found
            }
            guard refusal == nil, ContinuousClock.now < deadline else { break }
            // A broker knows a new topic only after a while.
            unsafe nanosleep(&pause, nil)
        }
        throw refusal ?? KafkaError(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "create topic \(topic.name)")
    }

    /// How many partitions a topic has; nil when there is no such topic.
    private static func partitions(
        _ name: String, client: OpaquePointer, timeout: Duration, mayCreate: Bool = false
    ) throws(KafkaError) -> Int? {
        // Asking for one topic may create it, with the broker's number of partitions (auto.create.topics.enable; librdkafka's
        // allow.auto.create.topics is for consumers only). Asking for all never does, and is done once, at start.
        let topic = mayCreate ? unsafe rd_kafka_topic_new(client, name, nil) : nil
        defer { if let topic = unsafe topic { unsafe rd_kafka_topic_destroy(topic) } }
        var answer: UnsafePointer<rd_kafka_metadata>?
        let code = unsafe rd_kafka_metadata(
            client, mayCreate ? 0 : 1, topic, &answer, Int32(clamping: timeout.milliseconds))
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR, let answer = unsafe answer else {
            throw KafkaError(code, "ask Kafka for its topics")
        }
        defer { unsafe rd_kafka_metadata_destroy(answer) }
        for index in 0..<Int(unsafe answer.pointee.topic_cnt) {
            let found = unsafe answer.pointee.topics[index]
            guard unsafe String(cString: found.topic) == name else { continue }
            return unsafe found.err == RD_KAFKA_RESP_ERR_NO_ERROR ? Int(found.partition_cnt) : nil
        }
        return nil
    }

    /// Whether the brokers name one of them as the controller, which answers what is asked about topics: librdkafka would
    /// wait for one until the time-out.
    static func hasController(_ client: OpaquePointer, timeout: Duration) -> Bool {
        var answer: UnsafePointer<rd_kafka_metadata>?
        // No topic is asked for, only the brokers.
        let code = unsafe rd_kafka_metadata(client, 0, nil, &answer, Int32(clamping: timeout.milliseconds))
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR, let answer = unsafe answer else { return false }
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
