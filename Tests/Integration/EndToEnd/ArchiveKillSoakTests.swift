import Foundation
import Harness
import Sandbox
import TestSupport
import Testing

@testable import Core

/// The producer with uploads is killed at fail points of journal, archive and uploads, again and again, while a loader
/// fills PostgreSQL; the seed is printed and can be given back.
@Suite(.serialized) struct ArchiveKillSoakTests {
    /// `make soak` asks for 500.
    static let rounds = KillSoakTests.environment["ARCHIVE_KILL_ROUNDS"].flatMap { Int($0) } ?? 8

    /// How often a place is passed at most before the kill: as often as in a second or two.
    static let passes: [(FailPoint, Int)] = [
        (.append, 200), (.fsync, 120), (.roll, 30), (.compress, 40), (.upload, 50), (.delete, 30), (.checkpoint, 8),
        (.shorten, 5),
    ]

    @Test(.timeLimit(.minutes(60))) func nothingIsLostDoubledOrRemovedTooEarlyWhateverIsKilled() async throws {
        let seed = KillSoakTests.seed
        print("archive kill soak: SOAK_SEED=\(seed) ARCHIVE_KILL_ROUNDS=\(Self.rounds)")
        var random = SplitMix64(seed: seed)
        var configuration = XSimulator.Configuration()
        configuration.feed = .generator(seed: seed, count: nil)
        // What was in the socket comes again, also when one producer after the other is killed before it has read that far;
        // and so each of them begins with some hundred lines, enough for a dozen segments.
        configuration.rate = 6
        configuration.redelivery = .seconds(60)
        configuration.enforcesRateLimits = false
        let server = try S3TestServer()
        let pipeline = try await PipelineUnderTest(
            configuration, partitions: 64,
            settings: server.environment().merging(["JOURNAL_SEGMENT_BYTES": "32KiB"]) { $1 })
        do {
            pipeline.x.addRules([("pipeline", "soak")])
            pipeline.x.issue(200)
            try pipeline.startLoader()
            var audit = ArchiveAudit(pipeline.folder + "/journal", server: server)
            var kills: [FailPoint: Int] = [:]
            for round in 0..<Self.rounds {
                if let point = try killProducer(pipeline, round, &random) { kills[point, default: 0] += 1 }
                try audit.look("SOAK_SEED=\(seed), round \(round)")
                if round % 25 == 24 { try audit.compareBucket() }
            }
            print("archive kill soak: \(kills.map { "\($0.key) \($0.value)" }.sorted()), the rest at other moments")
            #expect(kills.values.reduce(0, +) > Self.rounds / 2, "too few are killed where they should be")
            try await judge(pipeline, &audit, "SOAK_SEED=\(seed)")
        } catch {
            await pipeline.end()
            throw error
        }
        await pipeline.end()
    }

    /// Starts the producer and waits until it has killed itself, or kills it after a while; returns where it did.
    private func killProducer(
        _ pipeline: PipelineUnderTest, _ round: Int, _ random: inout SplitMix64
    ) throws -> FailPoint? {
        // Each place once, then any.
        let (point, most) =
            round < Self.passes.count
            ? (Self.passes[round].0, 1 + Self.passes[round].1 / 20)
            : Self.passes.randomElement(using: &random) ?? (.append, 1)
        try pipeline.startProducer([
            "TWEET_FAILPOINT": "\(point.rawValue):\(Int.random(in: 1...most, using: &random))",
            "JOURNAL_KEEP": ["0", "0", "100KiB"].randomElement(using: &random) ?? "0",
            "JOURNAL_COMPRESS": Int.random(in: 0..<8, using: &random) == 0 ? "off" : "on",
        ])
        // A busy machine takes seconds to start it; over hundreds of rounds the average is enough.
        let exit = pipeline.producer?.wait(timeout: .seconds(round < Self.passes.count ? 30 : 5))
        pipeline.producer?.kill()
        #expect(exit == nil || exit == .signal(SIGKILL), "\(pipeline.log("producer").suffix(2000))")
        return exit.map { _ in point }
    }

    /// After the last kill everything arrives and is there: in PostgreSQL, here and in the bucket.
    private func judge(_ pipeline: PipelineUnderTest, _ audit: inout ArchiveAudit, _ comment: Comment) async throws {
        try pipeline.startProducer(["JOURNAL_KEEP": "0"])
        pipeline.x.stopFeed()
        let judgement = try await Judgement.passed(on: pipeline, patience: .seconds(180))
        judgement.expectPerfect("\(comment)\n\(pipeline.log("loader").suffix(2000))")
        #expect(pipeline.producer?.terminate(grace: .seconds(90)) == .status(0))
        try audit.look(comment)
        try audit.compareBucket()
        let issued = Set((0..<pipeline.x.issuedCount).map { pipeline.x.bytes(ofLine: $0) })
        #expect(audit.strangeLines(issued: issued) == 0, comment)
        // A kill cuts a request short; such a one is refused.
        let mistakes = try audit.server.requests().compactMap(\.mistake).filter { $0 != "cut short" }
        #expect(mistakes == [], comment)
        print("archive kill soak: \(audit.summary), \(judgement.stored.count) tweets in PostgreSQL")
    }
}
