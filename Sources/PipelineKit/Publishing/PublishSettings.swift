package import KafkaClient

/// What publishing a journal needs to know.
package struct PublishSettings: Sendable {
    /// Properties of the client.
    package var kafka: KafkaConfiguration
    /// Where tweets go, and how that topic is created.
    package var tweets: NewTopic
    /// The same for everything that is no tweet.
    package var events: NewTopic
    /// The most lines that are read at a time.
    package var batchSize: Int
    /// How long a line waits for more of them.
    package var batchLinger: Duration

    /// - Parameters:
    ///   - kafka: properties of the client.
    ///   - tweets: where tweets go.
    ///   - events: where everything else goes.
    ///   - batchSize: the most lines that are read at a time.
    ///   - batchLinger: how long a line waits for more of them.
    package init(
        kafka: KafkaConfiguration, tweets: NewTopic, events: NewTopic, batchSize: Int, batchLinger: Duration
    ) {
        (self.kafka, self.tweets, self.events) = (kafka, tweets, events)
        (self.batchSize, self.batchLinger) = (batchSize, batchLinger)
    }
}
