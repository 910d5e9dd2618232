import Core
import Foundation
import Sandbox
import TestSupport
import Testing

@testable import TweetTimelines

@Suite("Timelines: pollers that are killed", .ownThreads, .timeLimit(.minutes(15)))
struct TimelineKillTests {
    @Test("F87: pollers that are killed in the middle of walks leave no hole", arguments: 1...10)
    func f87KillsInTheMiddleOfWalks(_ seed: UInt64) async throws {
        try await TimelinesRun.with { run in
            var random = SplitMix64(seed: seed)
            let x = run.fixture.simulator
            let accounts: ClosedRange<Int64> = 1...6
            // A poller that starts deletes all but the newest 800 entries, and a seed may have more.
            run.environment["TIMELINE_KEEP"] = "all"
            try run.add(accounts)
            for account in accounts {
                x.setUser(account) { $0.depth = 10_000 }
                x.post(1, to: account, age: .seconds(5))
            }
            try run.startLoader()
            for poller in ["a", "b"] { try run.startPoller(poller) }
            #expect(run.waitForFirstPolls(accounts), "\(run.logs)")
            x.setUserDelay(.milliseconds(20))
            for _ in 0..<5 {
                for account in accounts { Self.disturb(x, account, &random) }
                endure(.milliseconds(Int.random(in: 100...1500, using: &random)))
                let victim = Bool.random(using: &random) ? "a" : "b"
                run.kill(victim)
                try run.startPoller(victim)
            }
            #expect(run.waitUntilComplete(accounts), "seed \(seed): \(run.logs)")
            #expect(try run.fixture.query("SELECT count(*) FROM timeline_gaps") == [["0"]])
            for account in accounts { #expect(try run.surplus(of: account).isEmpty) }
            #expect(x.userRecord.overlapping == 0)
            for poller in ["a", "b"] { #expect(run.stop(poller) == .status(0), "\(run.logs)") }
        }
    }

    /// Posts, late ones and those of others among them, on short pages and behind empty ones.
    private static func disturb(_ x: XSimulator, _ account: Int64, _ random: inout SplitMix64) {
        let (short, isEmpty) = (Int.random(in: 7...40, using: &random), Bool.random(using: &random))
        x.setUser(account) { ($0.shortPage, $0.emptyPages) = (short, isEmpty) }
        let ids = x.post(Int.random(in: 0...250, using: &random), to: account, age: .seconds(5))
        let late = Duration.milliseconds(Int.random(in: 0...3000, using: &random))
        x.post(2, to: account, age: .seconds(6), late: late)
        x.share(ids.suffix(20), of: account, with: account % 6 + 1)
    }
}
