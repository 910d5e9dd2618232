import Core
import Foundation
import Postgres
import Sandbox
import TestSupport
import Testing

@testable import TweetTimelines

@Suite("Timelines: what X and machines do to them", .serialized, .ownThreads, .timeLimit(.minutes(15)))
struct TimelineFaultTests {
    @Test("F86: posts that appear up to 10 s late are all stored, each once")
    func f86LatePosts() async throws {
        try await TimelinesRun.with { run in
            let x = run.fixture.simulator
            try run.add(1...1)
            x.post(30, to: 1, age: .seconds(50))
            try run.startLoader()
            try run.startPoller()
            #expect(run.waitUntilComplete(1...1), "\(run.logs)")
            for round in 1...5 {
                x.post(2, to: 1)
                // Older than the newest, and shown later than it.
                x.post(1, to: 1, age: .seconds(4), late: .seconds(1))
                x.post(1, to: 1, age: .seconds(10), late: .milliseconds(300 * round))
                #expect(run.waitForPoll(of: 1))
            }
            x.post(1, to: 1)
            #expect(run.waitUntilComplete(1...1), "\(run.logs)")
            #expect(try run.fixture.query("SELECT count(*) FROM timeline_gaps") == [["0"]])
            #expect(try run.fixture.query("SELECT count(*) FROM tweets") == [["51"]])
            #expect(run.stop("poller") == .status(0), "\(run.logs)")
        }
    }

    @Test("F88: more than the timeline's depth between two polls, and pages without end, are gaps with their bounds")
    func f88Depth() async throws {
        try await TimelinesRun.with { run in
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
            #expect(try eventually { try run.fixture.query("SELECT FROM timeline_gaps WHERE user_id = 1").count == 1 })
            let gap = try run.fixture.query(
                "SELECT from_id < \(first), to_id > \(first), cause FROM timeline_gaps WHERE user_id = 1")
            #expect(gap == [["t", "t", "depth"]])
            #expect(run.waitUntilComplete(1...2), "\(run.logs)")
            #expect(try run.entries(of: 1).count == 801)
            // Three pages without a new post end each walk.
            let calls = x.userRecord.calls[2, default: 0]
            #expect(run.waitForPoll(of: 2))
            #expect(x.userRecord.calls[2, default: 0] - calls < 100)
        }
    }

    @Test("F88: a mark that is older than what X accepts as since_id is no dead end, and what X no longer has is a gap")
    func f88OldMarks() async throws {
        try await TimelinesRun.with { run in
            let x = run.fixture.simulator
            try run.add(1...1)
            x.setUser(1) { $0.rejectsOldIDs = true }
            x.post(250, to: 1, age: .seconds(3600))
            try run.fixture.query(
                "UPDATE timelines SET complete_to = tweet_id_at(now() - interval '8 days'), recent_ids = '{1}'")
            try run.startLoader()
            try run.startPoller()
            #expect(try eventually { try run.entries(of: 1).count == 250 }, "\(run.logs)")
            let gaps = try run.fixture.query(
                "SELECT from_id < tweet_id_at(now() - interval '8 days'), to_id <= $1::bigint FROM timeline_gaps",
                ["\(x.offered(to: 1).min() ?? 0)"])
            #expect(gaps == [["t", "t"]])
        }
    }

