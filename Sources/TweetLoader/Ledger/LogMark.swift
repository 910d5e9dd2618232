import KafkaClient

/// What identifies a partition's log: one message of it, remembered with the offsets.
///
/// A topic that was created again, or a cluster that was restored, has a different message at that offset, or none.
struct LogMark: Sendable, Equatable {
    /// The offset of the message.
    let offset: Int64
    /// Kafka's time of it, milliseconds since 1970; nil when it has none.
    let time: Int64?
    /// A hash of its length and of both ends of its value.
    let digest: Int64

    /// How much of each end counts; lines differ at both: the id in front, rules and includes behind.
    private static let sampled = 128

    init(offset: Int64, time: Int64?, digest: Int64) {
        self.offset = offset
        self.time = time
        self.digest = digest
    }

    /// The mark of a message.
    init(_ message: borrowing KafkaMessage) {
        offset = message.offset
        time = message.timestamp?.milliseconds
        digest = unsafe message.withValue { unsafe Self.digest($0) }
    }

    /// Whether a message read at the mark's offset is the one that was remembered.
    func isSame(_ other: LogMark) -> Bool { offset == other.offset && time == other.time && digest == other.digest }

    /// FNV-1a over words of 8 bytes: identity, not security.
    private static func digest(_ value: UnsafeRawBufferPointer?) -> Int64 {
        guard let value = unsafe value else { return -1 }
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        func add(_ word: UInt64) { hash = (hash ^ word) &* 0x100_0000_01b3 }
        add(UInt64(value.count))
        func add(_ range: Range<Int>) {
            for start in stride(from: range.lowerBound, to: range.upperBound - 7, by: 8) {
                unsafe add(value.loadUnaligned(fromByteOffset: start, as: UInt64.self))
            }
            for index in range.upperBound - range.count % 8..<range.upperBound { unsafe add(UInt64(value[index])) }
        }
        let half = min(sampled, value.count)
        add(0..<half)
        add(value.count - half..<value.count)
        return Int64(bitPattern: hash)
    }
}

/// Whether the partitions that were claimed are still the logs that PostgreSQL's offsets belong to.
///
/// Each is read again from its mark; the first message, end or error of it is the answer.
struct LogCheck {
    private struct Expected {
        let mark: LogMark
        let cluster: String?
    }

    private var expected: [TopicPartition: Expected] = [:]

    /// Whether there is nothing to check.
    var isEmpty: Bool { expected.isEmpty }

    /// Begins to check; returns the offset to fetch from.
    mutating func begin(_ partition: TopicPartition, at offset: Int64, _ identity: LogIdentity?) -> Int64 {
        expected[partition] = nil
        guard let identity, let mark = identity.mark, offset > mark.offset else { return offset }
        expected[partition] = Expected(mark: mark, cluster: identity.cluster)
        return mark.offset
    }

    /// Forgets partitions that are not ours any more.
    mutating func forget(_ partitions: some Sequence<TopicPartition>) {
        for partition in partitions { expected[partition] = nil }
    }

    /// Whether another log stands behind the partition's name, by the first message that came of it.
    mutating func isReplaced(_ message: borrowing KafkaMessage, cluster: String?) -> Bool {
        guard let expected = expected.removeValue(forKey: message.topicPartition) else { return false }
        guard message.offset == expected.mark.offset else { return Self.differ(expected.cluster, cluster) }
        return !expected.mark.isSame(LogMark(message))
    }

    /// The same where the remembered message is not there any more: only the cluster is left to compare.
    mutating func isReplaced(without partition: TopicPartition, cluster: String?) -> Bool {
        guard let expected = expected.removeValue(forKey: partition) else { return false }
        return Self.differ(expected.cluster, cluster)
    }

    private static func differ(_ left: String?, _ right: String?) -> Bool {
        guard let left, let right else { return false }
        return left != right
    }
}

/// What a partition's offsets in PostgreSQL belong to.
struct LogIdentity: Sendable, Equatable {
    var mark: LogMark?
    var cluster: String?
}
