import Foundation
import Glibc
import Harness
import Journal
import Sandbox
import TestSupport
import Testing

/// F44: SIGTERM, a second one, SIGHUP.
@Suite(.serialized, .timeLimit(.minutes(5))) struct SignalFaultTests {
    /// All that was taken is with Kafka when it ends; what X kept is for the next start. More than a loader on busy cores takes,
    /// and less than the mock cluster keeps.
    @Test func f44SIGTERMUnderFullLoadDrainsAndEndsWell() async throws {
        try await PipelineRun.with(["DRAIN": "80s"], x: { $0.rate = 1000 }) { run in
            try await run.expectLines(3000)
            let process = try run.producer
            process.send(SIGTERM)
            try await run.expect("the end") { process.exit != nil }
            #expect(process.exit == .status(0))
            let status = try run.status()
            #expect(status.unacknowledged == 0 && status.lastSeq > 3000)
            run.x.setRate(100)
            try run.pipeline.start(.producer)
            try await run.expectConserved()
        }
    }

    /// Kafka is away, so there is nothing to drain to: the deadline ends the first, the second signal ends at once.
    @Test func f44ASecondSIGTERMLeavesAtOnceAndSafely() async throws {
        let front = try KafkaFront(PipelineRun.kafka.get().bootstrapServers)
        try await PipelineRun.with(["DRAIN": "300s"], servers: front.servers) { run in
            try await run.expectLines(50)
            try await run.expect("acknowledged lines") { try run.status().checkpoint > 20 }
            try await holdLines(at: front, run)
            let process = try run.producer
            process.send(SIGTERM)
            try await run.expect("the end of the connection") { run.x.connections.last?.endedAt != nil }
            // A producer that did not drain would end with its connection: it goes on for some time after that.
            try await endure(.milliseconds(500))
            #expect(process.exit == nil, "it drains")
            process.send(SIGTERM)
            try await run.expect("the end") { process.exit != nil }
            #expect(process.exit == .status(0))
            let left = try run.status()
            #expect(left.unacknowledged > 50 && left.process == nil)
            front.bytesPerSecond = nil
            front.cut()
            try run.pipeline.start(.producer)
            try await run.expectConserved()
        }
    }

    /// Lets nothing reach Kafka, and returns when there are lines that cannot have.
    private func holdLines(at front: KafkaFront, _ run: PipelineRun) async throws {
        front.bytesPerSecond = 1
        // What was on its way may still be acknowledged; what X sends from here on cannot be.
        let sent = Int64(run.written)
        try await run.expect("lines that wait") { try run.status().lastSeq > sent + 60 }
    }

    @Test func f44TheDrainEndsAtItsDeadline() async throws {
        let front = try KafkaFront(PipelineRun.kafka.get().bootstrapServers)
        try await PipelineRun.with(["DRAIN": "1s"], servers: front.servers) { run in
            try await run.expectLines(50)
            try await holdLines(at: front, run)
            let process = try run.producer
            process.send(SIGTERM)
            try await run.expect("the end") { process.exit != nil }
            #expect(process.exit == .status(0))
            #expect(!run.lines("exiting with unpublished lines in the journal").isEmpty)
            front.bytesPerSecond = nil
            front.cut()
            try run.pipeline.start(.producer)
            try await run.expectConserved()
        }
    }

    /// New segments while lines come as fast as they are taken; then each line stands once in plain and gzipped files.
    @Test func f44SIGHUPUnderFullLoadLosesNothing() async throws {
        try await PipelineRun.with(["DRAIN": "80s"], x: { $0.rate = nil }) { run in
            let process = try run.producer
            for _ in 0..<12 {
                try await run.expectLines(200)
                let open = try openSegment(run)
                process.send(SIGHUP)
                try await run.expect("a new segment") { try openSegment(run) > open }
            }
            run.x.stopFeed()
            try await run.expect("all lines") { run.x.isDrained }
            let count = run.written
            // What X has sent may not be read yet. The other two are events: the start, and the connection.
            try await run.expect("all lines in the journal") { try run.status().lastSeq >= count + 2 }
            try await run.expect("a gzipped file") { try run.status().archived.segments > 0 }
            process.send(SIGTERM)
            try await run.expect("the end") { process.exit != nil }
            #expect(process.exit == .status(0))
            let folder = run.pipeline.journalFolder + "/default"
            // The receipts of a file are beside it; lines are in all others.
            let script = "cd \"$0\"; cat *.jsonl; ls archive/*.jsonl.gz | grep -v receipts | xargs zcat"
            let lines = try await blocking {
                try ChildProcess.run(ChildCommand("/bin/sh", ["-ec", script, folder])).output.split(separator: "\n")
            }
            #expect(lines.count { !$0.hasPrefix("{\"pipeline_event\"") } == count)
            let status = try run.status()
            #expect(lines.count == status.lastSeq, "every number stands for one line")
            #expect(status.archived.segments + status.segments > 10)
            let verdict = try JournalVerification(folder: run.pipeline.journalFolder, stream: "default")
            #expect(verdict.problems.isEmpty && verdict.lines == status.lastSeq)
        }
    }

    /// The number with which the open segment begins; 0 while there is none.
    private func openSegment(_ run: PipelineRun) throws -> Int64 {
        let names = try FileManager.default.contentsOfDirectory(atPath: run.pipeline.journalFolder + "/default")
        return names.filter { $0.hasSuffix(".jsonl") }.compactMap { Int64($0.dropLast(6)) }.max() ?? 0
    }

    /// SIGHUP asks for a segment. It reads no settings, so a file that is broken by then changes nothing before a start.
    @Test func f44SIGHUPWithABrokenFileOfSettingsChangesNothing() async throws {
        let folder = try TemporaryFolder()
        try folder.write("batch_size: 50\n", to: "settings.yaml")
        let settings = ["TWEET_PIPELINE_CONFIG": folder.path + "/settings.yaml"]
        try await PipelineRun.with(startsProducer: false) { run in
            try run.pipeline.start(.producer, settings: settings)
            try await run.expectLines(50)
            try folder.write("batch_size: [\n", to: "settings.yaml")
            let process = try run.producer
            process.send(SIGHUP)
            try await run.expect("a segment") { try run.status().archived.segments == 1 }
            try await run.expectLines(50)
            #expect(process.exit == nil && run.x.connections.count == 1)
            #expect(run.lines("\"level\":\"error\"").isEmpty)
            try folder.write("batch_size: 50\n", to: "settings.yaml")
            try await run.expectConserved()
        }
    }
}
