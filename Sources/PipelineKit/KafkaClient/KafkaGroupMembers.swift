import CRdKafka
import Core

/// A member of a consumer group, as its coordinator describes it (protocol guide, DescribeGroups).
package struct KafkaGroupMember: Sendable, Equatable {
    /// `group.instance.id`; nil for a member without a name.
    package let name: String?
    /// `client.id`.
    package let client: String
    /// Its address as the broker sees it.
    package let host: String

    package init(name: String?, client: String, host: String) {
        (self.name, self.client, self.host) = (name, client, host)
    }
}

extension KafkaInspector {
    /// The members of a consumer group.
    ///
    /// - Parameters:
    ///   - name: its `group.id`.
    ///   - timeout: for the coordinator.
    /// - Returns: nil when the broker does not know the request.
    /// - Throws: `KafkaError` when the coordinator does not answer in time, or denies the right to see the group.
    package func members(of name: String, timeout: Duration) throws(KafkaError) -> [KafkaGroupMember]? {
        let operation = "ask for the members of the group \(name)"
        let queue = unsafe rd_kafka_queue_new(handle.client)
        defer { unsafe rd_kafka_queue_destroy(queue) }
        unsafe describe(name, timeout: timeout, to: queue)
        // A little longer than the request may take, so that its own reason is heard.
        guard let event = unsafe rd_kafka_queue_poll(queue, Int32(clamping: timeout.milliseconds + 500)) else {
            throw KafkaError(RD_KAFKA_RESP_ERR__TIMED_OUT, operation)
        }
        defer { unsafe rd_kafka_event_destroy(event) }
        guard try unsafe Self.isKnown(rd_kafka_event_error(event), operation) else { return nil }
        var count = 0
        guard let result = unsafe rd_kafka_event_DescribeConsumerGroups_result(event),
            let list = unsafe rd_kafka_DescribeConsumerGroups_result_groups(result, &count), count == 1,
            let group = unsafe list[0]
        else { return nil }
        if let error = unsafe rd_kafka_ConsumerGroupDescription_error(group),
            try !Self.isKnown(unsafe rd_kafka_error_code(error), operation)
        {
            return nil
        }
        return unsafe Self.members(of: group)
    }

    private func describe(_ name: String, timeout: Duration, to queue: OpaquePointer?) {
        let options = unsafe rd_kafka_AdminOptions_new(handle.client, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS)
        defer { unsafe rd_kafka_AdminOptions_destroy(options) }
        var reason = [CChar](repeating: 0, count: 256)
        _ = unsafe rd_kafka_AdminOptions_set_request_timeout(
            options, max(1, Int32(clamping: timeout.milliseconds)), &reason, reason.count)
        unsafe name.withCString { text in
            var groups: [UnsafePointer<CChar>?] = unsafe [text]
            unsafe rd_kafka_DescribeConsumerGroups(handle.client, &groups, 1, options, queue)
        }
    }

    /// False for a broker that does not know the request, as librdkafka's mock cluster.
    private static func isKnown(_ code: rd_kafka_resp_err_t, _ operation: String) throws(KafkaError) -> Bool {
        switch code {
        case RD_KAFKA_RESP_ERR_NO_ERROR: return true
        case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE, RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION: return false
        default: throw KafkaError(code, operation)
        }
    }

    private static func members(of group: OpaquePointer) -> [KafkaGroupMember] {
        (0..<(unsafe rd_kafka_ConsumerGroupDescription_member_count(group))).compactMap { index in
            guard let member = unsafe rd_kafka_ConsumerGroupDescription_member(group, index) else { return nil }
            let name = unsafe rd_kafka_MemberDescription_group_instance_id(member).map { unsafe String(cString: $0) }
            let client = unsafe rd_kafka_MemberDescription_client_id(member).map { unsafe String(cString: $0) }
            let host = unsafe rd_kafka_MemberDescription_host(member).map { unsafe String(cString: $0) }
            return KafkaGroupMember(
                name: name?.isEmpty == true ? nil : name, client: client ?? "",
                host: String((host ?? "").drop { $0 == "/" }))
        }
    }
}
