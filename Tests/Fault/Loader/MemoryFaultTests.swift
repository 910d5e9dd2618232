import Sandbox
import TestSupport
import Testing

/// Memory is bounded whatever waits in Kafka: 12 partitions with batches of 12 MB, which shrink a hundredfold or not at all.
@Suite(.timeLimit(.minutes(6))) struct MemoryFaultTests {
    /// docs/operations.md, "Memory".
    private static let bound = 256 << 20

    private static let writers = [1, 4]

    private func publish(_ bench: LoaderBench, compression: String, batches: Int, text: () -> String) throws {
        let publisher = try KafkaPublisher(
            bootstrapServers: bench.servers, compression: compression,
            properties: [
                "batch.size": "16000000", "message.max.bytes": "20000000", "batch.num.messages": "3000",
                "linger.ms": "2000", "enable.idempotence": "false",
            ])
        var number: Int64 = 0
        for partition in 0..<Int32(12) {
            for _ in 0..<3000 * batches {
                number += 1
                try publisher.enqueue(
                    .init(
                        topic: bench.topic, partition: partition, key: "\(LoaderBench.firstID + number)",
                        value: LoaderBench.tweet(number, text: text())))
            }
            try publisher.flush()
        }
    }

    @Test("a backlog that unpacks to hundreds of megabytes is loaded within the bound", arguments: writers)
    func packed(writers: Int) throws {
        let bench = try LoaderBench(partitions: 12)
        // One part in a hundred is new in each line.
        let text = String(repeating: "all work and no play ", count: 195)
        var random = SplitMix64(seed: 7)
        try publish(bench, compression: "zstd", batches: 2) {
            text + (0..<4).map { _ in String(random.next(), radix: 36) }.joined()
        }
        try bench.start(environment: ["WRITERS": "\(writers)"])
        #expect(bench.wait(.seconds(240)) { bench.stored > 24_000 }, "\(bench.logged())")
        let peak = try #require(bench.memory("VmHWM"))
        #expect(peak < Self.bound, "\(peak >> 20) MiB")
        print("peak of \(writers) writers with packed batches: \(peak >> 20) MiB")
    }

    @Test("a backlog that cannot be packed is loaded within the bound", arguments: writers)
    func unpacked(writers: Int) throws {
        let bench = try LoaderBench(partitions: 12)
        var random = SplitMix64(seed: 7)
        try publish(bench, compression: "none", batches: 1) {
            (0..<100).map { _ in String(random.next(), radix: 36) }.joined()
        }
        try bench.start(environment: ["WRITERS": "\(writers)"])
        #expect(bench.wait(.seconds(240)) { bench.stored > 24_000 }, "\(bench.logged())")
        let peak = try #require(bench.memory("VmHWM"))
        #expect(peak < Self.bound, "\(peak >> 20) MiB")
        print("peak of \(writers) writers with unpacked batches: \(peak >> 20) MiB")
    }
}
