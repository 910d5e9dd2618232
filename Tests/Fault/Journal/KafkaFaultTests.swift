import Foundation
import Glibc
import Harness
import Sandbox
import TestSupport
import Testing

/// F52, F53: Kafka that is slow, and topics that grow.
@Suite(.timeLimit(.minutes(5))) struct KafkaFaultTests {
    /// X sends more than twenty times what the line to Kafka takes.
    @Test func f52AtSixtyFourKilobitsASecondLinesWaitInTheJournal() async throws {
        let front = try KafkaFront(PipelineRun.kafka.get().bootstrapServers)
        try await PipelineRun.with(servers: front.servers) { run in
            try await run.expect("acknowledged lines") { try run.status().checkpoint > 50 }
            let process = try run.producer
            let (memory, before) = try (process.memory("VmHWM"), run.status().checkpoint)
            front.bytesPerSecond = 8000
            try await run.expectLines(500)
            try await run.expect("some progress") { try run.status().checkpoint > before + 40 }
            #expect(try run.status().unacknowledged > 100)
            let more = try process.memory("VmHWM") - memory
            #expect(isSanitized || more < 64 << 20, "librdkafka's queue holds 16 MiB at most, and \(more) came")
            #expect(run.x.connections.count == 1 && process.exit == nil)
            front.bytesPerSecond = nil
            try await run.expectConserved()
            #expect(run.x.connections.count == 1)
        }
    }

    /// The front shows two of four partitions at first, which is what clients see of a topic that grows.
    @Test func f53PartitionsThatAreAddedAreUsedAndNothingIsLostOrDoubled() async throws {
        let front = try KafkaFront(PipelineRun.kafka.get().bootstrapServers)
        front.visiblePartitions = 2
        try await PipelineRun.with(properties: ["topic.metadata.refresh.interval.ms": "300"], servers: front.servers) {
            run in
            let used = "SELECT count(*) FROM loader_offsets WHERE topic = '\(run.pipeline.topic)' AND next_offset > 0"
            try await run.expect(used, ["2"])
            front.visiblePartitions = .max
            try await run.expect(used, ["4"])
            try await run.expectConserved()
            #expect(run.x.connections.count == 1)
        }
    }
}
