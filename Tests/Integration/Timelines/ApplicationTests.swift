import Core
import Foundation
import Postgres
import Sandbox
import TestSupport
import Testing

@testable import TweetTimelines

/// What an application does by SQL, and what it may do.
@Suite("Timelines: applications", .serialized, .ownThreads, .timeLimit(.minutes(5)))
struct ApplicationTests {
    /// The blocks of SQL in docs/timelines.md that are run, by name, in their order.
    private static func documented() throws -> [(name: String, sql: String)] {
        let document = try String(contentsOf: repository.appending(path: "docs/timelines.md"), encoding: .utf8)
        return document.components(separatedBy: "<!-- tested: ").dropFirst().map { block in
            let name = block.components(separatedBy: " -->")[0]
            return (name, block.components(separatedBy: "```sql\n")[1].components(separatedBy: "```")[0])
        }
    }

    private static func makeRoles() throws {
        let roles = ["app", "web", "recommender"]
        try TimelinesFixture.superuser(
            roles.map { "DO $$ BEGIN CREATE ROLE \($0) LOGIN; EXCEPTION WHEN duplicate_object THEN END $$" }
                .joined(separator: ";"), "postgres")
    }

    @Test("the SQL that docs/timelines.md gives to applications works as it is written there")
    func sqlOfTheDocument() async throws {
        try await TimelinesFixture.with { fixture in
            try Self.makeRoles()
            let blocks = try Self.documented()
            #expect(
                blocks.map(\.name) == ["add", "insert", "change", "kinds", "read", "application", "view", "rights"])
            let connection = try fixture.connect()
            for block in blocks { try connection.execute(block.sql, doing: block.name) }
            #expect(try fixture.query("SELECT user_id, state FROM x_accounts") == [["2244994945", "active"]])
            #expect(try fixture.query("SELECT access_token FROM x_tokens") == [["ACCESS"]])
        }
    }

    /// What a role gets for statements, as one line for each row.
    private static func run(_ sql: String, as role: String, _ fixture: TimelinesFixture) throws -> String {
        try TimelinesFixture.superuser("SET ROLE \(role); \(sql)", fixture.name).trimmed
    }

    private static func isDenied(_ sql: String, to role: String, _ fixture: TimelinesFixture) -> Bool {
        do {
            _ = try run(sql, as: role, fixture)
            return false
        } catch { return "\(error)".contains("permission denied") }
    }

    @Test("the documented roles: one writes tokens and reads none, others see the timeline of one user alone")
    func roles() async throws {
        try await TimelinesFixture.with { fixture in
            try Self.makeRoles()
            try fixture.query("SELECT add_x_token(1, 'a', 'b'), add_x_token(2, 'c', 'd')")
            for (place, user) in [1, 1, 2].enumerated() { try Self.addPost(Int64(place), of: user, fixture) }
            for block in try Self.documented() where ["application", "view", "rights"].contains(block.name) {
                try fixture.connect().execute(block.sql, doing: block.name)
            }
            try Self.checkApplication(fixture)
            try Self.checkReaders(fixture)
            #expect(try Self.run("SELECT remove_x_account(1)", as: "app", fixture) == "2")
        }
    }

    /// The program that logs users in.
    private static func checkApplication(_ fixture: TimelinesFixture) throws {
        _ = try Self.run("SELECT add_x_token(3, 'e'), add_x_token(1, 'n', 'm')", as: "app", fixture)
        _ = try Self.run("UPDATE x_accounts SET state = 'paused' WHERE user_id = 3", as: "app", fixture)
        _ = try Self.run("INSERT INTO timelines (user_id, kind) VALUES (1, 'posts')", as: "app", fixture)
        _ = try Self.run("DELETE FROM x_tokens WHERE user_id = 3", as: "app", fixture)
        #expect(try fixture.query("SELECT state FROM x_accounts WHERE user_id = 3") == [["login_needed"]])
        #expect(try fixture.query("SELECT refresh_token FROM x_tokens WHERE user_id = 1") == [["m"]])
        #expect(try Self.run("SELECT count(*) FROM x_accounts", as: "app", fixture) == "3")
        for sql in [
            "SELECT access_token FROM x_tokens", "SELECT access FROM x_tokens", "SELECT FROM timeline_entries",
            "UPDATE x_accounts SET fence = 1", "SELECT FROM tweets",
        ] { #expect(Self.isDenied(sql, to: "app", fixture), "\(sql)") }
    }

    /// Those that show timelines.
    private static func checkReaders(_ fixture: TimelinesFixture) throws {
        for user in [1, 2] {
            let set = "SET app.account = '\(user)';"
            let count = user == 1 ? "2" : "1"
            #expect(try Self.run("\(set) SELECT count(*) FROM my_timeline", as: "web", fixture) == count)
            #expect(
                try Self.run("\(set) SELECT count(*) FROM home_timeline(\(user))", as: "recommender", fixture)
                    == count)
            let other = "\(set) SELECT count(*) FROM home_timeline(\(3 - user))"
            #expect(try Self.run(other, as: "recommender", fixture) == "0")
        }
        for sql in ["SELECT count(*) FROM my_timeline", "SET app.account = ''; SELECT count(*) FROM my_timeline"] {
            #expect(try Self.run(sql, as: "web", fixture) == "0")
        }
        for sql in ["SELECT FROM tweets", "SELECT FROM timeline_entries", "SELECT FROM x_tokens"] {
            #expect(Self.isDenied(sql, to: "web", fixture), "\(sql)")
        }
        for role in ["web", "recommender"] {
            for sql in ["SELECT add_x_token(9, 'x')", "SELECT remove_x_account(1)", "DELETE FROM x_tokens"] {
                #expect(Self.isDenied(sql, to: role, fixture), "\(role): \(sql)")
            }
        }
    }

    /// A tweet with an entry in a home timeline.
    private static func addPost(_ place: Int64, of user: Int, _ fixture: TimelinesFixture) throws {
        let id = "(tweet_id_at('2010-12-01Z') + \(place))"
        try fixture.query("CREATE TABLE IF NOT EXISTS tweets_all PARTITION OF tweets DEFAULT")
        try fixture.query("CREATE TABLE IF NOT EXISTS tweet_rules_all PARTITION OF tweet_rules DEFAULT")
        try fixture.query(
            """
            INSERT INTO tweets (id, text, kafka_topic, kafka_partition, kafka_offset, text_altered, matched)
            VALUES (\(id), 'x', 't', 0, \(place), false, true)
            """)
        try fixture.query("INSERT INTO timeline_entries VALUES (\(user), 'home', \(id), now())")
    }

    @Test("every change of an application notifies the pollers, and no change of theirs does")
    func notifications() async throws {
        try await TimelinesFixture.with { fixture in
            let listener = try fixture.connect()
            try listener.listen(to: "x_tokens")
            let connection = try fixture.connect()
            let store = try fixture.store(connection)
            func notifies(_ sql: String) throws -> Bool {
                try connection.execute(sql, doing: sql)
                return try listener.waitForNotification(atMost: .milliseconds(300))
            }
            let sealed = store.sealed(1, Secret("new"), nil, "").map { $0 ?? "" }
            for sql in [
                "INSERT INTO x_tokens (user_id, access_token) VALUES (1, 'a')", "SELECT add_x_token(1, 'b', 'c')",
                "UPDATE x_tokens SET access_token = 'd'",
                "SELECT add_encrypted_x_token(1, '\(sealed[0])', NULL, \(sealed[2])::smallint)",
                "INSERT INTO timelines (user_id, kind) VALUES (1, 'posts')",
                "UPDATE x_accounts SET state = 'paused'; UPDATE x_accounts SET state = 'active', state_since = now()",
                "DELETE FROM x_tokens", "SELECT add_x_token(1, 'e')", "SELECT remove_x_account(1)",
            ] { #expect(try notifies(sql), "\(sql)") }
            #expect(try notifies("SELECT add_x_token(1, 'f')"))
            #expect(try store.encryptAll(connection) == 1)
            for sql in [
                "UPDATE x_tokens SET dead_since = now()", "UPDATE x_tokens SET access = '\\x02', version = version + 1",
                "UPDATE x_accounts SET state = 'limited'; UPDATE x_accounts SET state = 'active', fence = fence + 1",
                "UPDATE timelines SET due_at = now()",
            ] { #expect(try !notifies(sql), "\(sql)") }
        }
    }

    @Test("what an application changes is noticed at once, also when a token was added in an outage of PostgreSQL")
    func wakeUps() async throws {
        try await TimelinesRun.with { run in
            let fixture = run.fixture
            run.environment.merge(["TIMELINE_INTERVAL": "1h", "TIMELINE_MAX_INTERVAL": "1h"]) { $1 }
            try run.add(1...1)
            try run.startPoller()
            #expect(run.waitForFirstPolls(1...1), "\(run.logs)")
            endure(.milliseconds(500))
            try run.add(2...2)
            #expect(Self.isPolledSoon(2, run), "\(run.logs)")
            try fixture.query("UPDATE x_accounts SET state = 'paused' WHERE user_id = 2")
            try fixture.query("UPDATE x_accounts SET state = 'active' WHERE user_id = 2")
            #expect(Self.isPolledSoon(2, beyond: 1, run), "\(run.logs)")
            try Self.addDuringOutage(3, run)
            #expect(Self.isPolledSoon(3, run), "\(run.logs)")
            // The listener is there again.
            #expect(
                try eventually {
                    let listeners =
                        "query LIKE '%LISTEN x_tokens%' AND pid <> pg_backend_pid() AND datname = current_database()"
                    return try fixture.query("SELECT FROM pg_stat_activity WHERE \(listeners)").count == 1
                })
            try run.add(4...4)
            #expect(Self.isPolledSoon(4, run), "\(run.logs)")
        }
    }

    /// Whether an account is polled before it would be without notifications, after 30 s.
    private static func isPolledSoon(_ account: Int64, beyond calls: Int = 0, _ run: TimelinesRun) -> Bool {
        let x = run.fixture.simulator
        return eventually(within: .seconds(15)) { x.userRecord.calls[account, default: 0] > calls }
    }

    /// Nobody can connect, and a superuser adds a token that nobody hears of.
    private static func addDuringOutage(_ account: Int64, _ run: TimelinesRun) throws {
        let (x, name) = (run.fixture.simulator, run.fixture.name)
        try TimelinesFixture.superuser(
            """
            ALTER DATABASE \(name) CONNECTION LIMIT 0;
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '\(name)'
            """, "postgres")
        #expect(eventually { run.logs.contains("PostgreSQL is unreachable") }, "\(run.logs)")
        x.setUser(account)
        let pair = x.logIn(account)
        try TimelinesFixture.superuser("SELECT add_x_token(\(account), '\(pair.access)')", name)
        endure(.seconds(1))
        #expect(x.userRecord.calls[account] == nil)
        try TimelinesFixture.superuser("ALTER DATABASE \(name) CONNECTION LIMIT -1", "postgres")
    }

    @Test("a PostgreSQL that is unreachable at the start is waited for, and pauses of earlier settings end then")
    func startDuringOutage() async throws {
        try await TimelinesRun.with { run in
            let name = run.fixture.name
            try run.add(1...1)
            try run.fixture.query(
                """
                INSERT INTO timeline_pauses (cause, until, detail)
                VALUES ('budget', now() + interval '1 hour', 'an earlier limit')
                """)
            try TimelinesFixture.superuser("ALTER DATABASE \(name) CONNECTION LIMIT 0", "postgres")
            try run.startPoller()
            #expect(eventually { run.logs.contains("PostgreSQL is unreachable at the start") }, "\(run.logs)")
            try TimelinesFixture.superuser("ALTER DATABASE \(name) CONNECTION LIMIT -1", "postgres")
            #expect(run.waitForFirstPolls(1...1), "\(run.logs)")
            #expect(run.stop("poller") == .status(0), "\(run.logs)")
        }
    }

    @Test("lines of an account that was removed while they were on their way are not stored, and verify knows why")
    func removalWithLinesOnTheirWay() async throws {
        try await TimelinesRun.with { run in
            let x = run.fixture.simulator
            try run.add(1...2)
            let shared = x.post(10, to: 1, age: .seconds(30))
            x.share(Array(shared.prefix(4)), of: 1, with: 2)
            try run.startPoller()
            #expect(run.waitForFirstPolls(1...2), "\(run.logs)")
            #expect(run.stop("poller") == .status(0), "\(run.logs)")
            let removed = try run.fixture.run(["accounts", "remove", "1"])
            #expect(removed.exit == .status(0) && !x.isLoggedIn(1), "\(removed)")
            try run.startLoader()
            #expect(run.waitUntilComplete(2...2), "\(run.logs)")
            let journal = ["--journal", run.journal("poller"), "--wait", "60s"]
            let verified = try run.loader(["verify", "--rows"] + journal)
            #expect(verified.exit == .status(0), "\(verified)")
            #expect(verified.output.contains("0 of them in no table; 6 of accounts that were removed"), "\(verified)")
            #expect(try run.fixture.query("SELECT count(*) FROM tweets") == [["4"]])
            // What is read for the account since it was added again is stored.
            try run.add(1...1)
            x.post(3, to: 1, age: .seconds(2))
            try run.startPoller()
            #expect(run.waitUntilComplete(1...2), "\(run.logs)")
            #expect(try run.fixture.query("SELECT count(*) FROM tweets") == [["13"]])
        }
    }

    @Test("the service's heartbeats are in stream_state, with what it knows of itself")
    func heartbeats() async throws {
        try await TimelinesRun.with { run in
            let x = run.fixture.simulator
            run.environment.merge(["HEARTBEAT": "1s", "MAX_POSTS_PER_DAY": "5000"]) { $1 }
            try run.add(1...1)
            x.post(5, to: 1, age: .seconds(20))
            try run.startLoader()
            try run.startPoller()
            func state(_ columns: String) throws -> [[String?]] {
                try run.fixture.query("SELECT \(columns) FROM stream_state WHERE stream = 'timelines'")
            }
            // Numbers of the day are read every 10 s.
            #expect(try eventually { try state("connected, posts_today") == [["t", "5"]] }, "\(run.logs)")
            let known = try state(
                """
                limit_per_day, due_after, passive, last_post_at <= last_received_at, alive_at - last_received_at < '1 minute',
                journal_bytes > 0 AND available_bytes > 0
                """)
            #expect(known == [["5000", "00:00:01", "f", "t", "t", "t"]])
            x.setUser(1) { $0.refusal = .usageCap }
            #expect(try eventually { try state("connected") == [["f"]] }, "\(run.logs)")
            let first = try state("seq")
            #expect(try eventually { try state("seq") != first })
            #expect(run.stop("poller") == .status(0), "\(run.logs)")
        }
    }
}
