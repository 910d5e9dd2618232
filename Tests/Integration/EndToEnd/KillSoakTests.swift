import Foundation
import Harness
import Sandbox
import TestSupport
import Testing

/// Both services are killed at random moments, again and again; the seed is printed and can be given back.
@Suite(.serialized, .timeLimit(.minutes(40))) struct KillSoakTests {
    static let environment = ProcessInfo.processInfo.environment
    /// How often each service is killed: a few times in every test run, `SOAK_ROUNDS` times in `make soak`.
    static let rounds = environment["SOAK_ROUNDS"].flatMap { Int($0) } ?? 4
    static let seed = environment["SOAK_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 0..<1_000_000)

    @Test func nothingIsLostOrDoubledWhateverIsKilled() async throws {
        print("kill soak: SOAK_SEED=\(Self.seed) SOAK_ROUNDS=\(Self.rounds)")
        var random = SplitMix64(seed: Self.seed)
        var configuration = XSimulator.Configuration()
        configuration.feed = .generator(seed: Self.seed, count: nil)
        configuration.rate = 100
        configuration.enforcesRateLimits = false
        // What a killed producer had not read yet comes again, so that every issued line has to be stored. On a machine
        // whose disk is busy an fsync takes seconds, and that long lines wait in the socket.
        configuration.redelivery = .seconds(20)
        try await PipelineRun.alone(configuration, partitions: 64) { run in
            run.x.addRules([("pipeline", "soak")])
            try run.pipeline.start(.producer)
            try run.startLoader()
            try await killEach(Self.rounds, run, &random)
            run.x.stopFeed()
            let judgement = try await Judgement.passed(on: run)
            #expect(judgement.issued.count > 50 * Self.rounds, "too few lines to mean anything")
            judgement.expectPerfect("SOAK_SEED=\(Self.seed)\n\(run.logs)")
        }
    }

    /// Kills each service so many times, in a random order.
    private func killEach(_ times: Int, _ run: PipelineRun, _ random: inout SplitMix64) async throws {
        var (producerKills, loaderKills) = (times, times)
        while producerKills + loaderKills > 0 {
            if Int.random(in: 0..<(producerKills + loaderKills), using: &random) < producerKills {
                producerKills -= 1
                try await killProducer(run, &random)
            } else {
                loaderKills -= 1
                try await killLoader(run, &random)
            }
        }
    }

    /// Kills the producer some time after it has begun to receive again.
    private func killProducer(_ run: PipelineRun, _ random: inout SplitMix64) async throws {
        let before = run.x.connections.count
        let seen = run.x.connections.last?.written.count ?? 0
        #expect(
            try await holds {
                let connections = run.x.connections
                return connections.count > before || (connections.last?.written.count ?? 0) > seen
            }, "the producer does not receive: \(run.pipeline.log(of: .producer).suffix(2000))")
        // The moment is random, so that every place is hit over the rounds.
        try await endure(.milliseconds(Int.random(in: 0...700, using: &random)))
        run.pipeline.kill(.producer)
        try run.pipeline.start(.producer)
    }

    /// Kills the loader some time after it has begun to store again.
    private func killLoader(_ run: PipelineRun, _ random: inout SplitMix64) async throws {
        let before = try run.value("SELECT count(*) FROM tweets")
        #expect(
            try await holds { try run.value("SELECT count(*) FROM tweets") != before },
            "the loader does not store: \(run.pipeline.log(of: .loader).suffix(2000))")
        // As above.
        try await endure(.milliseconds(Int.random(in: 0...400, using: &random)))
        run.pipeline.kill(.loader)
        try run.startLoader()
    }
}
