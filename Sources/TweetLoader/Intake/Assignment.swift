import KafkaClient

/// The partitions that Kafka's group has assigned to this loader, and how far each has been read.
struct Assignment {
    private struct Part {
        /// The number of the event that gave it.
        let given: Int
        /// The first offset that was not taken; nil before it is started, `.min` when that is the oldest that Kafka has.
        var next: Int64?
    }

    private var parts: [TopicPartition: Part] = [:]
    /// The partition that the last message came from, and its next offset: messages come in long runs.
    private var current: (partition: TopicPartition, next: Int64)?
    /// The offsets that were passed over before the last message or end; nil when there was none.
    private(set) var jump: Range<Int64>?
    /// How many events there were in the group.
    private var events = 0

    /// How many partitions are ours.
    var count: Int { parts.count }

    /// Whether the group has assigned a partition to us.
    func contains(_ partition: TopicPartition) -> Bool { parts[partition] != nil }

    /// Whether there are partitions whose first offset PostgreSQL has not given yet.
    var isWaiting: Bool { parts.values.contains { $0.next == nil } }

    /// Follows what the group has assigned and revoked; returns the partitions that are no longer ours.
    mutating func apply(_ changes: [AssignmentChange]) -> Set<TopicPartition> {
        store()
        var gone: Set<TopicPartition> = []
        for change in changes {
            events += 1
            switch change {
            case .assigned(let partitions):
                for partition in partitions { parts[partition] = Part(given: events) }
            case .revoked(let partitions, isLost: _):
                gone.formUnion(partitions)
                for partition in partitions { parts[partition] = nil }
            }
        }
        return gone
    }

    /// Takes note of where to start.
    ///
    /// - Parameters:
    ///   - offsets: the first offset of each partition, or `KafkaConsumer.earliest`.
    ///   - asOf: how many events were known to whoever claimed them: a partition that was taken and given again since
    ///     then is claimed again.
    /// - Returns: the partitions that have been ours since then.
    mutating func start(_ offsets: [TopicPartition: Int64], asOf: Int) -> [TopicPartition: Int64] {
        store()
        let ours = offsets.filter { partition, _ in parts[partition].map { $0.given <= asOf } ?? false }
        for (partition, offset) in ours { parts[partition]?.next = offset < 0 ? .min : offset }
        return ours
    }

    /// Whether a message is to be taken: its partition is ours, and it was not taken before.
    mutating func takes(_ partition: TopicPartition, _ offset: Int64) -> Bool {
        if current?.partition != partition {
            store()
            guard let next = parts[partition]?.next else { return false }
            current = (partition, next)
        }
        guard let next = current?.next, offset >= next else { return false }
        current?.next = offset + 1
        jump = offset > next && next >= 0 ? next..<offset : nil
        return true
    }

    /// Whether a partition's end is behind what was taken: there was nothing to take between, only what transactions and
    /// compaction leave.
    mutating func reaches(_ partition: TopicPartition, end: Int64) -> Bool {
        store()
        guard let next = parts[partition]?.next, end > max(next, 0) else { return false }
        parts[partition]?.next = end
        jump = next >= 0 ? next..<end : nil
        return true
    }

    /// The offset that is expected next; nil for a partition that is not started or is halted.
    mutating func next(_ partition: TopicPartition) -> Int64? {
        store()
        guard let next = parts[partition]?.next, next != .max else { return nil }
        return next
    }

    /// Ignores a partition until it is started again.
    mutating func halt(_ partition: TopicPartition) {
        store()
        if parts[partition] != nil { parts[partition]?.next = .max }
    }

    private mutating func store() {
        if let current { parts[current.partition]?.next = current.next }
        current = nil
    }

    /// Forgets everything, because the group is left; events are counted on, that one too.
    mutating func leave() {
        current = nil
        parts = [:]
        events += 1
    }
}
