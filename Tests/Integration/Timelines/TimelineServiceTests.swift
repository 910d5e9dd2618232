import Core
import Foundation
import Harness
import Postgres
import Sandbox
import TestSupport
import Testing

@testable import TweetTimelines

@Suite("Timelines: the service", .serialized, .ownThreads, .timeLimit(.minutes(10)))
struct TimelineServiceTests {
    /// A lease of such an interval lasts 21 s, so that an account whose poller was killed is polled within two intervals: 7 s
    /// are left for a busy machine.
    @Test("F92: with three pollers, one of which is killed again and again, every user is polled within two intervals")
    func f92KilledPollers() async throws {
        try await TimelinesRun.with { run in
            let x = run.fixture.simulator
            let accounts: ClosedRange<Int64> = 1...200
            run.environment.merge(["TIMELINE_INTERVAL": "28s", "TIMELINE_MAX_INTERVAL": "28s"]) { $1 }
            try run.add(accounts)
            let pollers = ["a", "b", "c"]
            for poller in pollers { try run.startPoller(poller) }
            #expect(run.waitForFirstPolls(accounts), "\(run.logs)")
            x.forgetCalls()
            x.setUserDelay(.milliseconds(50))
            for round in 0..<4 {
                endure(.seconds(18))
                run.kill(pollers[round % 3])
                try run.startPoller(pollers[round % 3])
            }
            endure(.seconds(30))
            let record = x.userRecord
            #expect(record.overlapping == 0)
            let now = x.clock.now
            let pauses = accounts.map { account in
                max(
                    record.longestPauses[account] ?? .zero,
                    .milliseconds(now.milliseconds - (record.lastCalls[account]?.milliseconds ?? 0)))
            }
            let late = pauses.filter { $0 > .seconds(56) }
            #expect(late.isEmpty, "\(late.count) users waited up to \(pauses.max()?.short ?? "")")
        }
    }

    @Test("an account's own posts and its mentions are read beside its home timeline, each with its mark")
    func postsAndMentions() async throws {
        try await TimelinesRun.with { run in
            let x = run.fixture.simulator
            try run.add(1...1)
            try run.fixture.query("INSERT INTO timelines (user_id, kind) VALUES (1, 'posts'), (1, 'mentions')")
            for kind in ["home", "posts", "mentions"] { x.post(30, to: 1, kind: kind, age: .seconds(40)) }
            try run.startLoader()
            try run.startPoller()
            for kind in ["home", "posts", "mentions"] {
                #expect(try eventually { try run.missing(of: 1, kind: kind).isEmpty }, "\(kind): \(run.logs)")
                x.post(120, to: 1, kind: kind, age: .seconds(5))
                #expect(try eventually { try run.missing(of: 1, kind: kind).isEmpty }, "\(kind): \(run.logs)")
                #expect(try run.entries(of: 1, kind: kind).count == 150)
            }
            #expect(try run.fixture.query("SELECT count(*) FROM timelines WHERE complete_to > 0") == [["3"]])
            #expect(x.userRecord.overlapping == 0)
        }
    }

    @Test("posts of protected authors are in the home timeline, marked, and in no public view")
    func protectedAuthors() async throws {
        try await TimelinesRun.with { run in
            let x = run.fixture.simulator
            try run.add(1...1)
            x.post(3, to: 1, age: .seconds(30))
            x.post(2, to: 1, age: .seconds(20), isProtected: true)
            try run.startLoader()
            try run.startPoller()
            #expect(run.waitUntilComplete(1...1), "\(run.logs)")
            let marked = try run.fixture.query("SELECT protected, count(*) FROM home_timeline(1) GROUP BY 1 ORDER BY 1")
            #expect(marked == [["f", "3"], ["t", "2"]])
            #expect(try run.fixture.query("SELECT count(*) FROM readable_tweets") == [["3"]])
        }
    }

    @Test("verify and explain treat posts of timelines as those of a stream")
    func theLedgerCountsTimelines() async throws {
        try await TimelinesRun.with { run in
            let x = run.fixture.simulator
            try run.add(1...2)
            let ids = x.post(40, to: 1, age: .seconds(30))
            x.share(ids, of: 1, with: 2)
            try run.startLoader()
            try run.startPoller()
            #expect(run.waitUntilComplete(1...2), "\(run.logs)")
            let journal = run.journal("poller")
            let verified = try run.loader(["verify", "--rows", "--wait", "60s", "--journal", journal])
            #expect(verified.exit == .status(0) && verified.output.contains("0 of them in no table"), "\(verified)")
            let explained = try run.loader(["explain", "\(ids[0])"])
            #expect(explained.exit == .status(0) && explained.output.contains("timelines"), "\(explained)")
            // One tweet, two entries.
            let rows = try run.fixture.query(
                "SELECT (SELECT count(*) FROM tweets), (SELECT count(*) FROM timeline_entries)")
            #expect(rows == [["40", "80"]])
        }
    }

