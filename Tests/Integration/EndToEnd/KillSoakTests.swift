import Foundation
import Sandbox
import TestSupport
import Testing

/// Both services are killed at random moments, again and again; the seed is printed and can be given back.
@Suite(.serialized) struct KillSoakTests {
    static let environment = ProcessInfo.processInfo.environment
    /// How often each service is killed: a few times in every test run, `SOAK_ROUNDS` times in `make soak`.
    static let rounds = environment["SOAK_ROUNDS"].flatMap { Int($0) } ?? 4
    static let seed = environment["SOAK_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 0..<1_000_000)

    @Test(.timeLimit(.minutes(40))) func nothingIsLostOrDoubledWhateverIsKilled() async throws {
        print("kill soak: SOAK_SEED=\(Self.seed) SOAK_ROUNDS=\(Self.rounds)")
        var random = SplitMix64(seed: Self.seed)
        var configuration = XSimulator.Configuration()
        configuration.feed = .generator(seed: Self.seed, count: nil)
        configuration.rate = 100
        configuration.enforcesRateLimits = false
        // What a killed producer had not read yet comes again, so that every issued line has to be stored. On a machine
        // whose disk is busy an fsync takes seconds, and that long lines wait in the socket.
        configuration.redelivery = .seconds(20)
        let pipeline = try await PipelineUnderTest(configuration, partitions: 64)
        do {
            pipeline.x.addRules([("pipeline", "soak")])
            try pipeline.startProducer()
            try pipeline.startLoader()
            var producerKills = Self.rounds
            var loaderKills = Self.rounds
            while producerKills + loaderKills > 0 {
                if Int.random(in: 0..<(producerKills + loaderKills), using: &random) < producerKills {
                    producerKills -= 1
                    try await killProducer(pipeline, &random)
                } else {
                    loaderKills -= 1
                    try await killLoader(pipeline, &random)
                }
            }
            pipeline.x.stopFeed()
            let judgement = try await Judgement.passed(on: pipeline)
            #expect(judgement.issued.count > 50 * Self.rounds, "too few lines to mean anything")
            judgement.expectPerfect(
                "SOAK_SEED=\(Self.seed)\n\(pipeline.log("producer").suffix(2000))\n\(pipeline.log("loader").suffix(2000))"
            )
        } catch {
            await pipeline.end()
            throw error
        }
        await pipeline.end()
    }

    /// Kills the producer some time after it has begun to receive again.
    private func killProducer(_ pipeline: PipelineUnderTest, _ random: inout SplitMix64) async throws {
        let before = pipeline.x.connections.count
        let seen = pipeline.x.connections.last?.written.count ?? 0
        #expect(
            try await pipeline.wait {
                let connections = pipeline.x.connections
                return connections.count > before || (connections.last?.written.count ?? 0) > seen
            }, "the producer does not receive: \(pipeline.log("producer").suffix(2000))")
        try await Task.sleep(for: .milliseconds(Int.random(in: 0...700, using: &random)))
        pipeline.producer?.kill()
        try pipeline.startProducer()
    }

    /// Kills the loader some time after it has begun to store again.
    private func killLoader(_ pipeline: PipelineUnderTest, _ random: inout SplitMix64) async throws {
        let before = try pipeline.value("SELECT count(*) FROM tweets")
        #expect(
            try await pipeline.wait { try pipeline.value("SELECT count(*) FROM tweets") != before },
            "the loader does not store: \(pipeline.log("loader").suffix(2000))")
        try await Task.sleep(for: .milliseconds(Int.random(in: 0...400, using: &random)))
        pipeline.loader?.kill()
        try pipeline.startLoader()
    }
}
