import CRdKafka
import Core
package import Logging

/// What became of one record.
package struct DeliveryReport: Sendable {
    /// The number given to `enqueue`.
    package let id: Int64
    /// Nil when the broker has acknowledged it.
    package var error: KafkaError? { failure?.error }
    /// The record, when the broker rejected the batch it was in; nil for others.
    package var rejected: KafkaRecord? { failure?.rejected }

    /// One word in nearly all reports, which are moved about several times for every record.
    fileprivate let failure: DeliveryFailure?
}

private final class DeliveryFailure: Sendable {
    let error: KafkaError
    let rejected: KafkaRecord?

    init(_ error: KafkaError, rejected: KafkaRecord?) {
        self.error = error
        self.rejected = rejected
    }
}

/// How a producer forms its batches.
package struct KafkaBatching: Sendable, Equatable {
    /// The most bytes of a batch, with framing and before compression; nil for what the properties say.
    package var bytes: Int?
    /// Whether each record is a batch of its own, so that a rejection is about that record.
    package var isSingle = false

    package init(bytes: Int? = nil, isSingle: Bool = false) {
        self.bytes = bytes
        self.isSingle = isSingle
    }

    /// Properties that follow from it.
    func properties(_ configuration: KafkaConfiguration) -> [String: String] {
        var result: [String: String] = [:]
        if isSingle { result = ["batch.num.messages": "1", "linger.ms": "0"] }
        if let bytes { result["batch.size"] = String(max(1, min(bytes, configuration.batchBytes))) }
        return result
    }
}

