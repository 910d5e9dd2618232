import Core
import Foundation
import Journal
import Sandbox
import TestSupport
import Testing

/// X, Kafka, PostgreSQL, both services as processes, and the judge.
package struct PipelineRun: Sendable {
    /// The Kafka that runs of this process share; each has its own topic there.
    package static let kafka = Result { try KafkaSandboxProcess() }
    /// The PostgreSQL that runs of this process share; each has its own database there.
    package static let postgres = Result { try PostgresSandbox() }
    /// A database with the tables, for runs to copy: making them takes longer.
    private static let template = Result {
        let (server, name) = (try postgres.get(), "template_of_runs")
        let settings = ["DATABASE_URL": try server.createDatabase(name)]
        let (exit, output) = try ChildProcess.run(ChildCommand(service: .loader, ["migrate"], settings: settings))
        guard exit == .status(0) else { throw Failure(.unavailable, "tweet-loader migrate: \(exit): \(output)") }
        return name
    }

    package let pipeline: LocalPipeline
    /// The simulator of X.
    package var x: XSimulator { pipeline.simulator }
    /// Nil for the one that runs share.
    private let broker: Broker?
    private let folder: TemporaryFolder?

    /// Runs `body` against a pipeline whose services have started, and ends it on every way out.
    ///
    /// X sends 100 tweets a second unless `change` says otherwise. The services have short ladders.
    ///
    /// - Parameters:
    ///   - settings: of the services, by environment name; an empty one is not set.
    ///   - losesWhileAway: whether X drops what is due while nobody listens, as it does on self-serve plans.
    ///   - properties: librdkafka's, of both services.
    ///   - servers: Kafka's addresses; those of the shared one when nil.
    ///   - change: of the simulator.
    ///   - rules: at X; each is the value and the tag.
    ///   - startsProducer: whether the producer is started, too; the loader always is.
    ///   - body: the test.
    /// - Throws: what `body` throws, or `Failure` with what could not be started.
    package static func with(
        _ settings: [String: String] = [:], losesWhileAway: Bool = false, properties: [String: String] = [:],
        servers: String? = nil, x change: (inout XSimulator.Configuration) -> Void = { _ in },
        rules: [String] = ["pipeline"], startsProducer: Bool = true, _ body: (PipelineRun) async throws -> Void
    ) async throws {
        var configuration = XSimulator.Configuration()
        configuration.rate = 100
        configuration.losesWhileAway = losesWhileAway
        configuration.keepAlive = .milliseconds(300)
        configuration.enforcesRateLimits = false
        change(&configuration)
        let run = try await make(
            configuration, servers: try servers ?? kafka.get().bootstrapServers, settings, properties: properties)
        try await run.use {
            run.x.addRules(rules.map { ($0, $0) })
            try run.pipeline.start(.loader)
            if startsProducer { try run.pipeline.start(.producer) }
            try await body(run)
        }
    }

    /// Runs `body` against a pipeline with a Kafka and a PostgreSQL of its own, which the test may stop; starts only X.
    ///
    /// - Parameters:
    ///   - configuration: how X behaves.
    ///   - partitions: of the topic of tweets.
    ///   - settings: more settings of both services, by environment name.
    ///   - body: the test.
    /// - Throws: what `body` throws, or `Failure` with what could not be started.
    package static func alone(
        _ configuration: XSimulator.Configuration, partitions: Int = 12, settings: [String: String] = [:],
        _ body: (PipelineRun) async throws -> Void
    ) async throws {
        let broker = try await blocking { try Broker(partitions: partitions) }
        let usual = [
            "X_BACKOFF_SCALE": "0.05", "X_CONNECT_BUDGET": "100000", "LOG_FORMAT": "text", "KAFKA_TOPIC": broker.topic,
        ].merging(settings) { $1 }
        let pipeline = try await blocking {
            try LocalPipeline(configuration, bootstrapServers: broker.servers, settings: usual)
        }
        let run = PipelineRun(pipeline: pipeline, broker: broker, folder: nil)
        try await run.use { try await body(run) }
    }

    private func use(_ body: () async throws -> Void) async throws {
        do {
            try await pipeline.start()
            try await body()
        } catch {
            await end()
            throw error
        }
        await end()
    }

    private static func make(
        _ configuration: XSimulator.Configuration, servers: String, _ settings: [String: String],
        properties: [String: String]
    ) async throws -> PipelineRun {
        let folder = try TemporaryFolder()
        // A broker that is back is to be noticed soon; librdkafka looks every 10 s else.
        let all = ["reconnect.backoff.max.ms": "500"].merging(properties) { $1 }
        try folder.write(all.map { "\($0.key)=\($0.value)\n" }.joined(), to: "kafka.properties")
        let usual = [
            "X_BACKOFF_SCALE": "0.01", "X_CONNECT_BUDGET": "100000", "LOG_FORMAT": "json", "MALLOC_ARENA_MAX": "2",
            "KAFKA_PROPERTIES_FILE": folder.path + "/kafka.properties",
        ].merging(settings) { $1 }
        let pipeline = try await blocking {
            try LocalPipeline(
                configuration, bootstrapServers: servers, postgres: postgres.get(), template: template.get(),
                settings: usual)
        }
        return PipelineRun(pipeline: pipeline, broker: nil, folder: folder)
    }

    private func end() async {
        _ = try? await blocking {
            pipeline.stop()
            broker?.stop()
        }
        await x.stop()
    }

    /// Halts the Kafka of this run alone as SIGSTOP does, or resumes it.
    package func setKafkaHalted(_ isHalted: Bool) {
        broker?.setHalted(isHalted)
    }

    /// Waits until something holds; records an issue with the producer's log when it does not.
    ///
    /// - Parameters:
    ///   - what: what is awaited.
    ///   - patience: how long.
    ///   - location: of the test.
    ///   - condition: as of `eventually`.
    /// - Throws: `Failure` (unavailable) when it does not hold in time.
    package func expect(
        _ what: Comment, within patience: Duration = .seconds(90), at location: SourceLocation = #_sourceLocation,
        _ condition: () async throws -> Bool
    ) async throws {
        if try await holds(within: patience, condition) { return }
        Issue.record("\(what): not within \(patience)\n\(logs)", sourceLocation: location)
        throw Failure(.unavailable, "\(what)")
    }

    /// Waits until X has written so many more lines.
    package func expectLines(_ count: Int, at location: SourceLocation = #_sourceLocation) async throws {
        let before = written
        try await expect("\(count) lines more", at: location) { written >= before + count }
    }

    /// How many lines X has written, repeats included.
    package var written: Int { x.connections.reduce(0) { $0 + $1.written.count } }

    /// What the producer has logged.
    package var log: String { pipeline.log(of: .producer) }

    /// The producer's log lines that have all of these texts.
    package func lines(_ texts: String...) -> [Substring] {
        log.split(separator: "\n").filter { line in texts.allSatisfy { line.contains($0) } }
    }

    /// The producer, which must have been started.
    package var producer: ChildProcess {
        get throws { try #require(pipeline.process(of: .producer)) }
    }

    /// Starts the loader on a broker of its own; a short session lets the group notice soon that its predecessor was killed.
    package func startLoader() throws {
        // The last of several values of a property counts.
        let session = "exec \"$@\" -X session.timeout.ms=\(broker?.sessionTimeout ?? 4000)"
        try pipeline.start(.loader, under: ["/bin/sh", "-c", session, "sh"])
    }

    /// Kills the producer, and waits until X has noticed: it lets nobody else in before.
    package func killProducer(at location: SourceLocation = #_sourceLocation) async throws {
        try await blocking { pipeline.kill(.producer) }
        try await expect("X's end of the connection", at: location) { !x.connections.contains { $0.ending == .open } }
    }

    /// What `journal status` reports.
    package func status() throws -> JournalStatus {
        try JournalStatus(folder: pipeline.journalFolder, stream: "default", quota: nil)
    }

    /// The answer of a query.
    package func query(_ sql: String) async throws -> String {
        try await blocking { try pipeline.query(sql) }
    }

    /// Waits until a query answers with these rows: events take another way than tweets, and may be later.
    package func expect(
        _ sql: String, _ rows: [String], at location: SourceLocation = #_sourceLocation
    ) async throws {
        var answer = ""
        _ = try await holds {
            answer = try await query(sql)
            return answer == rows.joined(separator: "\n")
        }
        #expect(answer == rows.joined(separator: "\n"), "\(sql)\n\(details)", sourceLocation: location)
    }

    /// Waits until these are the causes of the declared gaps, in order.
    package func expectGaps(_ causes: [String], at location: SourceLocation = #_sourceLocation) async throws {
        try await expect("SELECT cause FROM stream_gaps ORDER BY opened_seq", causes, at: location)
    }

    /// The ends of both services' logs.
    package var logs: String { "\(log.suffix(3000))\n\(pipeline.log(of: .loader).suffix(3000))" }

    /// What a failure shows beside its values.
    var details: Comment {
        let gaps = (try? pipeline.query("SELECT started_at, ended_at, cause, newest_id FROM stream_gaps")) ?? ""
        let connections = x.connections.map { "\($0.startedAt)–\($0.endedAt?.description ?? "") \($0.ending)" }
        return "gaps: \(gaps)\nconnections: \(connections)\n\(Comment(rawValue: logs))"
    }
}
