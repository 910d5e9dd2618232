import Core
import Journal
import KafkaClient

/// The messages that the looks have read from Kafka: none is read twice.
struct SeenMessages {
    /// Sequence numbers of lines of our producers.
    private(set) var numbers: [JournalName: RangeSet<Int64>] = [:]
    /// Offsets of all messages, and of those without our headers.
    private var offsets: [TopicPartition: (all: RangeSet<Int64>, foreign: RangeSet<Int64>)] = [:]
    /// How far each partition was read.
    private var ends: [TopicPartition: Int64] = [:]

    /// Reads what was not read before.
    ///
    /// - Returns: the partitions that could not be read to the end of their range, and why.
    mutating func read(
        _ ranges: [TopicPartition: Range<Int64>], _ kafka: KafkaEnds
    ) throws -> [TopicPartition: String] {
        var wanted: [TopicPartition: Range<Int64>] = [:]
        for (partition, range) in ranges {
            let first = max(range.lowerBound, ends[partition] ?? 0)
            if first < range.upperBound { wanted[partition] = first..<range.upperBound }
        }
        var found: [JournalName: [Int64]] = [:]
        var count = 0
        let failed = try kafka.messages(in: wanted) { message in
            add(message, to: &found)
            count += 1
            // So that a large backlog does not fill the memory.
            if count.isMultiple(of: 100_000) { fold(&found) }
        }
        fold(&found)
        for (partition, range) in wanted where failed[partition] == nil { ends[partition] = range.upperBound }
        return failed
    }

    private mutating func add(_ message: borrowing KafkaMessage, to found: inout [JournalName: [Int64]]) {
        let headers = Batch.plausible(message.recordHeaders())
        if let headers { found[JournalName(headers), default: []].append(headers.seq) }
        let partition = message.topicPartition
        ends[partition] = message.offset + 1
        let offset = message.offset..<message.offset + 1
        offsets[partition, default: (RangeSet(), RangeSet())].all.insert(contentsOf: offset)
        if headers == nil { offsets[partition]?.foreign.insert(contentsOf: offset) }
    }

    private mutating func fold(_ found: inout [JournalName: [Int64]]) {
        for (name, seqs) in found { numbers[name, default: RangeSet()].formUnion(RangeSet(numbers: seqs)) }
        found = [:]
    }

    /// How many messages are in the ranges.
    func count(in ranges: [TopicPartition: Range<Int64>]) -> Int64 {
        ranges.reduce(0) { $0 + (offsets[$1.key]?.all.count(from: $1.value.lowerBound) ?? 0) }
    }

    /// How many of them have no number of ours.
    func foreign(in ranges: [TopicPartition: Range<Int64>]) -> Int64 {
        ranges.reduce(0) { $0 + (offsets[$1.key]?.foreign.count(from: $1.value.lowerBound) ?? 0) }
    }
}
