import Foundation
import Glibc
import PipelineKit
import Sandbox
import TestSupport
import Testing

/// Random faults while tweets stream in; the seed is printed and can be given back.
@Suite(.serialized) struct LoaderSoakTests {
    static let environment = ProcessInfo.processInfo.environment
    /// How long faults go on: some seconds in every test run, `LOADER_SOAK_SECONDS` in `make soak`.
    static let seconds = environment["LOADER_SOAK_SECONDS"].flatMap { Int($0) } ?? 15
    static let seed = environment["SOAK_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 0..<1_000_000)
    /// Tweets a second; fewer in the short round, whose machine has other things to do.
    static let rate = environment["LOADER_SOAK_RATE"].flatMap { Int($0) } ?? (seconds > 60 ? 5000 : 1000)

    @Test(.timeLimit(.minutes(60))) func nothingIsLostOrDoubledWhateverFails() throws {
        print("loader soak: SOAK_SEED=\(Self.seed) LOADER_SOAK_SECONDS=\(Self.seconds) LOADER_SOAK_RATE=\(Self.rate)")
        let soak = try LoaderSoak(seed: Self.seed, rate: Self.rate, seconds: Self.seconds)
        defer { soak.end() }
        let verdict = try soak.run()
        print("loader soak: \(verdict)")
        try #require(verdict.isCaughtUp, "judged while still loading, which says nothing: \(verdict)\n\(soak.logs)")
        #expect(verdict.published > Self.seconds * Self.rate / 10, "too few to mean anything")
        #expect(verdict.missing == 0, "SOAK_SEED=\(Self.seed) \(verdict)\n\(soak.logs)")
        #expect(verdict.doubled == 0, "SOAK_SEED=\(Self.seed) \(verdict)")
        #expect(verdict.stored == verdict.tweets)
        #expect(verdict.rejects == verdict.garbage)
        #expect(verdict.offsets == verdict.records)
        #expect(verdict.verify.contains("none missing"), "\(verdict.verify)")
        #expect(verdict.peakRSS < 256 << 20)
        // Memory that is lost grows with the work done; what is needed is there after the first quarter.
        if Self.seconds >= 600 { #expect(verdict.lastRSS < verdict.earlyRSS * 115 / 100 + 8 << 20) }
    }
}
