import CRdKafka

extension KafkaHandle {
    /// Settings of a topic as the broker reports them (DescribeConfigs), such as `max.message.bytes` and `cleanup.policy`.
    ///
    /// A broker that does not know the request, or does not allow it, is no error: what it does not report is not in the answer.
    ///
    /// - Parameters:
    ///   - topic: the topic's name.
    ///   - names: the settings to answer.
    ///   - timeout: how long to wait for the broker.
    /// - Returns: the value of each setting that the broker reported.
    /// - Throws: `KafkaError` when the broker cannot be reached in time, or has no such topic.
    func topicConfig(
        _ topic: String, names: [String], timeout: Duration
    ) throws(KafkaError) -> [String: String] {
        let operation = "read the settings of topic \(topic)"
        guard try unsafe KafkaTopics.hasController(client, timeout: timeout) else { return [:] }
        let queue = unsafe rd_kafka_queue_new(client)
        defer { unsafe rd_kafka_queue_destroy(queue) }
        guard let resource = unsafe rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic) else {
            throw KafkaError(RD_KAFKA_RESP_ERR__INVALID_ARG, operation)
        }
        defer { unsafe rd_kafka_ConfigResource_destroy(resource) }
        unsafe describe(resource, timeout: timeout, to: queue)
        // A little longer than the request may take, so that its own reason is heard.
        let patience = Int32(clamping: timeout.milliseconds + 500)
        guard let event = unsafe rd_kafka_queue_poll(queue, patience) else {
            throw KafkaError(RD_KAFKA_RESP_ERR__TIMED_OUT, operation)
        }
        defer { unsafe rd_kafka_event_destroy(event) }
        try unsafe Self.check(rd_kafka_event_error(event), operation, rd_kafka_event_error_string(event))
        var count = 0
        guard let result = unsafe rd_kafka_event_DescribeConfigs_result(event),
            let list = unsafe rd_kafka_DescribeConfigs_result_resources(result, &count), count == 1,
            let first = unsafe list[0]
        else { return [:] }
        try unsafe Self.check(
            rd_kafka_ConfigResource_error(first), operation, rd_kafka_ConfigResource_error_string(first))
        return unsafe Self.entries(of: first, names: Set(names))
    }

    /// Sends the request for one topic; without options librdkafka waits a minute.
    private func describe(_ resource: OpaquePointer, timeout: Duration, to queue: OpaquePointer?) {
        let options = unsafe rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS)
        defer { unsafe rd_kafka_AdminOptions_destroy(options) }
        var reason = [CChar](repeating: 0, count: 256)
        _ = unsafe rd_kafka_AdminOptions_set_request_timeout(
            options, max(1, Int32(clamping: timeout.milliseconds)), &reason, reason.count)
        var resources: [OpaquePointer?] = unsafe [resource]
        unsafe rd_kafka_DescribeConfigs(client, &resources, 1, options, queue)
    }

    /// - Throws: `KafkaError` for every error but those that mean "the broker does not say".
    private static func check(
        _ code: rd_kafka_resp_err_t, _ operation: String, _ reason: UnsafePointer<CChar>?
    ) throws(KafkaError) {
        switch code {
        case RD_KAFKA_RESP_ERR_NO_ERROR, RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE,
            RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
            RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_INVALID_REQUEST:
            return
        default:
            throw KafkaError(code, operation, reason: unsafe reason.map { unsafe String(cString: $0) })
        }
    }

    private static func entries(of resource: OpaquePointer, names: Set<String>) -> [String: String] {
        var count = 0
        guard let entries = unsafe rd_kafka_ConfigResource_configs(resource, &count) else { return [:] }
        var found: [String: String] = [:]
        for index in 0..<count {
            guard let entry = unsafe entries[index], let name = unsafe rd_kafka_ConfigEntry_name(entry),
                let value = unsafe rd_kafka_ConfigEntry_value(entry)
            else { continue }
            let text = unsafe String(cString: name)
            if names.contains(text) { found[text] = unsafe String(cString: value) }
        }
        return found
    }
}
