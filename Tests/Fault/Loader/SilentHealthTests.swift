import Core
import Foundation
import Glibc
import Harness
import Operations
import Sandbox
import TestSupport
import Testing

/// Health while X sends keep-alives and nothing else, and while one part after the other is frozen by SIGSTOP.
///
/// `HEALTH_MINUTES=10` looks for so long with the services' own limits; without it the silence is short, and so are the limits.
@Suite(.serialized, .timeLimit(.minutes(40))) struct SilentHealthTests {
    private static let minutes = ProcessInfo.processInfo.environment["HEALTH_MINUTES"].flatMap { Int($0) }
    /// The limit is longer than the 10 s after which the producer looks at the loaders again.
    private static let settings =
        minutes == nil
        ? ["HEARTBEAT": "1s", "HEALTH_DEGRADED_AFTER": "12s", "DATABASE_TIMEOUT": "3s"] : ["HEARTBEAT": "1s"]

    /// The addresses of both services.
    private struct Pair {
        let producer: String
        let loader: String
    }

    @Test(.enabled(if: !Broker.isReal, "a real broker cannot be frozen"))
    func healthNamesWhatIsFrozenAndNothingWhileXIsSilent() async throws {
        let pair = Pair(producer: "127.0.0.1:\(try freePort())", loader: "127.0.0.1:\(try freePort())")
        var configuration = XSimulator.Configuration()
        configuration.feed = .generator(seed: 1, count: 0)
        configuration.keepAlive = Self.minutes == nil ? .milliseconds(500) : .seconds(20)
        try await PipelineRun.alone(configuration, settings: Self.settings) { run in
            run.x.addRules([("pipeline", "main")])
            try run.pipeline.start(.loader, settings: ["LISTEN": pair.loader])
            try run.pipeline.start(.producer, settings: ["LISTEN": pair.producer])
            try await run.expect("health") {
                let answers = [try await HealthAnswer(of: pair.producer), try await HealthAnswer(of: pair.loader)]
                let isLoaded = answers[1].check("heartbeat")?.value != nil
                return answers.allSatisfy(\.isHealthy) && isLoaded
            }
            try await staySilent(run, pair)
            try await freezeEach(run, pair)
        }
    }

    /// Looks at both services and at each heartbeat in PostgreSQL; nothing may be pending, and nobody may be late.
    private func staySilent(_ run: PipelineRun, _ pair: Pair) async throws {
        let end = ContinuousClock.now + .seconds(Self.minutes.map { $0 * 60 } ?? 8)
        var delays: [Int: Double] = [:]
        var oldest = 0.0
        while ContinuousClock.now < end {
            for address in [pair.producer, pair.loader] {
                let answer = try await HealthAnswer(of: address)
                #expect(answer.isHealthy, "\(answer.report?.text ?? "no answer")")
                for name in ["kafka", "lag"] { oldest = max(oldest, answer.check(name)?.value ?? 0) }
            }
            let row = try await run.query(
                "SELECT seq, extract(epoch FROM settled_at - alive_at) FROM stream_state ORDER BY settled_at DESC LIMIT 1"
            )
            let values = row.split(separator: "|")
            if let seq = values.first.flatMap({ Int($0) }), let delay = values.last.flatMap({ Double($0) }) {
                delays[seq] = delay
            }
            try await Task.sleep(for: .milliseconds(200))
        }
        let sorted = delays.values.sorted()
        let late = sorted[min(sorted.count - 1, sorted.count * 99 / 100)]
        print(
            "silent X: \(sorted.count) heartbeats, delay p50 \(sorted[sorted.count / 2]) s, p99 \(late) s, oldest pending"
                + " \(oldest) s")
        // A heartbeat itself is pending for as long as it needs. The machine of the tests is shared.
        #expect(late < (Self.minutes == nil ? 5 : 1) && oldest < 5)
        #expect(sorted.count >= (Self.minutes.map { $0 * 50 } ?? 4))
    }

    private func freezeEach(_ run: PipelineRun, _ pair: Pair) async throws {
        let producer = try #require(run.pipeline.process(of: .producer))
        let loader = try #require(run.pipeline.process(of: .loader))
        try await freeze("producer", [(pair.loader, "heartbeat")]) { producer.send($0 ? SIGSTOP : SIGCONT) }
        try await freeze("Kafka", [(pair.producer, "kafka"), (pair.loader, "kafka")]) { run.setKafkaHalted($0) }
        try await freeze("loader", [(pair.producer, "loader")]) { loader.send($0 ? SIGSTOP : SIGCONT) }
        let server = try processes(of: run.pipeline.postgres)
        try await freeze("PostgreSQL", [(pair.loader, "postgresql"), (pair.producer, "loader")]) { isFrozen in
            for pid in server { kill(pid, isFrozen ? SIGSTOP : SIGCONT) }
        }
    }

    /// Freezes a part until the others name it, and resumes it until they are healthy.
    private func freeze(
        _ part: String, _ signs: [(address: String, check: String)], _ setFrozen: (Bool) -> Void
    ) async throws {
        setFrozen(true)
        let begin = ContinuousClock.now
        for (address, check) in signs {
            let isNamed = try await holds(within: .seconds(90)) {
                try await HealthAnswer(of: address).status(of: check).map { $0 > .ok } == true
            }
            #expect(isNamed, "\(part) is frozen, and \(check) is ok")
            print("\(part) frozen: \(check) after \(begin.duration(to: .now).short)")
        }
        setFrozen(false)
        for (address, _) in signs {
            var text = ""
            let isHealed = try await holds(within: .seconds(120)) {
                let answer = try await HealthAnswer(of: address)
                text = answer.report?.text ?? "no answer"
                return answer.isHealthy
            }
            #expect(isHealed, "\(part) is resumed: \(text)")
        }
    }
}
