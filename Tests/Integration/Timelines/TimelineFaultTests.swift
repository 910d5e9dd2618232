import Core
import Foundation
import Postgres
import Sandbox
import TestSupport
import Testing

@testable import TweetTimelines

@Suite("Timelines: what X and machines do to them", .serialized, .ownThreads, .timeLimit(.minutes(10)))
struct TimelineFaultTests {
    private func with(_ body: @escaping @Sendable (TimelinesRun) throws -> Void) async throws {
        try await TimelinesFixture.with { fixture in
            let run = try TimelinesRun(fixture)
            do { try body(run) } catch {
                print(run.logs)
                throw error
            }
        }
    }

    @Test("F86: posts that appear up to 10 s late are all stored, each once")
    func f86LatePosts() async throws {
        try await with { run in
            let x = run.fixture.simulator
            try run.add(1...1)
            x.post(30, to: 1, age: .seconds(50))
            try run.startLoader()
            try run.startPoller()
            #expect(eventually { try run.missing(of: 1).isEmpty }, "\(run.logs)")
            for round in 1...5 {
                x.post(2, to: 1)
                // Older than the newest, and shown later than it.
                x.post(1, to: 1, age: .seconds(4), late: .seconds(1))
                x.post(1, to: 1, age: .seconds(10), late: .milliseconds(300 * round))
                #expect(run.waitForPoll(of: 1))
            }
            x.post(1, to: 1)
            #expect(eventually { try run.missing(of: 1).isEmpty }, "\(run.logs)")
            #expect(try run.fixture.query("SELECT count(*) FROM timeline_gaps") == [["0"]])
            #expect(try run.fixture.query("SELECT count(*) FROM tweets") == [["51"]])
            #expect(run.stop("poller") == .status(0), "\(run.logs)")
        }
    }

