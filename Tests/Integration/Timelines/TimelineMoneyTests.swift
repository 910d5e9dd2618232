import Core
import Foundation
import Postgres
import Sandbox
import TestSupport
import Testing

@testable import TweetTimelines

@Suite("Timelines: what they cost", .serialized, .ownThreads, .timeLimit(.minutes(10)))
struct TimelineMoneyTests {
    /// What `status --json` has under a name.
    private func status(_ run: TimelinesRun, _ name: String) throws -> Double {
        let output = try run.fixture.run(["status", "--json", "--limit", "0"]).output
        let object = try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any]
        return try #require((object?[name] as? NSNumber)?.doubleValue, "\(name) in \(output)")
    }

    /// The hours of a day are two seconds each: few posts at night, many in the evening, a third of them on several timelines.
    private func day(of accounts: ClosedRange<Int64>, seed: UInt64, _ run: TimelinesRun) {
        var random = SplitMix64(seed: seed)
        let x = run.fixture.simulator
        for hour in 0..<24 {
            let busy = hour < 7 ? 1 : hour < 17 ? 3 : 6
            for account in accounts where Int.random(in: 0..<4, using: &random) == 0 {
                let ids = x.post(Int.random(in: 0...busy, using: &random), to: account, age: .seconds(2))
                guard Int.random(in: 0..<3, using: &random) == 0 else { continue }
                for _ in 0..<5 { x.share(ids, of: account, with: Int64.random(in: accounts, using: &random)) }
            }
            endure(.seconds(2))
        }
    }

    @Test("a day of 100 users costs what status shows, within 1 %")
    func aDayOfManyUsers() async throws {
        try await TimelinesRun.with { run in
            let x = run.fixture.simulator
            let accounts: ClosedRange<Int64> = 1...100
            run.environment["TIMELINE_INTERVAL"] = "2s"
            run.environment["TIMELINE_MAX_INTERVAL"] = "10s"
            run.environment["MAX_POSTS_PER_DAY"] = "100000"
            run.environment["TIMELINE_POSTS_PER_DAY"] = "1000"
            try run.add(accounts)
            for account in accounts { x.post(20, to: account, age: .seconds(60)) }
            try run.startLoader()
            for poller in ["a", "b"] { try run.startPoller(poller) }
            #expect(run.waitForFirstPolls(accounts), "\(run.logs)")
            day(of: accounts, seed: 14, run)
            #expect(run.waitUntilComplete(accounts), "\(run.logs)")
            for poller in ["a", "b"] { #expect(run.stop(poller) == .status(0), "\(run.logs)") }
            let charged = Double(x.userRecord.charged.count)
            let days = try run.fixture.query("SELECT posts::float8 FROM timeline_days")
            let counted = days.compactMap { $0[0].flatMap { Double($0) } }.reduce(0, +)
            #expect(abs(counted - charged) <= charged / 100, "\(counted) and \(charged)")
            let posts = try status(run, "posts_today")
            #expect(abs(try status(run, "dollars_today") - posts * 0.005) < 0.01)
            // Midnight (UTC) may have passed.
            #expect(posts == counted || days.count == 2)
        }
    }

    @Test("never more than the budget is paid, also by several pollers and after kills")
    func theBudgetIsKept() async throws {
        try await TimelinesRun.with { run in
            let x = run.fixture.simulator
            let accounts: ClosedRange<Int64> = 1...20
            run.environment.merge(["MAX_POSTS_PER_DAY": "700", "TIMELINE_CALLS": "8"]) { $1 }
            try run.add(accounts)
            try run.startLoader()
            for poller in ["a", "b"] { try run.startPoller(poller) }
            #expect(run.waitForFirstPolls(accounts), "\(run.logs)")
            let shared = x.post(100, to: 1, age: .seconds(20))
            for account in 2...20 as ClosedRange<Int64> {
                x.share(shared, of: 1, with: account)
                x.post(10, to: account, age: .seconds(20))
            }
            #expect(run.waitUntilComplete(accounts), "\(run.logs)")
            #expect(x.userRecord.charged.count == 290)
            #expect(try status(run, "posts_today") == 290)
            x.setUserDelay(.milliseconds(50))
            for account in accounts { x.post(60, to: account, age: .seconds(10)) }
            endure(.milliseconds(300))
            run.kill("a")
            #expect(try eventually { try run.fixture.run(["status"]).output.contains("budget until") }, "\(run.logs)")
            endure(.seconds(2))
            #expect(x.userRecord.charged.count <= 700)
            // A larger budget counts from the next start on; what was journalled before the kill is published then.
            run.environment["MAX_POSTS_PER_DAY"] = "100000"
            #expect(run.stop("b") == .status(0))
            for poller in ["a", "b"] { try run.startPoller(poller) }
            #expect(run.waitUntilComplete(accounts), "\(run.logs)")
            #expect(try status(run, "posts_today") == Double(x.userRecord.charged.count))
        }
    }

    @Test("an account's own budget limits that account alone; --estimate reckons with what accounts have cost")
    func budgetsOfAccounts() async throws {
        try await TimelinesRun.with { run in
            let x = run.fixture.simulator
            run.environment["TIMELINE_POSTS_PER_DAY"] = "50"
            try run.add(1...2)
            x.post(5, to: 2, age: .seconds(30))
            x.post(80, to: 1, age: .seconds(30))
            try run.startLoader()
            try run.startPoller()
            #expect(try eventually { try run.state(of: 1) == "limited" }, "\(run.logs)")
            x.post(5, to: 2)
            #expect(run.waitUntilComplete(2...2), "\(run.logs)")
            #expect(x.userRecord.charged.count == 60)
            let status = try run.fixture.run(["status", "--estimate", "1000"])
            #expect(status.output.contains("$150.00 a day, $4,500.00 in 30 days for 1000 accounts"), "\(status)")
        }
    }
}
