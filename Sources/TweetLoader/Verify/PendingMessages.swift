import Core
import KafkaClient
import Postgres

/// The messages of one topic that are in Kafka and not in PostgreSQL.
struct PendingMessages {
    /// How many there are: at most, as offsets between two messages may be empty.
    private(set) var count: Int64 = 0
    /// What could not be checked, and why.
    private(set) var problem: String?
    let topic: String

    /// Asks PostgreSQL, then Kafka.
    ///
    /// - Parameters:
    ///   - topic: its name; one that Kafka does not have has no messages.
    ///   - settings: of the loader.
    /// - Throws: `DatabaseError` when PostgreSQL does not answer; `KafkaClientError` when librdkafka rejects a property.
    init(topic: String, _ settings: LoaderSettings) throws {
        self.topic = topic
        let offsets = try onDatabase(settings.conninfo, role: .writer) { connection in
            try LoaderOffsets.read(connection, topic: topic)
        }
        let kafka = try KafkaEnds(settings.kafka, group: settings.group)
        do throws(KafkaError) {
            let ends = try kafka.ends(of: topic)
            let starts = ends.compactMap { partition, end -> (TopicPartition, Int64)? in
                let next = max(offsets[partition].flatMap { $0 } ?? end.low, end.low)
                return next < end.high ? (partition, next) : nil
            }
            let waiting = Dictionary(uniqueKeysWithValues: starts)
            // Markers of transactions and aborted records are no messages.
            let first = try kafka.first(from: waiting)
            for (partition, next) in waiting {
                count += max(0, (ends[partition]?.high ?? 0) - (first[partition]?.offset ?? next))
            }
        } catch {
            problem = "\(error)"
        }
    }
}
