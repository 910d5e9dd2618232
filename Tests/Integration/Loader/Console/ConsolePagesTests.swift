import Core
import Harness
import Operations
import Postgres
import Sandbox
import TestSupport
import Testing

@testable import TweetLoader

/// What the pages of the console show, over HTTP, from a real database.
@Suite("The console's pages", .ownThreads, .timeLimit(.minutes(4)))
struct ConsolePagesTests {
    private let database: TestDatabase

    init() throws {
        database = try TestDatabase()
    }

    private func fillGaps(_ count: Int) throws {
        try database.query(
            """
            INSERT INTO stream_gaps (stream, journal, opened_seq, started_at, ended_at, cause, status, repaired_posts)
            SELECT 'main', '0a1b2c3d', n, date_trunc('hour', now()) - n / 3 * interval '1 hour',
                date_trunc('hour', now()) - n / 3 * interval '1 hour' + interval '7 min', 'stall',
                CASE n % 2 WHEN 0 THEN 'open' ELSE 'repaired_approximately' END, CASE n % 2 WHEN 1 THEN 2000 END
            FROM generate_series(1, \(count)) n
            """)
    }

    private func fillRejects(_ count: Int) throws {
        try database.query(
            """
            INSERT INTO rejects (reason, sqlstate, detail, value, stream, journal, seq, kafka_topic, kafka_partition, kafka_offset)
            SELECT CASE n % 3 WHEN 0 THEN 'database' ELSE 'not_json' END, CASE n % 3 WHEN 0 THEN '22003' END, 'detail ' || n,
                '\\x7b00ff3c', 'main', '0a1b2c3d', n, 'tweets', 0, n
            FROM generate_series(1, \(count)) n
            """)
    }

    @Test func anEmptyDatabaseIsExplained() throws {
        let console = try TestConsole(database.url)
        for page in ConsolePages.all {
            let answer = try console.ask(page.path)
            #expect(answer.status == 200 && answer.body.contains("<h1>\(page.title)</h1>"), "\(page.path)")
            #expect(answer.field("content-type") == "text/html; charset=utf-8")
        }
        let overview = try console.page("/")
        #expect(overview.contains("No producer has been heard of yet.") && overview.contains("No loader runs."))
        #expect(try console.page("/rejects").contains("Nothing was rejected."))
    }

    @Test func theOverviewJudgesByAge() throws {
        try database.query(
            """
            INSERT INTO stream_state (stream, journal, seq, alive_at, settled_at, due_after, connected, last_received_at,
                last_post_at, posts_today, journal_bytes, available_bytes, rules)
            VALUES ('main', '0a1b2c3d', 9, now(), now(), '30 s', true, now(), now() - interval '4 min', 1234, 1 << 30, 1 << 34, 3)
            """)
        try database.query("INSERT INTO loaders (owner) VALUES ('host/1/x')")
        let console = try TestConsole(database.url)
        let calm = try console.page("/")
        #expect(calm.contains("class=\"verdict ok\"") && calm.contains("1.0 GiB") && calm.contains("1,234"))
        // 3 min without a heartbeat, then 10.
        try database.query("UPDATE stream_state SET alive_at = now() - interval '3 min'")
        #expect(try console.page("/").contains("class=\"verdict degraded\""))
        try database.query("UPDATE stream_state SET alive_at = now() - interval '10 min'")
        let stale = try console.page("/")
        #expect(stale.contains("class=\"verdict failing\"") && stale.contains("The last heartbeat of stream main"))
        try database.query(
            "UPDATE stream_state SET alive_at = now(), connected = false, last_received_at = now() - interval '2 min'")
        #expect(try console.page("/").contains("Stream main is not connected"))
    }

    @Test func gapsAreListedOnceOnPages() throws {
        try fillGaps(120)
        let console = try TestConsole(database.url)
        var (page, seen, pages) = (try console.page("/gaps"), [String](), 1)
        #expect(
            page.contains("<svg class=\"lane\"") && page.contains("$10.00") && page.contains("filled approximately"))
        while true {
            seen += page.matches(of: #/<tr><td><bdi dir="auto">main</bdi></td><td><time datetime="([^"]+)"/#).map {
                String($0.1)
            }
            guard let next = page.firstMatch(of: #/href="([^"]+)">Older gaps/#) else { break }
            page = try console.page(PageElements.unescaped(String(next.1)))
            pages += 1
        }
        #expect(pages == 3 && seen.count == 120)
        #expect(seen == seen.sorted(by: >) && Set(seen).count == 41)
    }

