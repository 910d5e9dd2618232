import Core
import Foundation
import Journal
import Sandbox
import TestSupport
import Testing

/// The Kafka and PostgreSQL that the rows share; each row has its own topic and database there.
enum Shared {
    static let kafka = Result { try KafkaSandboxProcess() }
    static let postgres = Result { try PostgresSandbox() }
}

/// One row of the fault matrix: X, both services as processes, and the judge.
struct ProducerRun: Sendable {
    let pipeline: LocalPipeline
    var x: XSimulator { pipeline.simulator }

    /// Runs `body` against a pipeline whose loader has started, and whose producer has unless told otherwise; ends it on
    /// every way out.
    ///
    /// X sends 100 tweets a second and keeps those for whoever is away, unless `change` says otherwise.
    ///
    /// - Parameters:
    ///   - settings: of the services, by environment name.
    ///   - properties: librdkafka's, of both services.
    ///   - servers: Kafka's addresses; those of the shared one when nil.
    ///   - change: of the simulator.
    ///   - startsProducer: whether the producer is started, as it is everywhere.
    ///   - body: the row.
    /// - Throws: what `body` throws, or `Failure` with what could not be started.
    static func with(
        _ settings: [String: String] = [:], properties: [String: String] = [:], servers: String? = nil,
        x change: (inout XSimulator.Configuration) -> Void = { _ in }, startsProducer: Bool = true,
        _ body: (ProducerRun) async throws -> Void
    ) async throws {
        var configuration = XSimulator.Configuration()
        configuration.rate = 100
        configuration.keepAlive = .milliseconds(300)
        configuration.enforcesRateLimits = false
        change(&configuration)
        let folder = try TemporaryFolder()
        // A broker that is back is to be noticed soon; librdkafka looks every 10 s else.
        let all = ["reconnect.backoff.max.ms": "500"].merging(properties) { $1 }
        try folder.write(all.map { "\($0.key)=\($0.value)\n" }.joined(), to: "kafka.properties")
        let usual = [
            "X_BACKOFF_SCALE": "0.01", "X_CONNECT_BUDGET": "100000", "LOG_FORMAT": "json", "MALLOC_ARENA_MAX": "2",
            "KAFKA_PROPERTIES_FILE": folder.path + "/kafka.properties",
        ]
        let (kafka, postgres) = (try servers ?? Shared.kafka.get().bootstrapServers, try Shared.postgres.get())
        let run = try await blocking { [configuration] in
            ProducerRun(
                pipeline: try LocalPipeline(
                    configuration, bootstrapServers: kafka, postgres: postgres,
                    settings: usual.merging(settings) { $1 }))
        }
        do {
            run.x.addRules([("pipeline", "pipeline")])
            try await run.pipeline.start()
            try run.pipeline.start(.loader)
            if startsProducer { try run.pipeline.start(.producer) }
            try await body(run)
        } catch {
            await run.end()
            throw error
        }
        await run.end()
    }

    private func end() async {
        _ = try? await blocking { pipeline.stop() }
        await x.stop()
    }

    /// Waits until something holds; records an issue with the producer's log when it does not.
    func expect(
        _ what: Comment, within patience: Duration = .seconds(90), at location: SourceLocation = #_sourceLocation,
        _ condition: @Sendable () throws -> Bool
    ) async throws {
        if try await holds(within: patience, condition) { return }
        Issue.record("\(what): not within \(patience)\n\(log.suffix(3000))", sourceLocation: location)
        throw Failure(.unavailable, "\(what)")
    }

    /// Waits until X has written so many more lines.
    func expectLines(_ count: Int, at location: SourceLocation = #_sourceLocation) async throws {
        let before = written
        try await expect("\(count) lines more", at: location) { written >= before + count }
    }

    /// How many lines X has written, repeats included.
    var written: Int { x.connections.reduce(0) { $0 + $1.written.count } }

    /// What the producer has logged.
    var log: String { pipeline.log(of: .producer) }

    /// The producer's log lines that have all of these texts.
    func lines(_ texts: String...) -> [Substring] {
        log.split(separator: "\n").filter { line in texts.allSatisfy { line.contains($0) } }
    }

