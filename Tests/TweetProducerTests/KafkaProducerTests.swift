import Core
import KafkaClient
import Logging
import Sandbox
import Testing

/// What becomes of the memory of records that librdkafka reads in place.
@Suite struct KafkaProducerTests {
    private let headers = RecordHeaders(
        stream: "s", journal: "00000000", seq: 1, receivedAt: Timestamp(milliseconds: 0), connection: 0)
    private let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private func producer(_ servers: String) throws -> KafkaProducer {
        try KafkaProducer(KafkaConfiguration(bootstrapServers: servers), logger: quiet)
    }

    /// Hands over one record of so many bytes in a block of its own, which nobody here keeps.
    private func enqueue(_ bytes: Int, in capacity: Int, id: Int64, to producer: KafkaProducer) -> WeakBlock {
        let block = ByteBlock(capacity: capacity)
        let place = unsafe block.fill(atMost: bytes) { memory in
            unsafe memory.initializeMemory(as: UInt8.self, repeating: UInt8(truncatingIfNeeded: id))
            return bytes
        }
        let error = unsafe [UInt8]("key".utf8).withBytes { key -> KafkaError? in
            do throws(KafkaError) {
                try unsafe producer.enqueue(
                    topic: "tweets", key: key, value: block[place], in: block, headers: headers, id: id)
                return nil
            } catch { return error }
        }
        return WeakBlock(block: block, error: error)
    }

    private struct WeakBlock {
        weak var block: ByteBlock?
        let error: KafkaError?
    }

    @Test func aBlockIsKeptUntilItsRecordIsReported() throws {
        let kafka = try KafkaSandbox()
        let producer = try producer(kafka.bootstrapServers)
        let kept = enqueue(1000, in: 1000, id: 7, to: producer)
        #expect(kept.block != nil && kept.error == nil)
        var reports: [DeliveryReport] = []
        let deadline = ContinuousClock.now + .seconds(90)
        while reports.isEmpty, ContinuousClock.now < deadline { reports += producer.poll(timeout: .milliseconds(100)) }
        #expect(reports.map(\.id) == [7] && reports.allSatisfy { $0.error == nil })
        #expect(kept.block == nil)
        let records = try TopicReader(servers: kafka.bootstrapServers, topics: ["tweets"]).read { !$0.isEmpty }
        #expect(records.map(\.value) == [[UInt8](repeating: 7, count: 1000)])
    }

    /// Nobody listens, so every record stays, and small ones would keep much memory.
    @Test func whenMuchIsKeptRecordsAreCopied() throws {
        let producer = try producer("127.0.0.1:1")
        let records = (1...20).map { enqueue(1000, in: 2 << 20, id: $0, to: producer) }
        #expect(records.allSatisfy { $0.error == nil })
        #expect(records.map { $0.block != nil } == (1...20).map { $0 <= 12 }, "24 MiB are kept")
    }

    @Test func aKeyAlwaysGoesThroughTheSameOfTwoClients() throws {
        let producers = try KafkaProducers(KafkaConfiguration(bootstrapServers: "127.0.0.1:1"), logger: quiet)
        var used: [ObjectIdentifier: Int] = [:]
        for number in 0..<200 {
            unsafe Array(String(1_790_000_000_000_000_000 + number * 4_194_304).utf8).withUnsafeBytes { key in
                let client = unsafe producers.client(for: key)
                #expect(unsafe client === producers.client(for: key))
                used[ObjectIdentifier(client), default: 0] += 1
            }
        }
        #expect(used.count == 2 && used.values.allSatisfy { $0 > 50 }, "each has its share")
    }

    @Test func aRecordThatIsTooLargeLeavesItsBlock() throws {
        let producer = try producer("127.0.0.1:1")
        let record = enqueue(6 << 20, in: 6 << 20, id: 1, to: producer)
        #expect(record.error?.disposition == .rejectRecord)
        #expect(record.block == nil)
    }
}