    @Test("F87: pollers that are killed in the middle of walks leave no hole", arguments: 1...3)
    func f87KillsInTheMiddleOfWalks(_ seed: UInt64) async throws {
        try await with { run in
            var random = SplitMix64(seed: seed)
            let x = run.fixture.simulator
            try run.add(1...5)
            for account in 1...5 as ClosedRange<Int64> { x.post(1, to: account, age: .seconds(5)) }
            try run.startLoader()
            try run.startPoller()
            for account in 1...5 as ClosedRange<Int64> { #expect(run.waitForPoll(of: account, beyond: 0)) }
            x.setUserDelay(.milliseconds(20))
            for _ in 0..<5 {
                for account in 1...5 as ClosedRange<Int64> {
                    x.setUser(account) { $0.shortPage = Int.random(in: 7...40, using: &random) }
                    x.post(Int.random(in: 0...250, using: &random), to: account, age: .seconds(5))
                }
                endure(.milliseconds(Int.random(in: 100...1500, using: &random)))
                run.kill("poller")
                try run.startPoller()
            }
            // The lease of a poller that was killed ends after 90 s.
            try run.fixture.query("UPDATE x_accounts SET leased_until = now()")
            for account in 1...5 as ClosedRange<Int64> {
                #expect(eventually(within: .seconds(150)) { try run.missing(of: account).isEmpty }, "\(run.logs)")
            }
            #expect(try run.fixture.query("SELECT count(*) FROM timeline_gaps") == [["0"]])
            #expect(x.userRecord.overlapping == 0)
        }
    }

    @Test("F88: more than the timeline's depth between two polls, and pages without end, are gaps with their bounds")
    func f88Depth() async throws {
        try await with { run in
            let x = run.fixture.simulator
            try run.add(1...2)
            x.post(1, to: 1, age: .seconds(30))
            x.post(1, to: 2, age: .seconds(30))
            try run.startLoader()
            try run.startPoller()
            #expect(run.waitForPoll(of: 1, beyond: 0) && run.waitForPoll(of: 2, beyond: 0))
            #expect(run.stop("poller") == .status(0), "\(run.logs)")
            let first = x.offered(to: 1).max() ?? 0
            x.post(1000, to: 1, age: .seconds(20))
            x.setUser(2) { $0.repeatsTokens = true }
            x.post(3, to: 2)
            try run.startPoller()
            #expect(eventually { try run.fixture.query("SELECT count(*) FROM timeline_gaps WHERE user_id = 1") == [["1"]] })
            let gap = try run.fixture.query(
                "SELECT from_id < \(first), to_id > \(first), cause FROM timeline_gaps WHERE user_id = 1")
            #expect(gap == [["t", "t", "depth"]])
            #expect(eventually { try run.missing(of: 1).isEmpty && run.missing(of: 2).isEmpty }, "\(run.logs)")
            #expect(try run.entries(of: 1).count == 801)
            // Three pages without a new post end each walk.
            let calls = x.userRecord.calls[2, default: 0]
            #expect(run.waitForPoll(of: 2))
            #expect(x.userRecord.calls[2, default: 0] - calls < 100)
        }
    }

    @Test("F90: a user who revokes, is suspended or deleted has that state; an app that is denied stops no account")
    func f90UsersAndTheApp() async throws {
        try await with { run in
            let x = run.fixture.simulator
            try run.add(1...4)
            try run.startLoader()
            try run.startPoller()
            for account in 1...4 as ClosedRange<Int64> { #expect(run.waitForPoll(of: account, beyond: 0)) }
            x.setUser(2) {
                $0.refusal = Refusal(
                    status: 403, body: #"{"title":"Forbidden","detail":"User has been suspended: [user2]."}"#)
            }
            x.deleteUser(3)
            x.revokeAccess(of: 1)
            #expect(eventually { try run.state(of: 2) == "suspended" && run.state(of: 3) == "suspended" }, "\(run.logs)")
            #expect(eventually { try run.state(of: 1) == "failing" }, "\(run.logs)")
            // Seen twice, 30 s apart.
            #expect(eventually { try run.state(of: 1) == "revoked" }, "\(run.logs)")
            x.setUser(4) { $0.refusal = .forbidden }
            #expect(
                eventually {
                    try run.fixture.query("SELECT cause FROM timeline_pauses WHERE until > now()") == [["app"]]
                }, "\(run.logs)")
            #expect(try run.state(of: 4) == "active")
            x.setUser(4) { $0.refusal = nil }
            try run.fixture.query("UPDATE timeline_pauses SET until = now()")
            try run.fixture.query("SELECT pg_notify('x_tokens', '')")
            x.post(1, to: 4)
            #expect(eventually { try run.missing(of: 4).isEmpty }, "\(run.logs)")
        }
    }

    @Test("F91: a user's limit stops that user alone; a usage cap stops all, with one alarm")
    func f91Limits() async throws {
        try await with { run in
            let x = run.fixture.simulator
            try run.add(1...3)
            // The simulator's clock is ahead: waits must come from its headers.
            x.advance(by: .seconds(7000))
            x.setUser(1) { $0.callLimit = 2 }
            try run.startLoader()
            try run.startPoller()
            #expect(eventually { try run.state(of: 1) == "limited" }, "\(run.logs)")
            let until = try run.fixture.query(
                "SELECT extract(epoch FROM state_until - now()) BETWEEN 600 AND 902 FROM x_accounts WHERE user_id = 1")
            #expect(until == [["t"]])
            let calls = x.userRecord.calls
            #expect(run.waitForPoll(of: 2) && run.waitForPoll(of: 3))
            #expect(x.userRecord.calls[1] == calls[1])
            for account in [2, 3] as [Int64] { x.setUser(account) { $0.refusal = .usageCap } }
            #expect(
                eventually {
                    try run.fixture.query("SELECT cause FROM timeline_pauses WHERE until > now()") == [["usage_cap"]]
                }, "\(run.logs)")
            endure(.seconds(3))
            #expect(run.logs.components(separatedBy: "no timeline can be read").count == 2)
            #expect(try run.state(of: 2) == "active" && run.state(of: 3) == "active")
        }
    }

    @Test("a token that was deleted ends polling at once, and is never brought back")
    func deletedTokens() async throws {
        try await with { run in
            let x = run.fixture.simulator
            try run.add(1...2)
            try run.startLoader()
            try run.startPoller()
            #expect(run.waitForPoll(of: 1) && run.waitForPoll(of: 2))
            x.expireTokens()
            try run.fixture.query("UPDATE x_tokens SET expires_at = now(), version = version + 1")
            try run.fixture.query("DELETE FROM x_tokens WHERE user_id = 1")
            endure(.seconds(1))
            let calls = x.userRecord.calls[1]
            #expect(run.waitForPoll(of: 2))
            #expect(x.userRecord.calls[1] == calls)
            #expect(try run.fixture.query("SELECT user_id FROM x_tokens") == [["2"]])
            // A new one is polled within a second or two.
            x.post(3, to: 1)
            try run.add(1...1)
            #expect(eventually { try run.missing(of: 1).isEmpty }, "\(run.logs)")
            #expect(run.stop("poller") == .status(0))
            #expect(!run.logs.contains("sandbox-access") && !run.logs.contains("sandbox-refresh"))
            let dump = try run.fixture.query("SELECT x_tokens::text FROM x_tokens")
            #expect(!"\(dump)".contains("sandbox"))
        }
    }

    @Test("what status says was spent is what X has charged, and never more than the budget")
    func money() async throws {
        try await with { run in
            let x = run.fixture.simulator
            run.environment["MAX_POSTS_PER_DAY"] = "700"
            run.environment["TIMELINE_CALLS"] = "8"
            try run.add(1...20)
            try run.startLoader()
            try run.startPoller("one")
            try run.startPoller("two")
            for account in 1...20 as ClosedRange<Int64> { #expect(run.waitForPoll(of: account, beyond: 0)) }
            let shared = x.post(100, to: 1, age: .seconds(20))
            for account in 2...20 as ClosedRange<Int64> {
                x.share(shared, of: 1, with: account)
                x.post(10, to: account, age: .seconds(20))
            }
            #expect(eventually { try (1...20).allSatisfy { try run.missing(of: $0).isEmpty } }, "\(run.logs)")
            var status = try run.fixture.run(["status", "--json"])
            let charged = x.userRecord.charged.count
            #expect(charged == 290 && status.output.contains("\"posts_today\":290"), "\(charged) \(status)")
            #expect(status.output.contains("\"dollars_today\":1.45"), "\(status)")
            x.post(600, to: 5, age: .seconds(10))
            #expect(eventually { try run.fixture.run(["status"]).output.contains("budget until") }, "\(run.logs)")
            endure(.seconds(2))
            #expect(x.userRecord.charged.count <= 700)
            status = try run.fixture.run(["status", "--json", "--estimate", "1000"])
            #expect(status.output.contains("\"posts_today\":\(x.userRecord.charged.count)"), "\(status)")
        }
    }
}
