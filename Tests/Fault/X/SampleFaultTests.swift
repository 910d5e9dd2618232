import Core
import Glibc
import Harness
import Sandbox
import TestSupport
import Testing

/// F81: sample streams, which have no rules, and partitions, each with a connection, a stream name and a ledger of its own.
@Suite(.serialized, .timeLimit(.minutes(5))) struct SampleFaultTests {
    private static let enterprise = ["X_PLAN": "enterprise", "X_STREAM": "sample10", "X_REPAIR": "off"]

    /// A producer of a partition beside others, as a process of its own.
    private func startProducer(_ partition: Int, _ run: PipelineRun, _ log: String) throws -> ChildProcess {
        let settings = Self.enterprise.merging(["X_PARTITION": "\(partition)", "STREAM_NAME": "sample10-\(partition)"])
        { $1 }
        var command = try ChildCommand(
            service: .producer, ["run"], settings: run.pipeline.environment.merging(settings) { $1 })
        command.output = .file(log)
        return try ChildProcess(command)
    }

    /// Everything that X has written is stored, once, and every stream has written something.
    private func expectStored(_ streams: [SimulatedStream], _ run: PipelineRun) async throws {
        var outcome = try await blocking { try run.pipeline.outcome() }
        _ = try await holds {
            outcome = try await blocking { try run.pipeline.outcome() }
            return outcome.verdict.isClean
        }
        #expect(outcome.verdict.isClean, "\(outcome.verdict.missing.count) missing")
        #expect(streams.allSatisfy { !run.x.issuedIDs(of: $0).isEmpty })
        #expect(outcome.verdict.received == streams.reduce(0) { $0 + run.x.issuedIDs(of: $1).count })
    }

    @Test func f81PartitionsOfASampleAreStoredAsMatchedByTheirStreams() async throws {
        try await PipelineRun.with(x: { $0.redelivery = .seconds(5) }, rules: [], startsProducer: false) { run in
            let folder = try TemporaryFolder()
            let logs = (1...2).map { folder.path + "/\($0).log" }
            var producers = try (1...2).map { try startProducer($0, run, logs[$0 - 1]) }
            defer { for producer in producers { producer.kill() } }
            let streams = (1...2).map { SimulatedStream.sample10(partition: $0) }
            try await run.expect("lines of both partitions") {
                streams.allSatisfy { stream in run.x.connections(of: stream).contains { $0.written.count > 100 } }
            }
            // One is killed, and starts again; a connection of the other is reset.
            let killed = producers[0]
            _ = try await blocking { killed.kill() }
            try await run.expect("X's end of the connection") {
                !run.x.connections(of: streams[0]).contains { $0.ending == .open }
            }
            producers[0] = try startProducer(1, run, logs[0])
            run.x.inject(Fault(.reset, after: 20))
            try await run.expect("connections again") {
                streams.allSatisfy { stream in run.x.connections(of: stream).last.map { $0.written.count > 50 } == true
                }
                    && streams.contains { stream in run.x.connections(of: stream).contains { $0.ending == .reset } }
            }
            run.x.stopFeed()
            try await run.expect("the ends of the feeds") { streams.allSatisfy(run.x.isDrained) }
            try await expectStored(streams, run)
            try await expectRecords(run)
            try await expectEnd(producers)
            let verified = try await blocking { try run.pipeline.run(.loader, ["verify"]) }
            #expect(verified.contains("none missing"), "\(verified)")
        }
    }

    private func expectEnd(_ producers: [ChildProcess]) async throws {
        for producer in producers {
            let exit = try await blocking { producer.terminate(grace: .seconds(35)) }
            #expect(exit == .status(0))
        }
    }

    /// What the database says: matched by the stream, which is in the place of the rule, and a ledger for each stream.
    private func expectRecords(_ run: PipelineRun) async throws {
        let asked = "SELECT stream, rule_id, value, seen_until IS NULL FROM rules ORDER BY stream"
        try await run.expect(
            asked,
            (1...2).map { "sample10-\($0)|0|GET /2/tweets/sample10/stream?partition=\($0)|t" })
        let unmatched = """
            SELECT count(*) FROM tweets t WHERE matched AND NOT EXISTS (
                SELECT FROM matched_rules m WHERE m.tweet_id = t.id AND m.rule_id = 0 AND m.stream = t.stream
                    AND m.value LIKE '%partition=' || right(t.stream, 1))
            """
        try await run.expect(unmatched, ["0"])
        try await run.expect("SELECT DISTINCT stream FROM stream_ledger ORDER BY 1", ["sample10-1", "sample10-2"])
    }

    /// A sample beside the filtered stream: posts that both bring are one row with both matches.
    @Test func f81ASampleBesideTheFilteredStreamKeepsItsOwnLedger() async throws {
        let settings = ["X_PLAN": "enterprise", "X_REPAIR": "off"]
        let lines = (0..<400).map { number in
            Array(
                "{\"data\":{\"id\":\"\(1_800_000_000_000_000_000 + number)\",\"text\":\"t\"},\"matching_rules\":[{\"id\":\"5\"}]}"
                    .utf8)
        }
        try await PipelineRun.with(settings, x: { $0.feed = .lines(lines) }, rules: ["pipeline"], startsProducer: false)
        {
            run in
            let folder = try TemporaryFolder()
            let more = ["STREAM_NAME": "sample", "X_STREAM": "sample"]
            var command = try ChildCommand(
                service: .producer, ["run"], settings: run.pipeline.environment.merging(more) { $1 })
            command.output = .file(folder.path + "/log")
            let sample = try ChildProcess(command)
            defer { sample.kill() }
            try run.pipeline.start(.producer)
            let sql = "SELECT stream, count(DISTINCT tweet_id) FROM tweet_rules GROUP BY stream ORDER BY stream"
            try await run.expect(sql, ["default|400", "sample|400"])
            #expect(try await run.query("SELECT count(*) FROM tweets") == "400")
            try await run.expect("SELECT DISTINCT stream FROM stream_ledger ORDER BY 1", ["default", "sample"])
        }
    }
}

/// F79: one token for a filtered and a sample stream of an account that has one connection.
@Suite(.serialized, .ownThreads, .timeLimit(.minutes(4))) struct SampleCredentialTests {
    @Test func f79ASecondKindOfStreamWithTheSameTokenIsRejectedAtRun() async throws {
        try await PipelineRun.with { run in
            try await run.expect("posts") { run.written > 10 }
            let more = ["STREAM_NAME": "sample", "X_STREAM": "sample"]
            let folder = try TemporaryFolder()
            var command = try ChildCommand(
                service: .producer, ["run"], settings: run.pipeline.environment.merging(more) { $1 })
            command.output = .file(folder.path + "/log")
            let second = try ChildProcess(command)
            defer { second.kill() }
            let exit = try await blocking { second.wait(timeout: .seconds(60)) }
            let log = (try? readTextFile(folder.path + "/log")) ?? ""
            #expect(exit == .status(75) && log.contains("stream default"), "\(log)")
            #expect(run.x.connections(of: .sample).isEmpty)
        }
    }
}