/// An idempotent producer with `acks=all`.
///
/// Owned by one thread. Reports are collected inside `poll`, which returns them.
package final class KafkaProducer {
    private let handle: KafkaHandle
    private let context: KafkaContext
    private var topics: [String: KafkaTopic] = [:]
    private var headers = KafkaHeaders()
    /// What the last poll has returned; its memory is used again.
    private var reports: [DeliveryReport] = []

    /// The properties of a producer, unless the user sets others.
    private static let defaults = [
        "compression.type": "lz4",
        "linger.ms": "5",
        // Over a slow line a request must arrive within its time-out, and there are several at once.
        "batch.size": "262144",
        // The journal keeps what is not delivered, so a record may wait for its broker without end.
        "message.timeout.ms": "0",
        "message.max.bytes": "5242880",
        "client.id": "tweet-producer",
        "topic.metadata.refresh.interval.ms": "60000",
        // These bound memory: what does not fit waits in the journal.
        "queue.buffering.max.kbytes": "16384",
        "queue.buffering.max.messages": "\(mostUnderWay)",
    ]

    /// How many numbers of records there may be from the first one that is not acknowledged to the newest one that was handed
    /// over, whatever the properties say. Records that are further behind will never be sent again.
    package static let mostUnderWay: Int64 = 100_000

    /// The properties that the producer's guarantees depend on.
    private static let fixed = ["enable.idempotence": "true", "acks": "all"]

    /// - Parameters:
    ///   - configuration: its properties.
    ///   - batching: how it forms batches.
    ///   - outage: whether Kafka can be reached, shared by clients of the same brokers so that it is logged once.
    ///   - logger: gets what happens to it.
    /// - Throws: `KafkaClientError` when librdkafka rejects a property, or one that a guarantee depends on has a different value.
    package init(
        _ configuration: KafkaConfiguration, batching: KafkaBatching = KafkaBatching(), outage: KafkaOutage? = nil,
        logger: Logger
    ) throws(KafkaClientError) {
        let configuration = try configuration.current()
        let context = KafkaContext(
            configuration, outage: outage ?? KafkaOutage(logger), logger: logger)
        let complete = try configuration.withDefaults(Self.defaults).fixing(Self.fixed)
        self.context = context
        batchBytes = batching.bytes.map { min($0, complete.batchBytes) } ?? complete.batchBytes
        handle = try unsafe KafkaHandle(
            RD_KAFKA_PRODUCER, complete.replacing(batching.properties(complete)), context: context
        ) { settings in
            unsafe rd_kafka_conf_set_dr_msg_cb(settings, kafkaDelivered)
        }
    }

    /// The most bytes of one of its batches.
    package let batchBytes: Int
    /// How many bytes of values may be without report at a time.
    package var window = Int.max
    /// How many bytes of values have no report yet.
    package var outstanding: Int { unsafe context.outstanding }
    /// How many records have no report yet.
    package var queued: Int { unsafe context.queued }
    /// A time-out of a request since the last call; nil when there was none.
    package func takeTimeOut() -> KafkaError? {
        guard context.hasTimedOut.exchange(false, ordering: .relaxed) else { return nil }
        return KafkaError(RD_KAFKA_RESP_ERR__TIMED_OUT, "deliver records", reason: "a request timed out")
    }

    /// Hands one record to librdkafka.
    ///
    /// - Parameters:
    ///   - topic: where to.
    ///   - key: bytes that choose the partition.
    ///   - value: the record's bytes, which are copied.
    ///   - headers: its headers.
    ///   - id: comes back in the record's `DeliveryReport`; greater than zero.
    /// - Throws: `KafkaError`: `queueFull` when the queue or the window is full until a poll, `rejectRecord` when it is too large.
    package func enqueue(
        topic: String, key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer,
        headers: RecordHeaders, id: Int64
    ) throws(KafkaError) {
        guard outstanding == 0 || outstanding + value.count <= window else {
            throw KafkaError(RD_KAFKA_RESP_ERR__QUEUE_FULL, "hand over a record")
        }
        let target = try kafkaTopic(topic)
        let list = unsafe self.headers.make(headers)
        let error = unsafe withUnsafeTemporaryAllocation(of: rd_kafka_vu_t.self, capacity: 6) { arguments in
            unsafe arguments.initialize(repeating: rd_kafka_vu_t())
            unsafe Self.describe(key, value, id, in: arguments)
            unsafe arguments[4].vtype = RD_KAFKA_VTYPE_RKT
            unsafe arguments[4].u.rkt = target.pointer
            unsafe arguments[5].vtype = RD_KAFKA_VTYPE_HEADERS
            unsafe arguments[5].u.headers = list
            return unsafe rd_kafka_produceva(handle.client, arguments.baseAddress, arguments.count)
        }
        if let error = unsafe error {
            // Only a record that was taken owns its headers (rdkafka.h, RD_KAFKA_V_HEADERS).
            unsafe rd_kafka_headers_destroy(list)
            throw unsafe KafkaError(consuming: error, "hand over a record")
        }
        unsafe context.outstanding += value.count
        unsafe context.queued += 1
    }

    private static func describe(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ id: Int64,
        in arguments: UnsafeMutableBufferPointer<rd_kafka_vu_t>
    ) {
        unsafe arguments[0].vtype = RD_KAFKA_VTYPE_KEY
        unsafe arguments[0].u.mem = .init(ptr: UnsafeMutableRawPointer(mutating: key.baseAddress), size: key.count)
        unsafe arguments[1].vtype = RD_KAFKA_VTYPE_VALUE
        unsafe arguments[1].u.mem = .init(ptr: UnsafeMutableRawPointer(mutating: value.baseAddress), size: value.count)
        unsafe arguments[2].vtype = RD_KAFKA_VTYPE_MSGFLAGS
        unsafe arguments[2].u.i = RD_KAFKA_MSG_F_COPY
        unsafe arguments[3].vtype = RD_KAFKA_VTYPE_OPAQUE
        unsafe arguments[3].u.ptr = UnsafeMutableRawPointer(bitPattern: Int(id))
    }

    private func kafkaTopic(_ name: String) throws(KafkaError) -> KafkaTopic {
        if let known = topics[name] { return known }
        guard let pointer = unsafe rd_kafka_topic_new(handle.client, name, nil) else {
            throw KafkaError(rd_kafka_last_error(), "open topic \(name)")
        }
        let topic = unsafe KafkaTopic(pointer)
        topics[name] = topic
        return topic
    }

    /// Lets delivery reports come in, for at most `timeout`, and returns them in the order they came.
    package func poll(timeout: Duration) -> [DeliveryReport] {
        Heartbeat.beat()
        unsafe rd_kafka_poll(handle.client, Int32(clamping: timeout.milliseconds))
        reports.removeAll(keepingCapacity: true)
        context.reports.withLock { swap(&$0, &reports) }
        return reports
    }

    /// Bytes of the values that the reports since the last call acknowledge.
    package func takeAcknowledgedBytes() -> Int {
        let bytes = unsafe context.acknowledgedBytes
        unsafe context.acknowledgedBytes = 0
        return bytes
    }

    /// Abandons every record that has no report yet, before an end that leaves them to the journal.
    package func purge() {
        unsafe rd_kafka_purge(handle.client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT)
        _ = poll(timeout: .zero)
    }

    /// Why a new producer is needed: Kafka refuses this one, and there are new credentials; nil while not.
    package var renewal: KafkaError? { context.renewal() }

    /// The fatal error after which this producer cannot be used; nil when there was none.
    package var fatalError: KafkaError? { handle.fatalError() }

    /// Makes sure that a topic is there, creating it where the broker lets us.
    ///
    /// - Returns: how many partitions it has.
    package func ensureTopic(_ topic: NewTopic, timeout: Duration) throws(KafkaError) -> Int {
        try unsafe KafkaTopics.ensure(topic, client: handle.client, timeout: timeout)
    }

    /// Settings of a topic as the broker reports them; what it does not report is not in the answer.
    ///
    /// - Throws: `KafkaError` when the broker cannot be reached in time, or has no such topic.
    package func topicConfig(_ topic: String, names: [String], timeout: Duration) throws(KafkaError) -> [String: String]
    {
        try handle.topicConfig(topic, names: names, timeout: timeout)
    }

    /// Lets go of the topics before the client.
    deinit {
        topics.removeAll()
    }
}