    @Test("F90: a user who revokes, is suspended or deleted has that state; an app that is denied stops no account")
    func f90UsersAndTheApp() async throws {
        try await TimelinesRun.with { run in
            let x = run.fixture.simulator
            try run.add(1...4)
            try run.startLoader()
            try run.startPoller()
            #expect(run.waitForFirstPolls(1...4), "\(run.logs)")
            x.setUser(2) {
                $0.refusal = Refusal(
                    status: 403, body: #"{"title":"Forbidden","detail":"User has been suspended: [user2]."}"#)
            }
            x.deleteUser(3)
            x.revokeAccess(of: 1)
            #expect(try eventually { try run.state(of: 2) == "suspended" }, "\(run.logs)")
            #expect(try eventually { try run.state(of: 3) == "suspended" }, "\(run.logs)")
            #expect(try eventually { try run.state(of: 1) == "failing" }, "\(run.logs)")
            // Seen twice, 30 s apart.
            #expect(try eventually { try run.state(of: 1) == "revoked" }, "\(run.logs)")
            x.setUser(4) { $0.refusal = .forbidden }
            #expect(try eventually { try Self.pauses(run) == ["app"] }, "\(run.logs)")
            #expect(try run.state(of: 4) == "active")
            for user in [2, 4] as [Int64] { x.setUser(user) { $0.refusal = nil } }
            try run.fixture.query("UPDATE timeline_pauses SET until = now()")
            // A suspended account is looked at once a day.
            try run.fixture.query("UPDATE timelines SET due_at = now() WHERE user_id = 2")
            try run.fixture.query("SELECT pg_notify('x_tokens', '')")
            x.post(1, to: 4)
            #expect(run.waitUntilComplete(4...4), "\(run.logs)")
            #expect(try eventually { try run.state(of: 2) == "active" && Self.pauses(run).isEmpty }, "\(run.logs)")
        }
    }

    /// Why no timeline is read.
    private static func pauses(_ run: TimelinesRun) throws -> [String] {
        try run.fixture.query("SELECT cause FROM timeline_pauses WHERE until > now() ORDER BY 1").compactMap { $0[0] }
    }

    @Test("F90: users whom X denies alike are not at fault; one whom X answers with errors stops no other")
    func f90ManyAlike() async throws {
        try await TimelinesRun.with { run in
            let x = run.fixture.simulator
            try run.add(1...5)
            try run.startLoader()
            try run.startPoller()
            #expect(run.waitForFirstPolls(1...5), "\(run.logs)")
            x.setUser(1) { $0.refusal = .serverError() }
            #expect(try eventually { try run.state(of: 1) == "failing" }, "\(run.logs)")
            for account in 2...5 as ClosedRange<Int64> { #expect(run.waitForPoll(of: account)) }
            #expect(!run.logs.contains("X does not answer"))
            let denied = Refusal(status: 404, body: #"{"type":"https://api.x.com/2/problems/resource-not-found"}"#)
            for account in 1...5 as ClosedRange<Int64> { x.setUser(account) { $0.refusal = denied } }
            #expect(try eventually { try Self.pauses(run) == ["app"] }, "\(run.logs)")
            let states = try (1...5).map { try run.state(of: $0) }
            #expect(states.count { $0 == "suspended" } < AppWatch.many, "\(states)")
        }
    }

    @Test("F91: a user's limit stops that user alone; a usage cap stops all, with one alarm")
    func f91Limits() async throws {
        try await TimelinesRun.with { run in
            let x = run.fixture.simulator
            try run.add(1...3)
            // The simulator's clock is ahead: waits must come from its headers.
            x.advance(by: .seconds(7000))
            x.setUser(1) { $0.callLimit = 2 }
            try run.startLoader()
            try run.startPoller()
            #expect(try eventually { try run.state(of: 1) == "limited" }, "\(run.logs)")
            let until = try run.fixture.query(
                "SELECT extract(epoch FROM state_until - now()) BETWEEN 600 AND 902 FROM x_accounts WHERE user_id = 1")
            #expect(until == [["t"]])
            let calls = x.userRecord.calls
            #expect(run.waitForPoll(of: 2) && run.waitForPoll(of: 3))
            #expect(x.userRecord.calls[1] == calls[1])
            for account in [2, 3] as [Int64] { x.setUser(account) { $0.refusal = .usageCap } }
            #expect(try eventually { try Self.pauses(run) == ["usage_cap"] }, "\(run.logs)")
            endure(.seconds(3))
            #expect(run.logs.components(separatedBy: "no timeline can be read").count == 2)
            #expect(try run.state(of: 2) == "active" && run.state(of: 3) == "active")
        }
    }

    @Test("F91: a limit of the app, missing credits, and an X that is unreachable stop all accounts and change none")
    func f91TheApp() async throws {
        try await TimelinesRun.with { run in
            let x = run.fixture.simulator
            try run.add(1...4)
            try run.startLoader()
            try run.startPoller()
            #expect(run.waitForFirstPolls(1...4), "\(run.logs)")
            for account in 1...4 as ClosedRange<Int64> { x.setUser(account) { $0.refusal = .rateLimit } }
            #expect(try eventually { try Self.pauses(run) == ["rate_limit"] }, "\(run.logs)")
            for account in 1...4 as ClosedRange<Int64> { x.setUser(account) { $0.refusal = .creditsDepleted } }
            try run.fixture.query("UPDATE timeline_pauses SET until = now()")
            try run.fixture.query("UPDATE timelines SET due_at = now()")
            try run.fixture.query("SELECT pg_notify('x_tokens', '')")
            #expect(try eventually { try Self.pauses(run) == ["no_credits"] }, "\(run.logs)")
            for account in 1...4 as ClosedRange<Int64> { x.setUser(account) { $0.refusal = nil } }
            try run.fixture.query("UPDATE timeline_pauses SET until = now()")
            try run.fixture.query("UPDATE timelines SET due_at = now()")
            try run.fixture.query("SELECT pg_notify('x_tokens', '')")
            x.post(2, to: 1)
            #expect(run.waitUntilComplete(1...4), "\(run.logs)")
            #expect(try eventually { try (1...4).allSatisfy { try run.state(of: $0) == "active" } }, "\(run.logs)")
        }
    }

    @Test("a token that was deleted ends polling at once, and is never brought back")
    func deletedTokens() async throws {
        try await TimelinesRun.with { run in
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
            // A new one is polled at once.
            x.post(3, to: 1)
            try run.add(1...1)
            #expect(run.waitUntilComplete(1...1), "\(run.logs)")
            #expect(run.stop("poller") == .status(0))
        }
    }
}