    /// The simulator's tokens begin with `sandbox-access` and `sandbox-refresh`, which nothing else has.
    @Test("a token is nowhere in clear after a run: not in the database, in logs, journals, settings or errors")
    func tokensAreNowhereInClear() async throws {
        try await TimelinesRun.with { run in
            let x = run.fixture.simulator
            try run.add(1...3)
            x.post(5, to: 1, age: .seconds(20))
            run.environment["LOG_LEVEL"] = "trace"
            try run.startLoader()
            try run.startPoller()
            #expect(run.waitForFirstPolls(1...3), "\(run.logs)")
            // Refreshes, rejections and errors of every kind.
            x.expireTokens(of: 1)
            x.revokeAccess(of: 2)
            x.setUser(3) { $0.refusal = .serverError() }
            #expect(run.waitForPoll(of: 1))
            #expect(
                try eventually { try run.state(of: 2) == "failing" && run.state(of: 3) == "failing" }, "\(run.logs)")
            #expect(run.waitUntilComplete(1...1), "\(run.logs)")
            // A core file would have them.
            #expect(try run.limits(of: "poller").contains(#/Max core file size +0 +0 /#))
            #expect(run.stop("poller") == .status(0))
            var texts = [run.logs, "\(try everything(run.fixture))"]
            for command in [["config", "show"], ["status", "--json"], ["accounts", "list", "--json"], ["doctor"]] {
                texts.append(try run.fixture.run(command, environment: run.environment(of: "poller")).output)
            }
            texts.append(try String(decoding: journal(run), as: UTF8.self))
            for text in texts {
                #expect(!text.isEmpty && !text.contains("sandbox-access") && !text.contains("sandbox-refresh"))
            }
        }
    }

    /// Every row of every table as text.
    private func everything(_ fixture: TimelinesFixture) throws -> [[String?]] {
        let tables = try fixture.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return try tables.flatMap { try fixture.query("SELECT t::text FROM \($0[0] ?? "") t") }
    }

    /// All files of the poller's journal.
    private func journal(_ run: TimelinesRun) throws -> Data {
        let folder = URL(fileURLWithPath: run.journal("poller"))
        let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)
        return (files?.compactMap { $0 as? URL } ?? []).reduce(into: Data()) { all, file in
            all += (try? Data(contentsOf: file)) ?? Data()
        }
    }

    @Test("the service answers for its health, and doctor finds nothing to fail")
    func healthAndDoctor() async throws {
        try await TimelinesRun.with { run in
            let x = run.fixture.simulator
            run.environment["LISTEN"] = "127.0.0.1:\(try freePort())"
            run.environment["MAX_POSTS_PER_DAY"] = "10000"
            try run.add(1...2)
            x.post(5, to: 1, age: .seconds(20))
            try run.startPoller()
            let environment = run.environment(of: "poller")
            #expect(
                try eventually {
                    let ended = try run.fixture.run(["health"], environment: environment)
                    return ended.exit == .status(0) && ended.output.contains("tweet-timelines OK")
                }, "\(run.logs)")
            let ended = try run.fixture.run(["doctor"], environment: environment)
            #expect(ended.exit == .status(0), "\(ended)")
            // Another key is found before it does harm.
            try run.fixture.writeKey("other", String(repeating: "0c", count: 32))
            #expect(run.waitForFirstPolls(1...2))
            let other = environment.merging(["TIMELINE_KEY_FILE": run.fixture.folder.path + "/other"]) { $1 }
            let found = try run.fixture.run(["doctor"], environment: other)
            #expect(found.exit == .status(78) && found.output.contains("different key"), "\(found)")
        }
    }

    @Test("doctor looks at addresses, brokers, the system and the password file")
    func doctorOfServers() async throws {
        try await TimelinesRun.with { run in
            let kafka = try KafkaSandbox(brokers: 2)
            var environment = run.environment(of: "poller")
            let first = kafka.bootstrapServers.split(separator: ",").first
            environment["KAFKA_BOOTSTRAP_SERVERS"] = first.map { String($0) }
            let fine = try run.fixture.run(["doctor"], environment: environment)
            #expect(fine.output.contains("1 of 1 beside KAFKA_BOOTSTRAP_SERVERS"), "\(fine)")
            for check in ["postgresql addresses", "pgpass", "malloc"] {
                #expect(fine.output.contains("ok      \(check)"), "\(check): \(fine)")
            }
            environment["PGPASSFILE"] = run.fixture.folder.path + "/none"
            let pgpass = try run.fixture.run(["doctor", "--offline"], environment: environment)
            #expect(pgpass.exit == .status(77) && pgpass.output.contains("/none: No such file"), "\(pgpass)")
        }
    }

    @Test("old entries and old reads are deleted, and marks do not depend on them")
    func retention() async throws {
        try await TimelinesFixture.with { fixture in
            try fixture.query("SELECT add_x_token(1, 'a'), add_x_token(2, 'b')")
            try fixture.query(
                """
                INSERT INTO timeline_entries SELECT u, 'home', tweet_id_at(now()) - n * 1000000, now()
                FROM generate_series(1, 2) u, generate_series(1, 900 * u) n
                """)
            try fixture.query("INSERT INTO timeline_reads VALUES (current_date - 3, 1), (current_date, 1)")
            try TimelineRetention(keep: .posts(800)).run(fixture.connect())
            let kept = try fixture.query("SELECT count(*), count(DISTINCT user_id) FROM timeline_entries")
            #expect(kept == [["1600", "2"]])
            #expect(try fixture.query("SELECT count(*) FROM timeline_reads") == [["1"]])
            try fixture.query(
                "INSERT INTO timeline_entries VALUES (1, 'home', tweet_id_at(now() - interval '40 days'), now())")
            try TimelineRetention(keep: .time(.seconds(30 * 86_400))).run(fixture.connect())
            #expect(try fixture.query("SELECT count(*) FROM timeline_entries") == [["1600"]])
        }
    }
}
