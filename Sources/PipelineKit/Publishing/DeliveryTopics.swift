internal import Core
package import KafkaClient

extension Delivery {
    /// What of a topic's settings matters to a producer.
    private static let settings = ["max.message.bytes", "cleanup.policy"]
    /// What a broker may count beyond librdkafka's `batch.size`.
    private static let overhead = 256

    /// Creates or checks the topics, and learns how large their batches may be; retries while Kafka is unreachable.
    ///
    /// - Parameter isUnneeded: whether to return without them.
    /// - Throws: `KafkaClientError` (`wait`) when a topic does not exist and Kafka does not create it.
    package func ensureTopics(unless isUnneeded: () -> Bool) throws(KafkaClientError) {
        for topic in [topics.tweets, topics.events] {
            // An error is reported only between two attempts, so the first are short; a slow broker needs longer ones.
            var timeouts = Backoff(first: .seconds(1), longest: .seconds(5), growth: .linear, spread: 1...1)
            while !isUnneeded() {
                do throws(KafkaError) {
                    let partitions = try producer.ensureTopic(topic, timeout: timeouts.next())
                    logger.debug(
                        "topic exists",
                        metadata: ["topic": "\(topic.name)", "partitions": .stringConvertible(partitions)])
                    break
                } catch {
                    guard error.isAway else {
                        throw KafkaClientError(
                            .wait, "\(error). Create the topics (kafka/create-topics.sh) or allow it.")
                    }
                    _ = producer.poll(timeout: .zero)
                    if producer.renewal != nil, renew() { timeouts.reset() }
                    stop.wait(for: .milliseconds(500))
                }
            }
        }
        guard !isUnneeded() else { return }
        if let limit = topicLimit(isStart: true) { setBatchBytes(limit) }
    }

    /// The most bytes of a batch that both topics accept; nil when Kafka does not say.
    func topicLimit(isStart: Bool = false) -> Int? {
        var limits: [Int] = []
        for topic in [topics.tweets, topics.events] {
            // A broker that does not answer is not asked for the other topic: it would only delay the start.
            guard
                let found = try? producer.topicConfig(
                    topic.name, names: Self.settings, timeout: .seconds(isStart ? 1 : 5))
            else { return nil }
            if let limit = found["max.message.bytes"].flatMap({ Int($0) }) {
                limits.append(max(1024, limit - Self.overhead))
            }
            if isStart, let policy = found["cleanup.policy"], policy.contains("compact") {
                logger.warning(
                    "the topic is compacted, so Kafka may delete tweets before they are loaded; set cleanup.policy=delete",
                    metadata: ["topic": "\(topic.name)", "cleanup_policy": "\(policy)"])
            }
        }
        return limits.min()
    }
}
