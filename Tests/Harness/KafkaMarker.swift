import Core
import Glibc
import KafkaClient

/// Writes the marker that a broker puts behind a committed transaction, which no client of librdkafka can.
///
/// For the mock cluster, which writes none itself and takes what a producer sends; a real broker rejects it.
package enum KafkaMarker {
    /// Appends a marker to a partition: an offset without a message.
    ///
    /// - Throws: `Failure` when the cluster does not take it.
    package static func append(to partition: TopicPartition, servers: String) throws {
        guard let port = servers.split(separator: ":").last.flatMap({ Int($0) }),
            let socket = Loopback.connect(port)
        else { throw Failure(.unavailable, "nobody listens at \(servers)") }
        defer { close(socket) }
        var request = KafkaWire()
        let body = produce(batch, to: partition)
        request.append(Int32(body.count))
        request.append(body)
        guard unsafe write(socket, request.bytes, request.bytes.count) == request.bytes.count else {
            throw Failure(.unavailable, "the marker cannot be sent")
        }
        var size = KafkaWire(try read(socket, 4))
        var answer = KafkaWire(try read(socket, Int(size.integer(Int32.self))))
        _ = answer.take(8)
        _ = answer.string()
        _ = answer.take(8)
        let code = answer.integer(Int16.self)
        guard code == 0 else { throw Failure(.badData, "the cluster rejects the marker: error \(code)") }
    }

    private static func read(_ socket: Int32, _ count: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            var part = [UInt8](repeating: 0, count: count - bytes.count)
            let got = unsafe Glibc.read(socket, &part, part.count)
            guard got > 0 else { throw Failure(.unavailable, "the cluster does not answer") }
            bytes += part.prefix(got)
        }
        return bytes
    }

    /// Produce, version 3 (protocol guide, "Produce API").
    private static func produce(_ batch: [UInt8], to partition: TopicPartition) -> [UInt8] {
        var wire = KafkaWire()
        for number in [0, 3] as [Int16] { wire.append(number) }
        wire.append(Int32(1))
        wire.append(string: Array("test".utf8))
        wire.append(string: nil)
        wire.append(Int16(-1))
        for number in [5000, 1] as [Int32] { wire.append(number) }
        wire.append(string: Array(partition.topic.utf8))
        for number in [1, partition.partition, Int32(batch.count)] as [Int32] { wire.append(number) }
        wire.append(batch)
        return wire.bytes
    }

    /// A batch with one control record, COMMIT (message format, "Control Batches"), without a check sum, which is not looked at.
    private static var batch: [UInt8] {
        var record = KafkaWire()
        // Attributes, two deltas, and the key: its length of 4 (as a zigzag varint), version 0, type 1.
        record.append([0, 0, 0, 8, 0, 0, 0, 1])
        // The value: its length of 6, version 0, epoch 0; no headers.
        record.append([12, 0, 0, 0, 0, 0, 0, 0])
        var wire = KafkaWire()
        wire.append(Int64(0))
        wire.append(Int32(49 + 1 + record.bytes.count))
        wire.append(Int32(0))
        wire.append(Int8(2))
        wire.append(Int32(0))
        // Attributes: a control batch. Last offset delta 0; times; no producer; no sequence; one record.
        wire.append(Int16(0x20))
        wire.append(Int32(0))
        for number in [0, 0, -1] as [Int64] { wire.append(number) }
        wire.append(Int16(-1))
        for number in [-1, 1] as [Int32] { wire.append(number) }
        wire.append([UInt8(record.bytes.count * 2)])
        wire.append(record.bytes)
        return wire.bytes
    }
}
