/// A batch of records on its way to a broker, as `KafkaFront` sees it (protocol guide, "Produce", versions 3 to 7).
package struct KafkaBatch: Sendable {
    package let topic: String
    let partition: Int32
    /// As sent: the header of 61 bytes, and the records, which may be compressed.
    package let bytes: [UInt8]

    /// How many records it holds (protocol guide, "Record Batch").
    package var records: Int32 {
        var wire = KafkaWire(bytes)
        _ = wire.take(57)
        return wire.integer()
    }

    /// Whether it holds a text; it must not be compressed.
    package func contains(_ text: String) -> Bool {
        let wanted = Array(text.utf8)
        guard bytes.count >= wanted.count else { return false }
        return (0...bytes.count - wanted.count).contains { start in
            bytes[start] == wanted[0] && bytes[start..<start + wanted.count].elementsEqual(wanted)
        }
    }

    /// The batches of a request, whose header is behind `wire`.
    static func read(_ wire: inout KafkaWire) -> [KafkaBatch] {
        var batches: [KafkaBatch] = []
        _ = wire.string()
        _ = wire.take(6)
        for _ in 0..<wire.integer(Int32.self) {
            let topic = String(decoding: wire.string() ?? [], as: UTF8.self)
            for _ in 0..<wire.integer(Int32.self) {
                let partition = wire.integer(Int32.self)
                let length = wire.integer(Int32.self)
                batches.append(KafkaBatch(topic: topic, partition: partition, bytes: Array(wire.take(Int(length)))))
            }
        }
        return batches
    }

    /// The answer that rejects a request, whose header is behind `wire`; nil when all its batches are accepted.
    static func rejection(
        _ wire: inout KafkaWire, _ correlation: Int32, version: Int16, _ judge: (KafkaBatch) -> Int16
    ) -> [UInt8]? {
        let batches = read(&wire)
        let error = batches.lazy.map(judge).first { $0 != 0 }
        return error.map { KafkaAnswer.rejection(correlation, version: version, batches, error: $0) }
    }
}

extension KafkaAnswer {
    /// The answer that rejects a whole request, with one error for each of its batches.
    static func rejection(_ correlation: Int32, version: Int16, _ batches: [KafkaBatch], error: Int16) -> [UInt8] {
        var answer = KafkaWire()
        answer.append(correlation)
        answer.append(Int32(batches.count))
        for batch in batches {
            answer.append(string: Array(batch.topic.utf8))
            answer.append(Int32(1))
            answer.append(batch.partition)
            answer.append(error)
            for _ in 0..<(version >= 5 ? 3 : 2) { answer.append(Int64(-1)) }
        }
        answer.append(Int32(0))
        return answer.bytes
    }
}
