import Core
import KafkaClient
import Logging

/// Which topics are compacted: there, Kafka deletes messages that were never read.
struct TopicPolicies {
    private let logger: Logger
    /// Whether each topic is compacted; topics whose policy the broker has not reported are absent.
    private var compacted: [String: Bool] = [:]
    /// Attempts that are left: a cluster without a controller would hold up each rebalance.
    private var attempts = 3

    init(logger: Logger) {
        self.logger = logger
    }

    /// Whether the topic is known to be compacted.
    func isCompacted(_ topic: String) -> Bool { compacted[topic] ?? false }

    /// Asks for the policy of topics that are not known, and warns once of each that is compacted.
    mutating func look(at topics: Set<String>, _ consumer: KafkaConsumer) {
        for topic in topics.sorted() where compacted[topic] == nil && attempts > 0 {
            do {
                let found = try consumer.topicConfig(topic, names: ["cleanup.policy"], timeout: .seconds(1))
                // A broker that does not report it once will not do so later.
                note(topic, found["cleanup.policy"] ?? "")
            } catch {
                attempts -= 1
                logger.debug("a topic's settings are not known", metadata: ["topic": "\(topic)", "reason": "\(error)"])
            }
            Heartbeat.beat()
        }
    }

    private mutating func note(_ topic: String, _ policy: String) {
        let isCompacted = policy.split(separator: ",").contains {
            $0.trimmingPrefix(while: \.isWhitespace) == "compact"
        }
        compacted[topic] = isCompacted
        guard isCompacted else { return }
        logger.warning(
            "the topic is compacted, so Kafka may delete tweets before they are loaded; set cleanup.policy=delete",
            metadata: [
                "topic": "\(topic)", "policy": "\(policy)",
                "remedy":
                    "kafka-configs --alter --entity-type topics --entity-name \(topic) --add-config cleanup.policy=delete",
            ])
    }
}
