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

    /// When the first message at or behind each offset was received from X, else stored in Kafka; without the
    /// partitions that do not answer in time.
    func times(
        of offsets: [TopicPartition: Int64], timeout: Duration = .seconds(3)
    ) throws(KafkaError) -> [TopicPartition: Timestamp] {
        var times: [TopicPartition: Timestamp] = [:]
        try consumer.start(offsets)
        let deadline = ContinuousClock.now + timeout
        while times.count < offsets.count, ContinuousClock.now < deadline {
            guard let message = try consumer.poll(timeout: .milliseconds(100)) else { continue }
            guard times[message.topicPartition] == nil else { continue }
            times[message.topicPartition] = message.recordHeaders()?.receivedAt ?? message.timestamp
        }
        return times
    }

    /// The sequence numbers of the messages that are in Kafka and not settled yet.
    ///
    /// - Parameter ranges: offsets to read of each partition.
    /// - Returns: the numbers, and how many messages were not read in time.
    /// - Throws: `KafkaError` for an offset that Kafka no longer has.
    func numbers(
        in ranges: [TopicPartition: Range<Int64>]
    ) throws(KafkaError) -> (found: [JournalName: SequenceSet], unread: Int64) {
        var numbers: [JournalName: [Int64]] = [:]
        let unread = try messages(in: ranges) { message in
            if let headers = message.recordHeaders() { numbers[JournalName(headers), default: []].append(headers.seq) }
        }
        return (numbers.mapValues { SequenceSet($0) }, unread)
    }

    /// Reads messages, each partition's in their order.
    ///
    /// - Parameters:
    ///   - ranges: offsets to read of each partition.
    ///   - timeout: how long to wait without any message before giving up.
    ///   - body: gets each message.
    /// - Returns: how many messages were not read in time.
    /// - Throws: `KafkaError` for an offset that Kafka no longer has.
    func messages(
        in ranges: [TopicPartition: Range<Int64>], timeout: Duration = .seconds(10),
        _ body: (borrowing KafkaMessage) -> Void
    ) throws(KafkaError) -> Int64 {
        var open = ranges.filter { !$0.value.isEmpty }
        try consumer.start(open.mapValues(\.lowerBound))
        var deadline = ContinuousClock.now + timeout
        while !open.isEmpty, ContinuousClock.now < deadline {
            guard let message = try consumer.poll(timeout: .milliseconds(200)) else { continue }
            guard let range = open[message.topicPartition] else { continue }
            deadline = .now + timeout
            if message.offset < range.upperBound { body(message) }
            let next = message.offset + 1
            open[message.topicPartition] = next < range.upperBound ? next..<range.upperBound : nil
        }
        return open.values.reduce(Int64(0)) { $0 + Int64($1.count) }
    }
}
