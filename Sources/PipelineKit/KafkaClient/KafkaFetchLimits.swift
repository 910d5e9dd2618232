import CRdKafka

/// How much a consumer fetches ahead, so that its memory is bounded whatever the brokers, partitions and codecs are.
///
/// librdkafka checks the queue before it sends a request, never while an answer arrives, and unpacks an answer at once: what
/// counts is the queue's bound, and one answer of each broker, packed and unpacked (docs/operations.md, "Memory").
struct KafkaFetchLimits {
    /// Bytes of unpacked messages of all partitions together, above which no broker is asked for more.
    static let totalQueuedBytes = 16 << 20

    /// Bytes of packed batches in one answer of a broker. The broker exceeds it only by the first batch, which the topic's
    /// `max.message.bytes` bounds (KIP-74). Small, because batches of a hundred times that size may be in it.
    static let totalAnswerBytes = 128 << 10

    /// The bounds of one consumer.
    private let queuedBytes: Int
    private let answerBytes: Int

    /// - Parameter consumers: how many of the process share the bounds.
    init(consumers: Int) {
        queuedBytes = Self.totalQueuedBytes / consumers
        answerBytes = Self.totalAnswerBytes / consumers
    }

    /// The configuration with these bounds, where the user has set none.
    ///
    /// librdkafka wants `fetch.max.bytes` to be no less than `message.max.bytes`, which means nothing else to a consumer.
    func bound(_ configuration: KafkaConfiguration) -> KafkaConfiguration {
        let answer = configuration.properties["fetch.max.bytes"].flatMap { Int($0.value) } ?? answerBytes
        return configuration.withDefaults(properties).replacing([
            "message.max.bytes": "\(max(1000, min(answer, answerBytes)))"
        ])
    }

    private var properties: [String: String] {
        var properties = [
            "queued.max.messages.kbytes": "\(queuedBytes >> 10)",
            // The bytes alone decide.
            "queued.min.messages": "10000000",
            "fetch.max.bytes": "\(answerBytes)",
            "fetch.message.max.bytes": "\(answerBytes)",
            "fetch.wait.max.ms": "50",
            "fetch.error.backoff.ms": "100",
        ]
        if !Self.needsNudges { properties["fetch.queue.backoff.ms"] = "10" }
        return properties
    }

    /// Before 2.2.0, librdkafka looks only once a second whether a queue that was full has room again.
    static var needsNudges: Bool { rd_kafka_version() < 0x0202_0000 }

    private var messageBytes = 1024
    private var untilLook = 64
    private var wasFull = false

    /// Takes note of a message that was taken; answers whether the brokers should be asked for more at once.
    ///
    /// - Parameters:
    ///   - bytes: the message's value.
    ///   - queued: how many messages are queued.
    /// - Returns: whether they should.
    mutating func isNudgeDue(after bytes: Int, queued: () -> Int) -> Bool {
        messageBytes += (bytes - messageBytes) / 16
        untilLook -= 1
        guard untilLook <= 0 else { return false }
        untilLook = 64
        let left = queued() * max(messageBytes, 1)
        if left >= queuedBytes * 3 / 4 { wasFull = true }
        guard wasFull, left < queuedBytes / 2 else { return false }
        wasFull = false
        return true
    }
}

/// The queue that a consumer's fetched messages wait in.
@safe
struct KafkaQueue: ~Copyable {
    private let pointer: OpaquePointer

    /// - Returns: nil for a client without a group.
    init?(of client: OpaquePointer) {
        guard let pointer = unsafe rd_kafka_queue_get_consumer(client) else { return nil }
        unsafe self.pointer = pointer
    }

    deinit {
        unsafe rd_kafka_queue_destroy(pointer)
    }

    /// How many messages wait.
    var count: Int { unsafe rd_kafka_queue_length(pointer) }
}