    @Test func rejectsAreGroupedListedAndShown() throws {
        try fillRejects(120)
        let console = try TestConsole(database.url)
        var (page, seen) = (try console.page("/rejects"), [Int]())
        #expect(page.contains("database 22003</a></td><td class=\"number\">40</td>"))
        while true {
            seen += page.matches(of: #/rejects\?id=(\d+)"/#).compactMap { Int($0.1) }
            guard let next = page.firstMatch(of: #/href="([^"]+)">Older rejects/#) else { break }
            page = try console.page(PageElements.unescaped(String(next.1)))
        }
        #expect(seen == Array((1...120).reversed()))
        let group = try console.page("/rejects?reason=database&sqlstate=22003")
        #expect(group.matches(of: #/rejects\?id=\d+"/#).count == 40)

        let one = try console.page("/rejects?id=7")
        #expect(one.contains("tweet-loader rejects replay 7") && one.contains("000000  7b 00 ff 3c"))
        #expect(one.contains("{[U+0000]\u{FFFD}&lt;"))
        #expect(try console.page("/rejects?id=999").contains("There is no reject 999"))
    }

    @Test func nothingCanBeWritten() throws {
        let session = try ConsoleSession(PostgresConninfo(database.url), budget: .seconds(30))
        do {
            _ = try session.rows("INSERT INTO loaders (owner) VALUES ('x') RETURNING owner", doing: "write")
            Issue.record("the console has written")
        } catch let error as PostgresError {
            #expect(error.sqlstate == "25006")
        }
        #expect(try session.rows("SELECT current_setting('application_name')", doing: "look")[0][0] == "tweet-console")
    }

    @Test func timeOutsBecomePages() throws {
        try database.query(
            "INSERT INTO stream_gaps (stream, journal, opened_seq, started_at) VALUES ('s', 'j', 1, now())")
        let console = try TestConsole(database.url)
        let lock = try database.connect()
        try lock.execute("BEGIN; LOCK TABLE stream_gaps")
        let begin = ContinuousClock.now
        let answer = try console.ask("/gaps")
        #expect(answer.status == 503 && answer.body.contains("<h1>Gaps</h1>"))
        #expect(ContinuousClock.now - begin < .seconds(30))
        // The connection is good for the next page.
        #expect(try console.ask("/rejects").status == 200)
        try lock.execute("ROLLBACK")
        #expect(try console.ask("/gaps").status == 200)
    }

    @Test func aPageHasABoundedTime() throws {
        let session = try ConsoleSession(PostgresConninfo(database.url), budget: .seconds(2))
        session.begin()
        let begin = ContinuousClock.now
        #expect(throws: (any Error).self) { try session.rows("SELECT pg_sleep(120)", doing: "sleep") }
        #expect(ContinuousClock.now - begin < .seconds(60))
        // A server that is a second late counts as one that hangs, which happens on a busy machine.
        guard !session.isLost else { return }
        // The rest of the page has no time left; the next one has.
        #expect(throws: OutOfTime.self) { try session.rows("SELECT 1", doing: "look") }
        session.begin()
        #expect(try session.number("SELECT 1", doing: "look") == 1)
    }

    @Test func aLostConnectionIsMadeAgain() throws {
        let console = try TestConsole(database.url)
        for _ in 0..<4 { _ = try console.page("/rejects") }
        _ = try database.superuser(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tweet-console' AND datname = current_database()"
        )
        for _ in 0..<4 { _ = try console.page("/rejects") }
    }

    @Test func servicesAnswerAlsoWithoutPostgres() throws {
        let health = ServiceHealth(startsWith: ["journal"])
        let endpoints = OperationsEndpoints(
            service: "tweet-producer", registry: MetricsRegistry(prefix: "p"), health: health)
        let address = try #require(ListenSettings(url: "http://127.0.0.1:\(try freePort())", tokenFile: nil))
        let service = try OperationsServer.start(address, endpoints, logger: LogRecorder().logger)
        defer { service?.stop() }
        let silent = try #require(ListenSettings(url: "http://127.0.0.1:1", tokenFile: nil))
        for url in [database.url, "postgresql://tweets@127.0.0.1:1/tweets"] {
            let console = try TestConsole(url) {
                $0.services = WatchedServices(producers: [ServiceQuestion(address)], loaders: [ServiceQuestion(silent)])
                $0.isWatching = true
            }
            let page = try console.ask("/").body
            #expect(page.contains("waiting for: journal") && page.contains(">degraded</span>"))
            #expect(page.contains(">no answer</span>") && page.contains("nothing answers at 127.0.0.1:1"))
        }
    }

    @Test func withoutPostgresThePageSaysSo() throws {
        let console = try TestConsole("postgresql://tweets@127.0.0.1:1/tweets")
        let answer = try console.ask("/")
        #expect(answer.status == 503 && answer.body.contains("PostgreSQL cannot be read"))
        #expect(answer.body.contains("<h1>Overview</h1>"))
    }
}
