import Foundation
import Harness
import Sandbox
import TestSupport
import Testing

@testable import TweetLoader

/// `verify` and `status` beside services that run and are killed: what is only in flight is never reported missing.
@Suite(.timeLimit(.minutes(240))) struct VerifyBesideTests {
    private static let environment = ProcessInfo.processInfo.environment
    /// How often `verify` runs at each rate: a few times in every test run, `VERIFY_LOOKS` times in all in `make soak`.
    private static let looks = (environment["VERIFY_LOOKS"].flatMap { Int($0) } ?? 24) / 3
    private static let seed = environment["VERIFY_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 0..<1_000_000)
    /// Looks at one pipeline; then another one is made, because the mock cluster keeps only 5 MiB of each partition.
    private static let looksPerPipeline = 14
    /// How many posts X has for one pipeline at `rate` posts a second: enough for two minutes, as looks take long on a
    /// busy machine, but no more than the mock cluster keeps.
    private static func posts(rate: Int) -> Int64 { Int64(min(120 * rate, 75_000)) }

    @Test(arguments: [50, 800, 5000])
    func f71VerifyReportsNothingInFlightAsMissing(rate: Int) async throws {
        print("verify beside: VERIFY_SEED=\(Self.seed) rate=\(rate) looks=\(Self.looks)")
        var random = SplitMix64(seed: Self.seed &+ UInt64(rate))
        var outcome = Outcome()
        while outcome.looks < Self.looks {
            let looks = min(Self.looksPerPipeline, Self.looks - outcome.looks)
            try await look(looks, rate: rate, &random, &outcome)
        }
        print("verify beside: rate=\(rate) \(outcome)")
        #expect(outcome.pending > 0, "else nothing was in flight, and this shows nothing")
    }

    /// What `verify` has reported.
    private struct Outcome: CustomStringConvertible {
        var looks = 0
        var complete = 0
        var pending = 0
        var kills = 0
        var longest = Duration.zero

        var description: String {
            "looks=\(looks) complete=\(complete) pending=\(pending) kills=\(kills) longest=\(longest.short)"
        }
    }

    private func look(_ looks: Int, rate: Int, _ random: inout SplitMix64, _ outcome: inout Outcome) async throws {
        var configuration = XSimulator.Configuration()
        configuration.feed = .generator(seed: random.next() % 1_000_000, count: Self.posts(rate: rate))
        configuration.rate = Double(rate)
        configuration.enforcesRateLimits = false
        configuration.redelivery = .seconds(20)
        try await PipelineRun.alone(configuration, partitions: 64) { run in
            run.x.addRules([("pipeline", "beside")])
            try run.pipeline.start(.producer)
            try run.startLoader()
            #expect(try await holds { try run.value("SELECT count(*) FROM tweets") != "0" })
            // Without a loader, posts are in flight for certain.
            run.pipeline.kill(.loader)
            let before = outcome.pending
            #expect(
                try await holds {
                    try await lookOnce(run, 0, &random, &outcome)
                    return outcome.pending > before
                })
            try run.startLoader()
            for number in 1..<looks {
                try await lookOnce(run, number, &random, &outcome)
            }
            run.x.stopFeed()
            let last = try run.pipeline.run(.loader, ["verify", "--wait", "180s"])
            #expect(last.contains("none missing"), "\(last)")
        }
    }

    /// One look, during which a service is killed and started again unless `number` is a multiple of 3.
    private func lookOnce(
        _ run: PipelineRun, _ number: Int, _ random: inout SplitMix64, _ outcome: inout Outcome
    ) async throws {
        let journal = Bool.random(using: &random) ? ["--journal", run.pipeline.journalFolder] : []
        let begin = ContinuousClock.now
        var command = try ChildCommand(
            service: .loader, ["verify", "--json"] + journal, settings: run.pipeline.environment)
        command.output = .pipe
        command.errors = .file(run.pipeline.journalFolder + ".errors")
        let verify = try ChildProcess(command)
        // The kill is to hit `verify` at any place.
        try await endure(.milliseconds(Int.random(in: 0...600, using: &random)))
        switch number % 3 {
        case 1:
            run.pipeline.kill(.producer)
            try run.pipeline.start(.producer)
            outcome.kills += 1
        case 2:
            run.pipeline.kill(.loader)
            try run.startLoader()
            outcome.kills += 1
        default: break
        }
        let (text, exit) = (verify.readAll(), verify.wait())
        outcome.looks += 1
        outcome.longest = max(outcome.longest, ContinuousClock.now - begin)
        #expect(exit == .status(0), "VERIFY_SEED=\(Self.seed) \(journal) \(text)\n\(run.logs)")
        let report = try JSONDecoder().decode(Report.self, from: Data(text.utf8))
        #expect(["complete", "nothing_missing"].contains(report.verdict))
        #expect(report.missing == 0)
        if report.verdict == "complete" { outcome.complete += 1 } else { outcome.pending += 1 }
        if number % 4 == 0 { #expect(try run.pipeline.run(.loader, ["status"]).hasPrefix("loader: ")) }
    }

    private struct Report: Decodable {
        var verdict: String
        var missing: Int64
    }
}