    /// The producer, which must have been started.
    var producer: ChildProcess {
        get throws { try #require(pipeline.process(of: .producer)) }
    }

    /// Kills the producer, and waits until X has noticed: it lets nobody else in before.
    func killProducer(at location: SourceLocation = #_sourceLocation) async throws {
        try await blocking { pipeline.kill(.producer) }
        try await expect("X's end of the connection", at: location) { !x.connections.contains { $0.ending == .open } }
    }

    /// What `journal status` says.
    func status() throws -> JournalStatus {
        try JournalStatus(folder: pipeline.journalFolder, stream: "default", quota: nil)
    }

    /// The number with which the open segment begins; 0 while there is none.
    func openSegment() throws -> Int64 {
        let names = try FileManager.default.contentsOfDirectory(atPath: pipeline.journalFolder + "/default")
        return names.filter { $0.hasSuffix(".jsonl") }.compactMap { Int64($0.dropLast(6)) }.max() ?? 0
    }

    /// Waits until the services have taken all that X wrote, after it has stopped issuing, and judges by its record: all
    /// is stored once, or rejected, or in a declared gap.
    func expectConserved(at location: SourceLocation = #_sourceLocation) async throws {
        x.clearFaults()
        let before = written
        try await expect("the stream goes on", at: location) { written >= before + 20 }
        x.stopFeed()
        let deadline = ContinuousClock.now + .seconds(90)
        var outcome = try await blocking { try pipeline.outcome() }
        var isWhole = try await isLedgerWhole()
        while !outcome.verdict.isClean || !isWhole, ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(100))
            outcome = try await blocking { try pipeline.outcome() }
            isWhole = try await isLedgerWhole()
        }
        let verdict = outcome.verdict
        #expect(verdict.missing.isEmpty, "missing; \(details)", sourceLocation: location)
        #expect(verdict.undeclared.isEmpty, "undeclared; \(details)", sourceLocation: location)
        #expect(verdict.doubled.isEmpty && verdict.strangers.isEmpty, sourceLocation: location)
        #expect(verdict.received > 0, "nothing was sent, so this shows nothing", sourceLocation: location)
        #expect(isWhole, "the ledger has holes; \(details)", sourceLocation: location)
    }

    /// Whether the ledger names no number as missing.
    private func isLedgerWhole() async throws -> Bool {
        try await blocking { (try? pipeline.run(.loader, ["verify"]).contains("none missing")) == true }
    }

    private var details: Comment {
        let gaps = (try? pipeline.query("SELECT started_at, ended_at, cause, newest_id FROM stream_gaps")) ?? ""
        let loader = pipeline.log(of: .loader).suffix(2000)
        return "gaps: \(gaps)\n\(Comment(rawValue: "\(log.suffix(2000))\n\(loader)"))"
    }

    /// The answer of a query.
    func query(_ sql: String) async throws -> String {
        try await blocking { try pipeline.query(sql) }
    }

    /// Waits until a query answers with this.
    func expect(_ sql: String, _ wanted: String, at location: SourceLocation = #_sourceLocation) async throws {
        let deadline = ContinuousClock.now + .seconds(90)
        var answer = try await query(sql)
        while answer != wanted, ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(100))
            answer = try await query(sql)
        }
        #expect(answer == wanted, "\(sql)\n\(details)", sourceLocation: location)
    }
}

/// Runs what blocks on a thread of its own, so that the simulator keeps its threads.
func blocking<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { done in
        Thread.detachNewThread { done.resume(with: Result { try body() }) }
    }
}

extension ChildProcess {
    /// A number of kibibytes from the process's status (proc(5)), such as `VmHWM`, in bytes; 0 when it is not there.
    func memory(_ name: String) -> Int {
        let status = (try? readTextFile("/proc/\(processID)/status")) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("\(name):") } ?? ""
        return (line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 1024
    }

    /// How many descriptors it has open.
    var descriptors: Int {
        ((try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(processID)/fd")) ?? []).count
    }

    /// Changes its limits while it runs, as `prlimit --pid` does.
    func limit(_ options: String...) throws {
        let (exit, output) = try ChildProcess.run(
            ChildCommand("/usr/bin/prlimit", ["--pid", "\(processID)"] + options))
        guard exit == .status(0) else { throw Failure(.unavailable, "prlimit: \(output)") }
    }
}
