import CRdKafka
import Core
package import Logging

/// Two clients for the records of one thread, because librdkafka compresses on one thread for each broker, and one is not
/// enough for what a thread can hand over when all partitions are led by one broker.
///
/// Records of one key always go through the same client, so their order holds.
package struct KafkaProducers {
    private let clients: [KafkaProducer]

    private static let count = 2

    /// - Parameters:
    ///   - configuration: of each client; what bounds memory counts for each, and by default they share what one would have.
    ///   - batching: how they form batches.
    ///   - outage: whether Kafka can be reached, shared by clients of the same brokers.
    ///   - logger: gets what happens to them.
    /// - Throws: `Failure` (78) when librdkafka rejects a property, or one that a guarantee depends on has another value.
    package init(
        _ configuration: KafkaConfiguration, batching: KafkaBatching = KafkaBatching(), outage: KafkaOutage? = nil,
        logger: Logger
    ) throws(Failure) {
        let outage = outage ?? KafkaOutage(logger)
        var clients: [KafkaProducer] = []
        for _ in 0..<Self.count {
            clients.append(
                try KafkaProducer(configuration, of: Self.count, batching: batching, outage: outage, logger: logger))
        }
        self.clients = clients
    }

    /// The most bytes of one of their batches.
    package var batchBytes: Int { clients[0].batchBytes }

    /// Sets how many bytes of values may be without report at a time.
    package func limitOutstanding(_ bytes: Int) {
        for client in clients { client.window = max(1, bytes / clients.count) }
    }

    /// How many bytes of values have no report yet.
    package var outstanding: Int { clients.reduce(0) { $0 + $1.outstanding } }

    /// A time-out of a request since the last call; nil when there was none.
    package func takeTimeOut() -> KafkaError? {
        guard clients.reduce(false, { $1.takeTimeOut() || $0 }) else { return nil }
        return KafkaError(RD_KAFKA_RESP_ERR__TIMED_OUT, "deliver records", reason: "a request timed out")
    }

    /// Settings of a topic as the broker reports them; what it does not say is not in the answer.
    ///
    /// - Throws: `KafkaError` when the broker cannot be reached in time, or has no such topic.
    package func topicConfig(_ topic: String, names: [String], timeout: Duration) throws(KafkaError) -> [String: String]
    {
        try clients[0].topicConfig(topic, names: names, timeout: timeout)
    }

    /// The client for a key's records: by a hash of the key (FNV-1a, 32 bits), so that all records of a key come
    /// from one client, in their order.
    package func client(for key: UnsafeRawBufferPointer) -> KafkaProducer {
        let hash = unsafe key.reduce(2_166_136_261 as UInt32) { ($0 ^ UInt32($1)) &* 16_777_619 }
        return clients[Int(hash) % clients.count]
    }

    /// Lets delivery reports come in, for about `duration`, and hands them over; those of one client in the order they came.
    package func poll(within duration: Duration = .zero, _ take: (DeliveryReport) -> Void) {
        for client in clients {
            for report in client.poll(timeout: duration / clients.count) { take(report) }
        }
    }

    /// Gives up every record that has no report yet, before an end that leaves them to the journal.
    package func purge() {
        for client in clients { client.purge() }
    }

    /// Why new clients are needed: Kafka refuses these, and there are new credentials; nil while not.
    package var renewal: KafkaError? {
        for client in clients {
            if let renewal = client.renewal { return renewal }
        }
        return nil
    }

    /// Makes sure that a topic is there, creating it where the broker lets us.
    ///
    /// - Returns: how many partitions it has.
    package func ensureTopic(_ topic: NewTopic, timeout: Duration) throws(KafkaError) -> Int {
        try clients[0].ensureTopic(topic, timeout: timeout)
    }
}
