package import Core
internal import KafkaClient

/// How lines are published.
package enum PublishingSettings: SettingGroup {
    package static let title = "Producer"
    package static let batchSize = Setting(
        "BATCH_SIZE", flag: "batch-size", .count(1...100_000), default: "100", value: "lines",
        "Lines in one batch into Kafka")
    package static let batchLinger = Setting(
        "BATCH_LINGER", flag: "batch-linger", .duration, default: "100ms", "Longest time that a batch waits to fill")
    package static let partitions = Setting(
        "KAFKA_PARTITIONS", flag: "partitions", .count(1...10_000), default: "12",
        "Partitions of a topic that has to be created")
    package static let replication = Setting(
        "KAFKA_REPLICATION", flag: "replication", .count(-1...100), default: "-1",
        "Copies of its data; -1: the broker's default")
    package static let settings = [batchSize, batchLinger, partitions, replication, ServiceSettings.drain]

    /// Reads the settings; mistakes are added to the reader's.
    ///
    /// - Parameter reader: the settings.
    /// - Returns: where and how to publish.
    package static func read(_ reader: inout SettingsReader) -> PublishSettings {
        let (partitions, replication) = (reader.int(partitions), reader.int(replication))
        let topic = KafkaSettings.topicName(&reader)
        return PublishSettings(
            kafka: KafkaSettings.configuration(&reader),
            tweets: NewTopic(topic, partitions: partitions, replication: replication),
            events: NewTopic(topic + ".events", partitions: 1, replication: replication),
            batchSize: reader.int(batchSize), batchLinger: reader.duration(batchLinger))
    }
}
