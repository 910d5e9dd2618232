import Foundation
import Harness
import Sandbox
import TestSupport
import Testing

@testable import Core

/// The producer with uploads is killed at fail points of journal, archive and uploads, again and again, while a loader
/// fills PostgreSQL; the seed is printed and can be given back.
@Suite(.serialized, .timeLimit(.minutes(60))) struct ArchiveKillSoakTests {
    /// `make soak` asks for 500.
    static let rounds = KillSoakTests.environment["ARCHIVE_KILL_ROUNDS"].flatMap { Int($0) } ?? 8

    /// For how long X sends again what it has sent.
    static let repeated = Duration.seconds(120)

    /// How often a place is passed at most before the kill: as often as in a second or two.
    static let passes: [(FailPoint, Int)] = [
        (.append, 200), (.fsync, 120), (.roll, 30), (.compress, 40), (.upload, 50), (.delete, 30), (.checkpoint, 8),
        (.shorten, 5),
    ]

    /// Places that a few rounds reach for sure: a manifest is long enough to be shortened after some 60 segments.
    private static let sure = passes.filter { $0.0 != .shorten || rounds >= 100 }

    @Test func nothingIsLostDoubledOrRemovedTooEarlyWhateverIsKilled() async throws {
        let seed = KillSoakTests.seed
        print("archive kill soak: SOAK_SEED=\(seed) ARCHIVE_KILL_ROUNDS=\(Self.rounds)")
        var random = SplitMix64(seed: seed)
        let server = try S3TestServer()
        try await PipelineRun.alone(
            Self.configuration(seed), partitions: 64,
            settings: server.environment().merging(["JOURNAL_SEGMENT_BYTES": "32KiB"]) { $1 }
        ) { run in
            run.x.addRules([("pipeline", "soak")])
            run.x.issue(200)
            try run.startLoader()
            var audit = ArchiveAudit(run.pipeline.journalFolder, server: server)
            var kills: [FailPoint: Int] = [:]
            var complete = ContinuousClock.now
            for round in 0..<Self.rounds {
                if complete.duration(to: .now) > Self.repeated / 3 {
                    complete = try await catchUp(run, since: complete)
                }
                if let point = try killProducer(run, round, &random) { kills[point, default: 0] += 1 }
                try audit.look("SOAK_SEED=\(seed), round \(round)")
                if round % 25 == 24 { try audit.compareBucket() }
            }
            print("archive kill soak: \(kills.map { "\($0.key) \($0.value)" }.sorted()), the rest at other moments")
            // On a busy machine many are killed before they get there.
            for (point, _) in Self.sure {
                #expect(kills[point] ?? 0 >= max(1, Self.rounds / 100), "too few are killed at \(point.rawValue)")
            }
            try await judge(run, &audit, "SOAK_SEED=\(seed)")
        }
    }

    private static func configuration(_ seed: UInt64) -> XSimulator.Configuration {
        var configuration = XSimulator.Configuration()
        configuration.feed = .generator(seed: seed, count: nil)
        // What was in the socket comes again, also when one producer after the other is killed before it has read that far;
        // and so each of them begins with some hundred lines, enough for a dozen segments.
        configuration.rate = 6
        configuration.redelivery = repeated
        configuration.enforcesRateLimits = false
        return configuration
    }

    /// Lets a producer read all that X has sent: of lines that none has read for longer than X repeats them, X has no copy.
    /// Returns when that was asked.
    private func catchUp(
        _ run: PipelineRun, since complete: ContinuousClock.Instant
    ) async throws -> ContinuousClock.Instant {
        let begin = ContinuousClock.now
        let issued = run.issuedIDs
        try run.pipeline.start(.producer, settings: ["JOURNAL_KEEP": "0"])
        _ = try await holds(within: Self.repeated) { try issued.isSubset(of: run.storedIDs()) }
        let missing = try issued.subtracting(run.storedIDs())
        #expect(missing.sorted() == [])
        run.pipeline.kill(.producer)
        #expect(
            complete.duration(to: .now) < Self.repeated, "the machine is too slow: what X repeats says nothing any more"
        )
        return begin
    }

    /// Starts the producer and waits until it has killed itself, or kills it after a while; returns where it did.
    private func killProducer(
        _ run: PipelineRun, _ round: Int, _ random: inout SplitMix64
    ) throws -> FailPoint? {
        // Each place once, then any.
        let (point, most) =
            round < Self.sure.count
            ? (Self.sure[round].0, 1 + Self.sure[round].1 / 20)
            : Self.passes.randomElement(using: &random) ?? (.append, 1)
        try run.pipeline.start(
            .producer,
            settings: [
                "TWEET_FAILPOINT": "\(point.rawValue):\(Int.random(in: 1...most, using: &random))",
                "JOURNAL_KEEP": ["0", "0", "100KiB"].randomElement(using: &random) ?? "0",
                "JOURNAL_COMPRESS": Int.random(in: 0..<8, using: &random) == 0 ? "off" : "on",
            ])
        // A busy machine takes seconds to start it; over hundreds of rounds the average is enough.
        let exit = run.pipeline.process(of: .producer)?.wait(timeout: .seconds(round < Self.sure.count ? 60 : 5))
        run.pipeline.kill(.producer)
        #expect(exit == nil || exit == .signal(SIGKILL), "\(run.pipeline.log(of: .producer).suffix(2000))")
        return exit.map { _ in point }
    }

    /// After the last kill everything arrives and is there: in PostgreSQL, here and in the bucket.
    private func judge(_ run: PipelineRun, _ audit: inout ArchiveAudit, _ comment: Comment) async throws {
        try run.pipeline.start(.producer, settings: ["JOURNAL_KEEP": "0"])
        run.x.stopFeed()
        let judgement = try await Judgement.passed(on: run, patience: .seconds(180))
        judgement.expectPerfect("\(comment)\n\(run.pipeline.log(of: .loader).suffix(2000))")
        #expect(run.pipeline.process(of: .producer)?.terminate(grace: .seconds(90)) == .status(0))
        try audit.look(comment)
        try audit.compareBucket()
        let issued = Set((0..<run.x.issuedCount).map { run.x.bytes(ofLine: $0) })
        #expect(audit.strangeLines(issued: issued) == 0, comment)
        // A kill cuts a request short; such a one is refused.
        let mistakes = try audit.server.requests().compactMap(\.mistake).filter { $0 != "cut short" }
        #expect(mistakes == [], comment)
        print("archive kill soak: \(audit.summary), \(judgement.stored.count) tweets in PostgreSQL")
    }
}
