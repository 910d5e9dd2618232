import Core
import Foundation
import Sandbox
import TestSupport
import Testing

/// The Kafka and PostgreSQL that all rows share; each row has its own topic and database there.
private enum Shared {
    static let sandboxes = Result { (kafka: try KafkaSandboxProcess(), postgres: try PostgresSandbox()) }
}

/// One row of the fault matrix: X, both services as processes, and the judge.
struct FaultRun: Sendable {
    let pipeline: LocalPipeline
    var x: XSimulator { pipeline.simulator }

    /// Runs `body` against a pipeline whose services have started, and ends it on every way out.
    ///
    /// X sends 100 tweets a second and keeps none for those who are away, unless `change` says otherwise. The services
    /// have short ladders; `settings` are theirs, and an empty one is not set. `kafka` is a broker of its own.
    static func with(
        _ settings: [String: String] = [:], x change: (inout XSimulator.Configuration) -> Void = { _ in },
        rules: [String] = ["pipeline"], startsProducer: Bool = true, kafka: KafkaSandboxProcess? = nil,
        _ body: (FaultRun) async throws -> Void
    ) async throws {
        var configuration = XSimulator.Configuration()
        configuration.rate = 100
        configuration.losesWhileAway = true
        configuration.keepAlive = .milliseconds(300)
        configuration.enforcesRateLimits = false
        change(&configuration)
        let short = [
            "X_BACKOFF_SCALE": "0.01", "X_CONNECT_BUDGET": "100000", "X_LOCK_DIR": "/tmp", "LOG_FORMAT": "json",
        ]
        let sandboxes = try Shared.sandboxes.get()
        let run = try await blocking { [configuration] in
            FaultRun(
                pipeline: try LocalPipeline(
                    configuration, bootstrapServers: (kafka ?? sandboxes.kafka).bootstrapServers,
                    postgres: sandboxes.postgres, settings: short.merging(settings) { $1 }))
        }
        do {
            run.x.addRules(rules.map { ($0, $0) })
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

    /// Starts the producer on a disk whose fdatasync(2) behaves as an injection of strace(1) says, by thread.
    func startProducer(fdatasync injection: String) throws {
        // Other calls do not stop for it; the producer keeps its own process number (-D), and its children are none.
        let strace = ["strace", "-D", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=fdatasync"]
        try pipeline.start(.producer, under: strace + ["-e", "inject=fdatasync:\(injection)"])
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

    /// What the producer has logged.
    var log: String { pipeline.log(of: .producer) }

    /// The producer's log lines that have all of these texts.
    func lines(_ texts: String...) -> [Substring] {
        log.split(separator: "\n").filter { line in texts.allSatisfy { line.contains($0) } }
    }

    /// The waits that the producer has announced for a cause, in order.
    func waits(_ cause: String) -> [Duration] { Self.waits(cause, in: log) }

    /// The waits that a producer has announced in its log, for a cause or for all, in order.
    static func waits(_ cause: String?, in log: String) -> [Duration] {
        let lines = log.split(separator: "\n").filter { line in
            cause.map { line.contains("\"cause\":\"\($0)\"") } ?? true
        }
        return lines.compactMap { line in
            line.split(separator: "\"next_attempt_in\":\"").dropFirst().first?.split(separator: "\"").first
        }.compactMap { text in
            if text.hasSuffix("ms") { return Int64(text.dropLast(2)).map { .milliseconds($0) } }
            return text.hasSuffix("s") ? Double(text.dropLast()).map { .seconds($0) } : nil
        }
    }

    /// The answer of a query.
    func query(_ sql: String) async throws -> String {
        try await blocking { try pipeline.query(sql) }
    }

    /// Waits until a query answers with these rows: events take another way than tweets, and may be later.
    func expect(
        _ sql: String, _ rows: [String], at location: SourceLocation = #_sourceLocation
    ) async throws {
        let deadline = ContinuousClock.now + .seconds(90)
        var answer = try await query(sql)
        while answer != rows.joined(separator: "\n"), ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(100))
            answer = try await query(sql)
        }
        #expect(answer == rows.joined(separator: "\n"), "\(sql)", sourceLocation: location)
    }

    /// Waits until these are the causes of the declared gaps, in order.
    func expectGaps(_ causes: [String], at location: SourceLocation = #_sourceLocation) async throws {
        try await expect("SELECT cause FROM stream_gaps ORDER BY opened_seq", causes, at: location)
    }

    /// The quiet phase: faults end, a fresh tweet arrives in time, the feed stops, and the judge finds nothing wrong.
    @discardableResult
    func expectConserved(at location: SourceLocation = #_sourceLocation) async throws -> PipelineOutcome {
        x.clearFaults()
        let fresh = x.issuedCount
        try await expect("the stream goes on", at: location) {
            x.connections.contains { $0.written.last.map { $0.index >= fresh } == true }
        }
        let written = try #require(
            x.connections.flatMap(\.written).first { $0.index >= fresh && x.id(ofLine: $0.index) != nil },
            sourceLocation: location)
        let id = try #require(x.id(ofLine: written.index))
        try await expect("a fresh tweet is stored", at: location) {
            try pipeline.query("SELECT 1 FROM tweets WHERE id = \(id)") == "1"
        }
        x.stopFeed()
        return try await judged(at: location)
    }

    /// Waits until the judge finds nothing wrong with what has been written so far.
    @discardableResult
    func judged(at location: SourceLocation = #_sourceLocation) async throws -> PipelineOutcome {
        let deadline = ContinuousClock.now + .seconds(90)
        var outcome = try await blocking { try pipeline.outcome() }
        while !outcome.verdict.isClean, ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(100))
            outcome = try await blocking { try pipeline.outcome() }
        }
        let verdict = outcome.verdict
        #expect(verdict.missing.isEmpty, "missing; \(details)", sourceLocation: location)
        #expect(verdict.undeclared.isEmpty, "undeclared; \(details)", sourceLocation: location)
        #expect(verdict.doubled.isEmpty && verdict.strangers.isEmpty, sourceLocation: location)
        #expect(verdict.received > 0, "nothing was sent, so this shows nothing", sourceLocation: location)
        return outcome
    }

    private var details: Comment {
        let gaps = (try? pipeline.query("SELECT started_at, ended_at, cause, newest_id FROM stream_gaps")) ?? ""
        let connections = x.connections.map { "\($0.startedAt)–\($0.endedAt?.description ?? "") \($0.ending)" }
        return "gaps: \(gaps)\nconnections: \(connections)\n\(Comment(rawValue: String(log.suffix(2000))))"
    }
}

/// Runs what blocks on a thread of its own, so that the simulator keeps its threads.
func blocking<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { done in
        Thread.detachNewThread { done.resume(with: Result { try body() }) }
    }
}

extension Duration {
    /// From one moment to another.
    static func between(_ start: Timestamp, _ end: Timestamp) -> Duration {
        .milliseconds(end.milliseconds - start.milliseconds)
    }
}
