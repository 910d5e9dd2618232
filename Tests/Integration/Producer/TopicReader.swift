import KafkaClient
import Logging

/// A record as a test sees it.
struct ReadRecord: Equatable {
    let partition: TopicPartition
    let offset: Int64
    let key: String?
    let value: [UInt8]
    let headers: RecordHeaders?
}

/// Reads topics from their beginning.
struct TopicReader {
    private let consumer: KafkaConsumer

    init(servers: String, topics: [String]) throws {
        consumer = try KafkaConsumer(
            KafkaConfiguration(bootstrapServers: servers), group: "reader-\(UInt64.random(in: 0 ... .max))",
            topics: topics, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    /// Reads until `isEnough` holds for what was read; returns what there is when `patience` is over.
    func read(patience: Duration = .seconds(90), until isEnough: ([ReadRecord]) -> Bool) throws -> [ReadRecord] {
        var records: [ReadRecord] = []
        let deadline = ContinuousClock.now + patience
        while !isEnough(records), ContinuousClock.now < deadline {
            if let message = try consumer.poll(timeout: .milliseconds(50)) {
                records.append(
                    ReadRecord(
                        partition: message.topicPartition, offset: message.offset,
                        key: unsafe message.withKey { key in
                            unsafe key.map { unsafe String(decoding: $0, as: UTF8.self) }
                        },
                        value: unsafe message.withValue { value in unsafe value.map { unsafe Array($0) } ?? [] },
                        headers: message.recordHeaders()))
            }
            for case .assigned(let partitions) in consumer.takeAssignmentChanges() {
                try consumer.start(Dictionary(uniqueKeysWithValues: partitions.map { ($0, KafkaConsumer.earliest) }))
            }
        }
        return records
    }
}
