import Foundation
import KafkaClient
import Logging
import Sandbox

/// The Kafka of a test, with topics of its own: the broker of `TEST_KAFKA_BOOTSTRAP_SERVERS`, or else a mock cluster.
package final class Broker: Sendable {
    private static let given = ProcessInfo.processInfo.environment["TEST_KAFKA_BOOTSTRAP_SERVERS"]
    /// Whether it is a real broker: the mock cluster does not imitate everything.
    package static var isReal: Bool { given != nil }

    /// The addresses for `bootstrap.servers`.
    package let servers: String
    /// The topic of tweets; that of events has `.events` behind its name.
    package let topic: String
    /// Kafka allows no session shorter than 6 s (group.min.session.timeout.ms); the mock cluster needs more than its 3 s for
    /// a new group.
    package var sessionTimeout: Int { mock == nil ? 6000 : 4000 }
    private let mock: KafkaSandboxProcess?

    /// Creates the topics.
    ///
    /// - Parameter partitions: of the topic of tweets; the mock cluster keeps only about 5 MiB of each.
    /// - Throws: `Failure` or `KafkaError` when the topics cannot be created.
    package init(partitions: Int) throws {
        topic = "e2e-\(UInt32.random(in: 0 ... .max))"
        guard let given = Self.given else {
            let mock = try KafkaSandboxProcess(topics: [topic: partitions, topic + ".events": 1])
            (self.mock, servers) = (mock, mock.bootstrapServers)
            return
        }
        (mock, servers) = (nil, given)
        let maker = try KafkaProducer(
            KafkaConfiguration(bootstrapServers: given),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        for name in [topic, topic + ".events"] {
            _ = try maker.ensureTopic(NewTopic(name, partitions: partitions), timeout: .seconds(20))
        }
    }

    /// Halts a mock cluster as SIGSTOP does, or resumes it; a real broker stays as it is.
    package func setHalted(_ isHalted: Bool) {
        mock?.setHalted(isHalted)
    }

    /// Ends a mock cluster.
    package func stop() {
        mock?.stop()
    }
}
