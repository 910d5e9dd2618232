import Core
import KafkaClient

/// What one intake has taken from Kafka, gathered on its thread and added up once in a while.
struct ConsumeTally {
    private struct Part {
        var messages = 0
        var bytes = 0
    }

    let metrics: ConsumeMetrics
    private var tweets = Part()
    private var events = Part()

    init(_ metrics: ConsumeMetrics) {
        self.metrics = metrics
    }

    /// Takes note of a message.
    mutating func note(_ message: borrowing KafkaMessage, isTweet: Bool) {
        let bytes = unsafe message.withValue { unsafe $0?.count ?? 0 }
        if isTweet {
            tweets.messages += 1
            tweets.bytes += bytes
        } else {
            events.messages += 1
            events.bytes += bytes
        }
    }

    /// Adds up what was noted.
    mutating func flush() {
        for (topic, part) in [(ConsumedTopic.tweets, tweets), (.events, events)] where part.messages > 0 {
            metrics.messages[topic].add(part.messages)
            metrics.bytes[topic].add(part.bytes)
        }
        (tweets, events) = (Part(), Part())
    }
}
