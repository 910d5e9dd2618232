import Harness
import Sandbox
import TestSupport
import Testing

/// Memory is bounded whatever waits in Kafka: 12 partitions with batches of 12 MB, which shrink a hundredfold or not at all.
@Suite(.ownThreads, .timeLimit(.minutes(6))) struct MemoryFaultTests {
    /// docs/operations.md, "Memory".
    private static let bound = 256 << 20

    private static let writers = [1, 4]

    private func publish(_ loaders: LoaderRun, compression: String, batches: Int, text: () -> String) throws {
        let publisher = try KafkaPublisher(
            bootstrapServers: loaders.servers, compression: compression,
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
                        topic: loaders.topic, partition: partition, key: "\(LoaderRun.firstID + number)",
                        value: LoaderRun.tweet(number, text: text())))
            }
            try publisher.flush()
        }
    }

    @Test("a backlog that unpacks to hundreds of megabytes is loaded within the bound", arguments: writers)
    func packed(writers: Int) throws {
        let loaders = try LoaderRun(partitions: 12)
        // One part in a hundred is new in each line.
        let text = String(repeating: "all work and no play ", count: 195)
        var random = SplitMix64(seed: 7)
        try publish(loaders, compression: "zstd", batches: 2) {
            text + (0..<4).map { _ in String(random.next(), radix: 36) }.joined()
        }
        try loaders.start(environment: ["WRITERS": "\(writers)"])
        #expect(loaders.wait(.seconds(240)) { loaders.stored > 24_000 }, "\(loaders.logged())")
        let peak = try #require(loaders.loader("loader")).memory("VmHWM")
        #expect(peak < Self.bound, "\(peak >> 20) MiB")
        print("peak of \(writers) writers with packed batches: \(peak >> 20) MiB")
    }

    @Test("a backlog that cannot be packed is loaded within the bound", arguments: writers)
    func unpacked(writers: Int) throws {
        let loaders = try LoaderRun(partitions: 12)
        var random = SplitMix64(seed: 7)
        try publish(loaders, compression: "none", batches: 1) {
            (0..<100).map { _ in String(random.next(), radix: 36) }.joined()
        }
        try loaders.start(environment: ["WRITERS": "\(writers)"])
        #expect(loaders.wait(.seconds(240)) { loaders.stored > 24_000 }, "\(loaders.logged())")
        let peak = try #require(loaders.loader("loader")).memory("VmHWM")
        #expect(peak < Self.bound, "\(peak >> 20) MiB")
        print("peak of \(writers) writers with unpacked batches: \(peak >> 20) MiB")
    }
}
