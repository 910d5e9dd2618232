import CRdKafka
import Core
import FoundationEssentials
internal import Logging

/// The number that an idempotent producer gets from Kafka before its first record (protocol guide, InitProducerId).
extension KafkaDoctor {
    private static let name = "kafka producer"

    /// Asks Kafka for a producer's number, which the broker then gives to nobody else; nothing is written to a topic.
    ///
    /// - Parameter patience: how long to wait for it.
    /// - Returns: what was found.
    package func producerID(patience: Duration = .seconds(10)) -> DoctorFinding {
        do {
            guard let id = try KafkaProducerID(configuration).wait(for: patience) else {
                return .fail(
                    Self.name, "Kafka has given no producer id within \(patience.short)",
                    remedy: "see kafka; transaction.state.log.* and the log of the brokers", .wait)
            }
            return .ok(Self.name, "Kafka gives producer ids (\(id))")
        } catch let error as KafkaError {
            let isDenied = error.name.hasSuffix("AUTHORIZATION_FAILED")
            return .fail(
                Self.name, error.description,
                remedy: isDenied
                    ? "an ACL for the user: IdempotentWrite on the cluster; since Kafka 2.8, Write on a topic is enough"
                    : "check Kafka", isDenied ? .operator(.credentials) : .wait)
        } catch {
            return .fail(Self.name, "\(error)", remedy: "correct the properties")
        }
    }
}

/// An idempotent producer that sends nothing: librdkafka asks for the number once it is connected, and shows it in its statistics.
private struct KafkaProducerID: ~Copyable {
    private let handle: KafkaHandle

    private struct Statistics: Decodable {
        struct EOS: Decodable {
            let idemp_state: String
            let producer_id: Int64
        }
        let eos: EOS?
    }

    init(_ configuration: KafkaConfiguration) throws(KafkaClientError) {
        let configuration = try configuration.current()
        let silent = Logger(label: "doctor") { _ in SwiftLogNoOpLogHandler() }
        let complete = try configuration.withDefaults(["client.id": "tweet-producer"])
            .fixing(["enable.idempotence": "true", "acks": "all"]).replacing(["statistics.interval.ms": "100"])
        handle = try unsafe KafkaHandle(
            RD_KAFKA_PRODUCER, complete, context: KafkaContext(configuration, logger: silent)
        ) { unsafe rd_kafka_conf_set_events($0, RD_KAFKA_EVENT_STATS) }
    }

    /// - Returns: the number; nil when there is none in time.
    /// - Throws: `KafkaError` when Kafka denies it.
    func wait(for patience: Duration) throws(KafkaError) -> Int64? {
        let queue = unsafe rd_kafka_queue_get_main(handle.client)
        defer { unsafe rd_kafka_queue_destroy(queue) }
        let deadline = ContinuousClock.now + patience
        while ContinuousClock.now < deadline {
            if let id = unsafe id(in: rd_kafka_queue_poll(queue, 100)) { return id }
            // The fatal error of librdkafka has the broker's code.
            if let error = handle.fatalError() { throw error }
        }
        return nil
    }

    private func id(in event: OpaquePointer?) -> Int64? {
        guard let event = unsafe event else { return nil }
        defer { unsafe rd_kafka_event_destroy(event) }
        guard unsafe rd_kafka_event_type(event) == RD_KAFKA_EVENT_STATS, let text = unsafe rd_kafka_event_stats(event),
            let found = try? JSONDecoder().decode(Statistics.self, from: Data(unsafe String(cString: text).utf8)).eos,
            found.idemp_state == "Assigned"
        else { return nil }
        return found.producer_id
    }
}
