import Core
import Foundation
import Glibc
import Harness
import Operations
import Sandbox
import TestSupport
import Testing

/// Health of a running pipeline while its parts hang.
@Suite(.serialized, .timeLimit(.minutes(6))) struct HealthTests {
    /// Limits that a test can wait for, longer than the 10 s after which the producer looks at the loaders again.
    private static let quick = ["HEARTBEAT": "1s", "HEALTH_DEGRADED_AFTER": "12s", "HEALTH_FAILING_AFTER": "2m"]

    private func ask(_ address: String) async throws -> HealthAnswer { try await HealthAnswer(of: address) }

    /// Waits until a check has a status; the service answers each question on the way, whatever hangs.
    private func expect(
        _ address: String, _ check: String, _ status: HealthCheck.Status, at location: SourceLocation = #_sourceLocation
    ) async throws {
        var (report, isAnswered) = (HealthReport?.none, true)
        let isSeen = try await holds(within: .seconds(90)) {
            let found = try await ask(address)
            report = found.report
            isAnswered = isAnswered && report != nil
            return found.status(of: check) == status
        }
        #expect(isSeen, "\(check): \(report?.text ?? "no answer")", sourceLocation: location)
        #expect(isAnswered, sourceLocation: location)
    }

    @Test(.enabled(if: !Broker.isReal, "a real broker cannot be halted"))
    func f94WhileAPartHangsHealthAnswersAndNamesIt() async throws {
        let (producer, loader) = ("127.0.0.1:\(try freePort())", "127.0.0.1:\(try freePort())")
        var configuration = XSimulator.Configuration()
        configuration.rate = 20
        configuration.keepAlive = .milliseconds(300)
        configuration.enforcesRateLimits = false
        let settings = Self.quick.merging(["DATABASE_TIMEOUT": "3s"]) { $1 }
        try await PipelineRun.alone(configuration, settings: settings) { run in
            run.x.addRules([("pipeline", "main")])
            try run.pipeline.start(.loader, settings: ["LISTEN": loader])
            try run.pipeline.start(.producer, settings: ["LISTEN": producer])
            try await run.expect("health") {
                let (first, second) = (try await ask(producer), try await ask(loader))
                let isLoaded = second.report?.checks.contains { $0.name == "heartbeat" && $0.value != nil } ?? false
                return first.isHealthy && second.isHealthy && isLoaded
            }
            try await haltServers(run, producer, loader)

            run.pipeline.process(of: .producer)?.send(SIGSTOP)
            try await expect(loader, "heartbeat", .degraded)
            run.pipeline.process(of: .producer)?.send(SIGCONT)
            try await expect(loader, "heartbeat", .ok)

            run.x.inject(Fault(.refuse, count: 1000, endpoint: "stream", answer: Refusal(status: 503, body: "{}")))
            run.x.inject(Fault(.close))
            try await expect(producer, "stream", .degraded)
            try await expect(loader, "stream", .degraded)
        }
    }

    /// Halts Kafka and then PostgreSQL, and resumes each.
    private func haltServers(_ run: PipelineRun, _ producer: String, _ loader: String) async throws {
        run.setKafkaHalted(true)
        try await expect(producer, "kafka", .degraded)
        try await expect(loader, "kafka", .degraded)
        #expect(try await ask(producer).status(of: "stream") == .ok)
        run.setKafkaHalted(false)
        try await expect(producer, "kafka", .ok)
        try await expect(loader, "kafka", .ok)

        let server = try processes(of: run.pipeline.postgres)
        for pid in server { kill(pid, SIGSTOP) }
        try await expect(loader, "postgresql", .degraded)
        #expect(try await ask(producer).status(of: "kafka") == .ok)
        try await expect(producer, "loader", .degraded)
        for pid in server { kill(pid, SIGCONT) }
        try await expect(loader, "postgresql", .ok)
        try await expect(loader, "heartbeat", .ok)
        try await expect(producer, "loader", .ok)

        run.pipeline.process(of: .loader)?.send(SIGSTOP)
        try await expect(producer, "loader", .degraded)
        run.pipeline.process(of: .loader)?.send(SIGCONT)
        try await expect(producer, "loader", .ok)
    }

    @Test("while X sends keep-alives and nothing else, both services are healthy, and heartbeats arrive at once")
    func aSilentXIsHealthy() async throws {
        let (producer, loader) = ("127.0.0.1:\(try freePort())", "127.0.0.1:\(try freePort())")
        var configuration = XSimulator.Configuration()
        configuration.feed = .generator(seed: 1, count: 0)
        configuration.keepAlive = .milliseconds(300)
        try await PipelineRun.alone(configuration, settings: Self.quick) { run in
            run.x.addRules([("pipeline", "main")])
            try run.pipeline.start(.loader, settings: ["LISTEN": loader])
            try run.pipeline.start(.producer, settings: ["LISTEN": producer])
            try await run.expect("ten heartbeats") {
                try await run.query("SELECT coalesce(max(seq), 0) > 12 FROM stream_state") == "t"
            }
            for address in [producer, loader] {
                let found = try await ask(address)
                #expect(found.isHealthy, "\(found.report?.text ?? "")")
            }
            #expect(try await run.query("SELECT connected, passive FROM stream_state") == "t|f")
            // No heartbeat is a row of its own, none is missing, and `verify --rows` misses none.
            #expect(try await run.query("SELECT count(*) FROM stream_events WHERE type = 'alive'") == "0")
            let verified = try await blocking { try run.pipeline.run(.loader, ["verify", "--rows", "--wait", "60s"]) }
            #expect(verified.contains("0 of them in no table"), "\(verified)")
            try await expectCommands(run, producer)
        }
    }

    /// `health` and `status --check`, as containers and monitors run them.
    private func expectCommands(_ run: PipelineRun, _ address: String) async throws {
        func exit(_ service: LocalPipeline.Service, _ arguments: [String]) async throws -> (ChildProcess.Exit, String) {
            let settings = run.pipeline.environment.merging(["LISTEN": address]) { $1 }
            return try await blocking {
                try ChildProcess.run(ChildCommand(service: service, arguments, settings: settings))
            }
        }
        let works = try await exit(.producer, ["health"])
        let isOK = try await ask(address).report?.status == .ok
        let line = isOK ? "tweet-producer OK - connected for " : "tweet-producer WARNING - the journal has "
        #expect(works.0 == .status(0) && works.1.hasPrefix(line), "\(works.1)")
        #expect(!isOK || works.1.contains("; Kafka is behind by "), "\(works.1)")
        #expect(works.1.contains(" | ") && works.1.contains("kafka="), "\(works.1)")
        let json = try await exit(.producer, ["health", "--json"])
        let status = isOK ? "ok" : "degraded"
        #expect(json.0 == .status(0) && json.1.contains(#""version":1"#) && json.1.contains(#""status":"\#(status)""#))
        let nobody = try await exit(.loader, ["health", "--listen", "127.0.0.1:\(try freePort())"])
        #expect(nobody.0 == .status(1) && nobody.1.contains("UNKNOWN - nothing answers at 127.0.0.1:"))
        #expect(try await exit(.loader, ["health", "--nagios", "--listen", "127.0.0.1:1"]).0 == .status(3))
        #expect(try await exit(.loader, ["health", "--listen", "off"]).1.contains("LISTEN is off"))
        #expect(try await exit(.loader, ["status", "--check", "--max-lag", "1000", "--max-age", "5m"]).0 == .status(0))
        #expect(run.pipeline.end(.loader) == .status(0))
        let stopped = try await exit(.loader, ["status", "--check"])
        #expect(stopped.0 == .status(1) && stopped.1.contains("check failed: no loader is running"))
        // Heartbeats go on, so there is a lag.
        try await run.expect("a lag") {
            try await exit(.loader, ["status", "--check", "--max-lag", "0"]).1.contains(
                "messages are not settled; the limit is 0")
        }
    }
}
