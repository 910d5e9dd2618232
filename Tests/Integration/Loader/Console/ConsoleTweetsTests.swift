import Core
import Harness
import Postgres
import TestSupport
import Testing
import TweetFormat

@testable import TweetLoader

/// Pages about tweets and rules: what they find, and that they read no month that they do not need.
@Suite("Tweets in the console", .ownThreads, .timeLimit(.minutes(4)))
struct ConsoleTweetsTests {
    private let database: TestDatabase

    init() throws {
        database = try TestDatabase()
    }

    private static func id(_ moment: String) throws -> Int64 {
        let moment = try #require(Timestamp(moment))
        return try #require(Snowflake.firstID(at: moment))
    }

    /// Six months with 120 tweets each on one day, every tenth by another author, every fourth with another tag.
    private func fill() throws {
        let lines = try (1...6).flatMap { month -> [String?] in
            let start = try Self.id("2025-0\(month)-15T12:00:00Z")
            return (0..<120).map { number in
                let text = number % 6 == 0 ? "coffee 100% \(number)" : "tea \(number)"
                // Twenty seconds apart.
                return """
                    {"data":{"id":"\(start + Int64(number) * 20_000 << 22)","text":"\(text)","author_id":"\(number % 10 == 0 ? 1 : 2)"},\
                    "includes":{"users":[{"id":"1","username":"ada","name":"A"},{"id":"2","username":"bob","name":"B"}]},\
                    "matching_rules":[{"id":"\(number % 4 == 0 ? 11 : 12)","tag":"\(number % 4 == 0 ? "rare" : "usual")"}]}
                    """
            }
        }
        try Loader.claiming(database.url).settle(TestLines.batch(lines))
        try database.query("ANALYZE")
    }