/// Owns one of librdkafka's topic objects.
@safe
private final class KafkaTopic {
    let pointer: OpaquePointer

    init(_ pointer: OpaquePointer) {
        unsafe self.pointer = pointer
    }

    deinit {
        unsafe rd_kafka_topic_destroy(pointer)
    }
}

/// A delivery report (rdkafka.h, dr_msg_cb): runs inside `poll`.
private func kafkaDelivered(
    client: OpaquePointer?, message: UnsafePointer<rd_kafka_message_t>?, opaque: UnsafeMutableRawPointer?
) {
    guard let message = unsafe message, let opaque = unsafe opaque else { return }
    let context = unsafe Unmanaged<KafkaContext>.fromOpaque(opaque).takeUnretainedValue()
    let id = unsafe Int64(Int(bitPattern: message.pointee._private))
    let failure = unsafe failure(of: message, id)
    if failure == nil {
        context.brokersAnswered()
        unsafe context.acknowledgedBytes += message.pointee.len
    }
    unsafe context.outstanding -= message.pointee.len
    unsafe context.queued -= 1
    context.reports.withLock { $0.append(DeliveryReport(id: id, failure: failure)) }
}

private func failure(of message: UnsafePointer<rd_kafka_message_t>, _ id: Int64) -> DeliveryFailure? {
    guard unsafe message.pointee.err != RD_KAFKA_RESP_ERR_NO_ERROR else { return nil }
    let error = KafkaError(unsafe message.pointee.err, "deliver a record")
    let isRejected = error.disposition == .rejectRecord
    return DeliveryFailure(error, rejected: isRejected ? unsafe KafkaRecord(message, id: id) : nil)
}
