/// Offsets of a partition that hold no message, which the mock cluster cannot make: markers of transactions, aborted messages,
/// what compaction has left.
///
/// They stand before the mock's offset `at`, which clients see as `at + count`: nowhere inside a batch.
package struct KafkaPhantoms: Sendable {
    let at: Int64
    let count: Int64

    package init(at: Int64, count: Int64) {
        self.at = at
        self.count = count
    }

    /// The mock's offset for a client's.
    func inside(_ offset: Int64) -> Int64 { offset < at ? offset : max(at, offset - count) }

    /// The client's offset for the mock's.
    func outside(_ offset: Int64) -> Int64 { offset < at ? offset : offset + count }

    /// Record batches (protocol guide, "Record Batch") with the client's offsets; the one before the phantoms covers them.
    func batches(_ bytes: [UInt8]) -> [UInt8] {
        var result = KafkaWire()
        var old = KafkaWire(bytes)
        while old.position + 27 <= bytes.count {
            let (base, length) = (old.integer(Int64.self), old.integer(Int32.self))
            let head = old.take(11)
            let last = old.integer(Int32.self)
            result.append(outside(base))
            result.append(length)
            result.append(head)
            result.append(base < at && base + Int64(last) + 1 == at ? last + Int32(count) : last)
            result.append(old.take(Int(length) - 15))
        }
        return result.bytes
    }
}

/// Fetch (version 4) and ListOffsets (version 1) with phantoms in the partitions of all topics that have a number in the list.
extension KafkaAnswer {
    static let fetch: Int16 = 1
    static let listOffsets: Int16 = 2
    static let describeConfigs: Int16 = 32

    /// The request as the mock understands it: `request` begins with the kind.
    static func fetchRequest(_ request: [UInt8], _ phantoms: [Int32: KafkaPhantoms], topic: String) -> [UInt8] {
        var (old, new) = (KafkaWire(request), KafkaWire())
        new.append(old.take(8))
        new.append(string: old.string())
        new.append(old.take(17))
        let topics = old.integer(Int32.self)
        new.append(topics)
        for _ in 0..<topics {
            let name = old.string()
            new.append(string: name)
            let partitions = old.integer(Int32.self)
            new.append(partitions)
            for _ in 0..<partitions {
                let (partition, offset) = (old.integer(Int32.self), old.integer(Int64.self))
                let phantom = name == Array(topic.utf8) ? phantoms[partition] : nil
                new.append(partition)
                new.append(phantom?.inside(offset) ?? offset)
                new.append(old.take(4))
            }
        }
        new.append(old.rest())
        return new.bytes
    }

    static func fetchAnswer(_ answer: [UInt8], _ phantoms: [Int32: KafkaPhantoms], topic: String) -> [UInt8] {
        var (old, new) = (KafkaWire(answer), KafkaWire())
        new.append(old.take(8))
        let topics = old.integer(Int32.self)
        new.append(topics)
        for _ in 0..<topics {
            let name = old.string()
            new.append(string: name)
            let partitions = old.integer(Int32.self)
            new.append(partitions)
            for _ in 0..<partitions {
                let partition = old.integer(Int32.self)
                new.append(partition)
                fetchedPartition(&old, &new, name == Array(topic.utf8) ? phantoms[partition] : nil)
            }
        }
        new.append(old.rest())
        return new.bytes
    }

    private static func fetchedPartition(_ old: inout KafkaWire, _ new: inout KafkaWire, _ phantoms: KafkaPhantoms?) {
        new.append(old.take(2))
        for _ in 0..<2 {
            let offset = old.integer(Int64.self)
            new.append(phantoms?.outside(offset) ?? offset)
        }
        let aborted = old.integer(Int32.self)
        new.append(aborted)
        new.append(old.take(16 * Int(max(0, aborted))))
        let size = old.integer(Int32.self)
        new.append(size)
        let batches = Array(old.take(Int(size)))
        new.append(phantoms?.batches(batches) ?? batches)
    }

    static func offsetsAnswer(_ answer: [UInt8], _ phantoms: [Int32: KafkaPhantoms], topic: String) -> [UInt8] {
        var (old, new) = (KafkaWire(answer), KafkaWire())
        new.append(old.take(4))
        let topics = old.integer(Int32.self)
        new.append(topics)
        for _ in 0..<topics {
            let name = old.string()
            new.append(string: name)
            let partitions = old.integer(Int32.self)
            new.append(partitions)
            for _ in 0..<partitions {
                let partition = old.integer(Int32.self)
                new.append(partition)
                new.append(old.take(10))
                let offset = old.integer(Int64.self)
                new.append(name == Array(topic.utf8) ? phantoms[partition]?.outside(offset) ?? offset : offset)
            }
        }
        return new.bytes
    }

    /// The answer to DescribeConfigs (version 0) for one topic.
    static func topicSettings(_ request: [UInt8], _ correlation: Int32, _ settings: [String: String]) -> [UInt8] {
        var old = KafkaWire(request)
        _ = old.take(8)
        _ = old.string()
        _ = old.take(5)
        let name = old.string()
        var new = KafkaWire()
        new.append(correlation)
        new.append(Int32(0))
        new.append(Int32(1))
        new.append(Int16(0))
        new.append(string: nil)
        new.append(Int8(2))
        new.append(string: name)
        new.append(Int32(settings.count))
        for (key, value) in settings {
            new.append(string: Array(key.utf8))
            new.append(string: Array(value.utf8))
            new.append([0, 0, 0])
        }
        return new.bytes
    }
}
