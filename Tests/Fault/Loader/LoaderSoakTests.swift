import Foundation
import Glibc
import Sandbox
import TestSupport
import Testing

/// Random faults while tweets stream in; the seed is printed and can be given back.
@Suite(.serialized, .ownThreads, .timeLimit(.minutes(60))) struct LoaderSoakTests {
    static let environment = ProcessInfo.processInfo.environment
    /// How long faults go on: some seconds in every test run, `LOADER_SOAK_SECONDS` in `make soak`.
    static let seconds = environment["LOADER_SOAK_SECONDS"].flatMap { Int($0) } ?? 15
    /// Whether the rate and the memory are judged as well: in a minute too little happens.
    static let isLong = seconds > 60
    static let seed = environment["SOAK_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 0..<1_000_000)
    /// Tweets a second; fewer in the short round, whose machine has other things to do.
    static let rate = environment["LOADER_SOAK_RATE"].flatMap { Int($0) } ?? (isLong ? 5000 : 1000)

    @Test func nothingIsLostOrDoubledWhateverFails() throws {
        print("loader soak: SOAK_SEED=\(Self.seed) LOADER_SOAK_SECONDS=\(Self.seconds) LOADER_SOAK_RATE=\(Self.rate)")
        let soak = try LoaderSoak(seed: Self.seed, rate: Self.rate, seconds: Self.seconds)
        defer { soak.end() }
        let verdict = try soak.run()
        print("loader soak: \(verdict)")
        try #require(verdict.isCaughtUp, "judged while still loading, which says nothing: \(verdict)\n\(soak.logs)")
        // The short round's machine has other things to do.
        #expect(
            verdict.perSecond >= Double(Self.rate) * (Self.isLong ? 0.99 : 0.1),
            "fewer than asked for: LOADER_SOAK_RATE asks for fewer. \(verdict)")
        #expect(verdict.isSteady, "a loader that is never killed ended by itself\n\(soak.logs)")
        #expect(verdict.missing == 0, "SOAK_SEED=\(Self.seed) \(verdict)\n\(soak.logs)")
        #expect(verdict.doubled == 0, "SOAK_SEED=\(Self.seed) \(verdict)")
        #expect(verdict.stored == verdict.tweets)
        #expect(verdict.rejects == verdict.garbage)
        #expect(verdict.offsets == verdict.records)
        #expect(verdict.verify.contains("none missing"), "\(verdict.verify)")
        #expect(verdict.peakRSS < 256 << 20)
        // The loader gives back what a backlog needed, so that only what is lost grows with the work done.
        if Self.isLong { #expect(verdict.lastRSS < verdict.earlyRSS * 115 / 100 + 8 << 20, "it grows: \(verdict)") }
    }
}
