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
    ///   - logger: is told what happens to them.
    /// - Throws: `Failure` (78) when librdkafka refuses a property, or one that a guarantee hangs on is set otherwise.
    package init(_ configuration: KafkaConfiguration, logger: Logger) throws(Failure) {
        var clients: [KafkaProducer] = []
        for _ in 0..<Self.count {
            clients.append(try KafkaProducer(configuration, of: Self.count, logger: logger))
        }
        self.clients = clients
    }

    /// The client for a key's records: by the key's CRC-32, as librdkafka's `consistent_random` partitioner has it, so that
    /// with an even number of partitions all records of one come from one client, in fewer and larger batches.
    package func client(for key: UnsafeRawBufferPointer) -> KafkaProducer {
        unsafe clients[Int(crc32(of: key)) % clients.count]
    }

    /// Lets delivery reports come in, without waiting, and hands them over; those of one client in the order they came.
    package func poll(_ take: (DeliveryReport) -> Void) {
        for client in clients {
            for report in client.poll(timeout: .zero) { take(report) }
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
