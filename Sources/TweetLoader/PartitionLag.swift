import Core
import KafkaClient

/// How far behind the end of each partition the writers are, and since when. A pure value.
struct PartitionLag {
    private struct Part {
        /// The offset behind the last message, as Kafka said.
        let end: Int64
        /// The first offset that was not settled at the look; nil before the writers' first batch.
        let looked: Int64?
        /// The one that is not settled now.
        var next: Int64?
        /// Messages that are not settled.
        var lag: Int64
        /// When the first of them was received; nil when there is none, or when that is not known.
        var moment: Timestamp?
        /// Whether the moment is that of the message at `next`, as Kafka has it.
        var isRead = false
    }

    private var parts: [TopicPartition: Part] = [:]

    /// Messages that are not settled, of all partitions.
    var sum: Int64 { parts.values.reduce(0) { $0 + $1.lag } }

    /// Takes over what Kafka has.
    ///
    /// - Parameters:
    ///   - positions: of the writers, asked before Kafka: so no lag is less than it was.
    ///   - ends: the first offset of each partition, and the one behind its last message.
    ///   - first: reads the first message at or behind each of some offsets.
    mutating func look(
        _ positions: [TopicPartition: WriterStates.Position], _ ends: [TopicPartition: (low: Int64, high: Int64)],
        first: ([TopicPartition: Int64]) -> [TopicPartition: KafkaEnds.First]
    ) {
        let before = parts
        var stuck: [TopicPartition: Int64] = [:]
        parts = [:]
        for (partition, position) in positions {
            guard let end = ends[partition] else { continue }
            let next = max(position.next ?? end.low, end.low)
            let lag = max(0, end.high - next)
            var part = Part(end: end.high, looked: position.next, next: position.next, lag: lag)
            let last = before[partition]
            let isStuck = last.map { $0.looked == position.next } ?? false
            if let last, isStuck, last.isRead { (part.moment, part.isRead) = (last.moment, true) }
            // It moves: the first message that is not settled was received hardly later than the last one that is.
            if !isStuck { part.moment = position.received }
            if part.lag > 0, part.moment == nil { stuck[partition] = next }
            parts[partition] = part
        }
        for (partition, message) in first(stuck) {
            parts[partition]?.moment = message.at
            parts[partition]?.isRead = true
            if message.offset >= parts[partition]?.end ?? 0 { parts[partition]?.lag = 0 }
        }
    }

    /// Takes over what was settled since: what was only on its way at the look would be pending until the next one.
    ///
    /// - Parameter positions: of the writers.
    mutating func note(_ positions: [TopicPartition: WriterStates.Position]) {
        for (partition, part) in parts where part.lag > 0 {
            guard let position = positions[partition], let next = position.next, next != part.next else { continue }
            let lag = max(0, part.end - next)
            parts[partition] = Part(
                end: part.end, looked: part.looked, next: next, lag: lag, moment: position.received)
        }
    }

    /// Sets the metrics; without the age where messages are pending and none of their times is known.
    func show(in metrics: ConsumeMetrics) {
        let sorted = parts.sorted { $0.key < $1.key }
        metrics.lag.set(sorted.map { (Self.labels($0.key), Double($0.value.lag)) })
        metrics.oldest.set(
            sorted.filter { $0.value.lag == 0 || $0.value.moment != nil }.map { partition, part in
                let moment = part.lag > 0 ? part.moment : nil
                return (Self.labels(partition), moment.map { Double($0.milliseconds) / 1000 } ?? 0)
            })
    }

    private static func labels(_ partition: TopicPartition) -> [String] {
        [partition.topic, "\(partition.partition)"]
    }
}