    private func found(_ page: String) -> [String] {
        page.matches(of: #/explain (\d+)</a>/#).map { String($0.1) }
    }

    @Test func pagesAreCompleteWithoutDuplicates() throws {
        try fill()
        let console = try TestConsole(database.url)
        var (page, all) = (try console.page("/tweets?until=2025-03-16T00:00&window=24h"), [String]())
        while true {
            all += found(page)
            guard let next = page.firstMatch(of: #/href="([^"]+)">Older tweets/#) else { break }
            page = try console.page(PageElements.unescaped(String(next.1)))
        }
        #expect(all.count == 120 && Set(all).count == 120 && all == all.sorted(by: >))
        #expect(page.contains("All of that time was searched."))
    }

    @Test func everyConditionHolds() throws {
        try fill()
        let console = try TestConsole(database.url)
        let day = "until=2025-03-16T00:00:00Z&window=24h"
        for (condition, count) in [
            ("user=ada", 12), ("user=%40ADA", 12), ("user=1", 12), ("user=eve", 0), ("rule=rare", 30), ("rule=11", 30),
            ("text=COFFEE", 20), ("text=100%25", 20), ("text=0_2", 0), ("user=ada&rule=rare&text=coffee", 2),
        ] {
            #expect(found(try console.page("/tweets?\(day)&\(condition)")).count == count, "\(condition)")
        }
        let id = try Self.id("2025-03-15T12:00:00Z")
        for name in ["\(id)", "https%3A%2F%2Fx.com%2Fada%2Fstatus%2F\(id)%3Fs%3D20"] {
            let one = try console.page("/tweets?id=\(name)")
            #expect(
                found(one) == ["\(id)"] && one.contains("coffee 100% 0") && one.contains("@<bdi dir=\"auto\">ada</bdi>")
            )
        }
        #expect(try console.page("/tweets?id=17").contains("Tweet 17 is not stored"))
        #expect(try console.page("/tweets?id=x").contains("neither an id nor a link"))
        // Nothing in the last day: the page leads to the newest.
        #expect(try console.page("/tweets").contains("The newest tweet is of"))
        #expect(try console.page("/explain?id=\(id)").contains("<dt>Kafka</dt>"))
    }

    @Test func protectedAuthorsAreNotShown() throws {
        try fill()
        try database.query("UPDATE users SET protected = true WHERE id = 1")
        let console = try TestConsole(database.url)
        #expect(found(try console.page("/tweets?until=2025-03-16T00:00:00Z&window=24h&user=1")).isEmpty)
        #expect(try console.page("/tweets?id=\(Self.id("2025-03-15T12:00:00Z"))").contains("its author is protected"))
    }

    @Test func aWindowReadsItsMonthsAlone() throws {
        try fill()
        let session = try ConsoleSession(PostgresConninfo(database.url), budget: .seconds(30))
        let (from, to) = (try Self.id("2025-03-15T00:00:00Z"), try Self.id("2025-03-16T00:00:00Z"))
        let ids = arrayLiteral([from, to - 1].map { Int64?($0) })
        let all = TweetSearch.Conditions(user: "ada", rule: "rare", text: "coffee")
        for conditions in [.init(), .init(user: "ada"), .init(rule: "rare"), .init(text: "coffee"), all] {
            let parameters = TweetSearch(session, conditions).parameters(from: from, to: to, limit: 51)
            #expect(try Self.months(session, TweetSearch.sql, parameters) == ["2025m03"])
        }
        #expect(try Self.months(session, TweetCards.sql, [ids]).subtracting(["2025m03"]).isEmpty)
        // The loader makes later months, too, and a tail has no end.
        let newest = ["\(try Self.id("2025-06-15T00:00:00Z"))"]
        for sql in [TailPage.newestSQL, TailPage.countSQL] {
            let months = try Self.months(session, sql, newest)
            #expect(months.contains("2025m06") && months.allSatisfy { $0 >= "2025m06" }, "\(months.sorted())")
        }
    }

    /// The months whose partitions a statement reads.
    private static func months(_ session: ConsoleSession, _ sql: String, _ parameters: [String?]) throws -> Set<String>
    {
        let plan = try session.rows(
            "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) \(sql)", parameters, doing: "explain"
        ).map { $0.text(0) }
        let scans = plan.filter { $0.contains("Scan") && !$0.contains("never executed") }
        return Set(scans.compactMap { $0.firstMatch(of: #/ on tweet(?:s|_rules)_y(\d{4}m\d\d)/#).map { String($0.1) } })
    }

    @Test func aSearchThatTakesTooLongSaysHowFarItCame() throws {
        try fill()
        let console = try TestConsole(database.url) { $0.timeout = .seconds(3) }
        let lock = try database.connect()
        // Locked is the partition, which the planner opens after the parent: the search gets nowhere.
        try lock.execute("BEGIN; LOCK TABLE tweet_rules")
        let page = try console.ask("/tweets?until=2025-03-16T00:00:00Z&window=7d&rule=rare")
        #expect([200, 503].contains(page.status))
        #expect(page.body.contains("The search stopped") || page.body.contains("cannot be read"))
        try lock.execute("ROLLBACK")
    }

    @Test func rulesShowTheirPostsAndTexts() throws {
        try database.query(
            """
            INSERT INTO rules VALUES
                (11, 'main', 'coffee lang:en', 'drinks', now() - interval '9 d', now() - interval '2 d', now() - interval '1 d', 'j', 1, 'j', 1),
                (12, 'main', 'coffee OR tea', 'drinks', now() - interval '1 d', now(), NULL, 'j', 2, 'j', 2),
                (13, 'main', 'nothing', NULL, now(), now(), NULL, 'j', 3, 'j', 3)
            """)
        try database.query(
            """
            INSERT INTO hour_counts (hour, stream, rule_id, posts, tag)
            SELECT date_trunc('hour', now()) - n * interval '1 hour', 'main', r, 10, CASE WHEN r > 0 THEN 'drinks' END
            FROM generate_series(0, 47) n, (VALUES (0), (11), (12)) v (r)
            """)
        let console = try TestConsole(database.url)
        let list = try console.page("/rules")
        #expect(
            list.contains("<bdi dir=\"auto\">coffee lang:en</bdi>") && list.contains("$4.80") && list.contains("$2.40"))
        #expect(list.contains("\(Link.to("/rules", [("rule", "13")], "13").text)"))
        let one = try console.page("/rules?rule=12&window=24h")
        #expect(one.contains("240 posts, at most 10 in one interval; 0 intervals without posts; no gap."))
        #expect(
            one.contains("coffee lang:en") && one.contains("coffee OR tea")
                && !one.contains("<bdi dir=\"auto\">nothing</bdi>"))
        let tag = try console.page("/rules?tag=drinks&window=30d")
        #expect(tag.contains("960 posts, at most"))
        let overview = try console.page("/?window=6h")
        #expect(overview.contains("60 posts, at most 10 in one interval") && overview.contains("/rules?tag=drinks"))
    }

    @Test func exportsAreCommandsToCopy() throws {
        try database.query("INSERT INTO hour_counts VALUES (date_trunc('hour', now()), 'main', 11, 960, 'drinks')")
        let console = try TestConsole(database.url)
        let command = try console.page("/export?rule=drinks&since=7d&lang=en&output=a%20b")
        #expect(command.contains("tweet-loader export --since 7d --rule drinks --lang en --output &#39;a b&#39;"))
        #expect(command.contains("About 960 tweets"))
        #expect(try console.page("/export?since=soon").contains("soon is not a time"))
    }

    @Test func manyRulesAreListedOnce() throws {
        try database.query(
            """
            INSERT INTO rules SELECT n, 'main', 'r' || n, NULL, now(), now(), NULL, 'j', n, 'j', n FROM generate_series(1, 130) n
            """)
        try database.query(
            "INSERT INTO hour_counts (hour, stream, rule_id, posts) SELECT date_trunc('hour', now()), 'main', n, n / 20 FROM generate_series(20, 90) n"
        )
        let console = try TestConsole(database.url)
        var (page, seen) = (try console.page("/rules"), [String]())
        while true {
            seen += page.matches(of: #/rules\?rule=(\d+)"/#).map { String($0.1) }
            guard let next = page.firstMatch(of: #/href="([^"]+)">More rules/#) else { break }
            page = try console.page(PageElements.unescaped(String(next.1)))
        }
        #expect(seen.count == 130 && Set(seen).count == 130)
    }

    @Test func gapsAreNotZeros() throws {
        try database.query(
            """
            INSERT INTO stream_gaps (stream, journal, opened_seq, started_at, ended_at, status)
            VALUES ('main', 'j', 1, now() - interval '5 h', now() - interval '4 h', 'repaired_exactly'),
                ('main', 'j', 2, now() - interval '2 h', NULL, 'open')
            """)
        let page = try TestConsole(database.url).page("/?window=6h")
        #expect(page.contains("<rect class=\"gap exact\"") && page.contains("<rect class=\"gap open\""))
        #expect(page.matches(of: #/<rect class="zero" x="\d+" y="159"/#).count == 6)
        #expect(page.contains("6 intervals without posts; 2 gaps."))
    }
}
