import Core
import KafkaClient
import Logging
import Postgres
import TestSupport

@testable import TweetLoader

extension LoaderSettings {
    /// Settings for one test database and perhaps a Kafka.
    static func test(
        _ url: String, kafka: String = "127.0.0.1:1", owner: String = "test", session: Int = 4000
    ) throws -> LoaderSettings {
        // The mock cluster takes as long for each rebalance as for a dead member.
        let properties = [
            "bootstrap.servers": kafka, "session.timeout.ms": "\(session)", "heartbeat.interval.ms": "500",
        ]
        var settings = LoaderSettings(
            conninfo: try PostgresConninfo(url),
            kafka: KafkaConfiguration(properties.mapValues { .init($0, from: "the test") }), topic: "tweets")
        settings.owner = owner
        return settings
    }
}

extension Loader {
    /// A loader without Kafka that has claimed these partitions.
    static func claiming(
        _ url: String, _ partitions: [TopicPartition] = [TestLines.partition], owner: String = "test",
        sharedRows: SharedRows? = nil, stop: Stop = Stop(), log: LogRecorder = LogRecorder()
    ) throws -> Loader {
        let loader = Loader(try .test(url, owner: owner), sharedRows: sharedRows, stop: stop, logger: log.logger)
        _ = loader.claims.apply([.assigned(partitions)])
        try loader.claimPartitions()
        return loader
    }
}
