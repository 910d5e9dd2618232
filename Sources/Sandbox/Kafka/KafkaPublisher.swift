import CRdKafka
import Core
import Synchronization

/// Writes records as any program may: to a chosen partition, with or without key, value and headers.
///
/// Not for two threads at once.
@safe
package final class KafkaPublisher {
    /// One record.
    package struct Record: Sendable {
        package var topic: String
        /// Nil lets the key choose.
        package var partition: Int32?
        package var key: [UInt8]?
        /// Nil makes a tombstone.
        package var value: [UInt8]?
        package var headers: [(name: String, value: String)]

        package init(
            topic: String, partition: Int32? = nil, key: String? = nil, value: String?,
            headers: [(name: String, value: String)] = []
        ) {
            self.topic = topic
            self.partition = partition
            self.key = key.map { Array($0.utf8) }
            self.value = value.map { Array($0.utf8) }
            self.headers = headers
        }
    }

    private let client: OpaquePointer

    /// The broker keeps records as they come: compressed when `compression` names a codec of librdkafka.
    ///
    /// - Parameters:
    ///   - bootstrapServers: the brokers.
    ///   - compression: a codec of librdkafka, or `none`.
    ///   - more: further properties of librdkafka, which come before our own.
    /// - Throws: `Failure` (unavailable) when librdkafka makes no producer.
    package init(
        bootstrapServers: String, compression: String = "none", properties more: [String: String] = [:]
    ) throws(Failure) {
        var reason = [CChar](repeating: 0, count: 512)
        let settings = unsafe rd_kafka_conf_new()
        let properties = [
            "bootstrap.servers": bootstrapServers, "acks": "all", "enable.idempotence": "true", "linger.ms": "5",
            "compression.type": compression, "queue.buffering.max.messages": "200000", "log_level": "3",
        ]
        for (name, value) in properties.merging(more, uniquingKeysWith: { $1 }) {
            unsafe rd_kafka_conf_set(settings, name, value, &reason, reason.count)
        }
        guard let client = unsafe rd_kafka_new(RD_KAFKA_PRODUCER, settings, &reason, reason.count) else {
            unsafe rd_kafka_conf_destroy(settings)
            throw Failure(.unavailable, "Kafka publisher: librdkafka made no producer")
        }
        unsafe self.client = client
    }

    deinit {
        unsafe rd_kafka_destroy(client)
    }

    /// Hands one record to librdkafka; waits while its queue is full.
    ///
    /// - Throws: `Failure` (unavailable) with librdkafka's reason.
    package func enqueue(_ record: Record) throws(Failure) {
        while true {
            guard let error = unsafe produce(record) else { return }
            let code = unsafe rd_kafka_error_code(error)
            let reason = unsafe String(cString: rd_kafka_error_string(error))
            unsafe rd_kafka_error_destroy(error)
            guard code == RD_KAFKA_RESP_ERR__QUEUE_FULL else {
                throw Failure(.unavailable, "publish to \(record.topic): \(reason)")
            }
            unsafe rd_kafka_poll(client, 50)
        }
    }

    /// Waits until the brokers have everything.
    ///
    /// - Throws: `Failure` (unavailable) when they have not within `timeout`.
    package func flush(timeout: Duration = .seconds(30)) throws(Failure) {
        let code = unsafe rd_kafka_flush(client, Int32(clamping: timeout.milliseconds))
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw Failure(.unavailable, "the brokers have not accepted all records within \(timeout)")
        }
    }

    private func produce(_ record: Record) -> OpaquePointer? {
        let headers = unsafe rd_kafka_headers_new(record.headers.count)
        for header in record.headers {
            unsafe rd_kafka_header_add(headers, header.name, -1, header.value, header.value.utf8.count)
        }
        let error = unsafe record.topic.withCString { topic in
            unsafe Self.lend(record.key) { key in
                unsafe Self.lend(record.value) { value in
                    var arguments = unsafe [rd_kafka_vu_t](repeating: rd_kafka_vu_t(), count: 6)
                    unsafe arguments[0].vtype = RD_KAFKA_VTYPE_TOPIC
                    unsafe arguments[0].u.cstr = topic
                    unsafe arguments[1].vtype = RD_KAFKA_VTYPE_PARTITION
                    unsafe arguments[1].u.i32 = record.partition ?? RD_KAFKA_PARTITION_UA
                    unsafe arguments[2].vtype = RD_KAFKA_VTYPE_KEY
                    unsafe arguments[2].u.mem = .init(ptr: key.pointer, size: key.count)
                    unsafe arguments[3].vtype = RD_KAFKA_VTYPE_VALUE
                    unsafe arguments[3].u.mem = .init(ptr: value.pointer, size: value.count)
                    unsafe arguments[4].vtype = RD_KAFKA_VTYPE_MSGFLAGS
                    unsafe arguments[4].u.i = RD_KAFKA_MSG_F_COPY
                    unsafe arguments[5].vtype = RD_KAFKA_VTYPE_HEADERS
                    unsafe arguments[5].u.headers = headers
                    return unsafe rd_kafka_produceva(client, arguments, arguments.count)
                }
            }
        }
        // Only a record that was taken owns its headers (rdkafka.h, RD_KAFKA_V_HEADERS).
        if unsafe error != nil { unsafe rd_kafka_headers_destroy(headers) }
        return unsafe error
    }

    /// Lends bytes; nil and empty differ: Kafka's null has no pointer.
    private static func lend(
        _ bytes: [UInt8]?, _ body: ((pointer: UnsafeMutableRawPointer?, count: Int)) -> OpaquePointer?
    ) -> OpaquePointer? {
        guard var bytes else { return unsafe body((nil, 0)) }
        let count = bytes.count
        if bytes.isEmpty { bytes = [0] }
        return unsafe bytes.withUnsafeMutableBytes { unsafe body(($0.baseAddress, count)) }
    }
}
