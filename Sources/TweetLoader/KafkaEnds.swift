import Logging
import PipelineKit

/// Looks at Kafka's partitions from outside the group, so that looking never moves a partition.
struct KafkaEnds {
    private let consumer: KafkaConsumer

    init(_ configuration: KafkaConfiguration, group: String) throws {
        consumer = try KafkaConsumer(
            configuration, group: group, topics: [],
            logger: Logger(label: "tweet-loader") { _ in SwiftLogNoOpLogHandler() })
    }

    /// First and next offset of each partition; stops at the first that Kafka does not answer for.
    func read(_ partitions: [TopicPartition]) throws(KafkaError) -> [TopicPartition: (low: Int64, high: Int64)] {
        var ends: [TopicPartition: (low: Int64, high: Int64)] = [:]
        for partition in partitions {
            ends[partition] = try consumer.watermarks(partition, timeout: .seconds(5))
        }
        return ends
    }

    /// The sequence numbers of the messages that are in Kafka and not settled yet.
    ///
    /// - Parameters:
    ///   - ranges: offsets to read of each partition.
    ///   - timeout: how long to wait without any message before giving up.
    /// - Returns: the numbers, and how many messages were not read in time.
    /// - Throws: `KafkaError` for an offset that Kafka no longer has.
    func numbers(
        in ranges: [TopicPartition: Range<Int64>], timeout: Duration = .seconds(10)
    ) throws(KafkaError) -> (found: [JournalName: SequenceSet], unread: Int64) {
        var open = ranges.filter { !$0.value.isEmpty }
        var numbers: [JournalName: [Int64]] = [:]
        try consumer.start(open.mapValues(\.lowerBound))
        var deadline = ContinuousClock.now + timeout
        while !open.isEmpty, ContinuousClock.now < deadline {
            guard let message = try consumer.poll(timeout: .milliseconds(200)) else { continue }
            guard let range = open[message.topicPartition] else { continue }
            deadline = .now + timeout
            if message.offset < range.upperBound, let headers = message.recordHeaders() {
                numbers[JournalName(headers), default: []].append(headers.seq)
            }
            let next = message.offset + 1
            open[message.topicPartition] = next < range.upperBound ? next..<range.upperBound : nil
        }
        let unread = open.values.reduce(Int64(0)) { $0 + Int64($1.count) }
        return (numbers.mapValues { SequenceSet($0) }, unread)
    }
}
