import Core
import Harness
import Postgres
import TestSupport
import Testing

@testable import TweetLoader

/// ConsoleRow F95: whatever a text of X or of a user holds, a page has no element and no attribute more.
@Suite("Hostile data in the console", .ownThreads, .timeLimit(.minutes(10)))
struct ConsoleHostileTests {
    /// Markup that would do something if any place forgot to escape it; the marks join the character before them.
    private static let words = [
        "<script>x</script>", "\"><img src=x onerror=x>", "\"\u{0301} onmouseover=\"x\" y=\"",
        "'\u{0301}><svg onload=x>",
        "<\u{0338}b></td></tr></table><h1>", "\u{202E}txt\u{202C}\u{2066}", "</title></pre></textarea><!--",
        "&lt;b&gt;&amp;&#60;",
        "\u{1F468}\u{200D}\u{1F469}\u{2028}\u{FEFF}\u{FFFE}", "=cmd|'/c calc'!A1\r\n\t%3Cb%3E",
        "\u{1}\u{1B}[31m\u{85}\u{7F}x",
    ]

    /// A text at every place of the database that a page shows.
    private static func fill(_ database: TestDatabase, _ word: String) throws {
        let connection = try database.connect()
        try connection.execute(TweetPartition(containing: TestLines.firstID).createSQL)
        for sql in statements { _ = try connection.query(sql, [word], doing: "fill") }
    }

    private static let statements = [
        "INSERT INTO users (id, username, name, protected, fingerprint, text_altered, seen_in, seen_at) VALUES (7, $1, $1, false, 0, false, 1, now())",
        """
        INSERT INTO tweets (id, created_at, author_id, author_username, text, lang, withheld_countries, stream, journal, seq,
            received_at, kafka_topic, kafka_partition, kafka_offset, text_altered, matched)
        SELECT \(TestLines.firstID) + n, now(), 7, $1, $1, $1, CASE n WHEN 2 THEN ARRAY[$1::text] END, $1, 'j', n, now(), $1, 0, n, false, true
        FROM generate_series(1, 2) n
        """,
        "INSERT INTO tweet_rules (tweet_id, rule_id, stream, tag) SELECT id, 5, $1, $1 FROM tweets",
        "INSERT INTO rules VALUES (5, $1, $1, $1, now(), now(), NULL, 'j', 1, 'j', 1)",
        "INSERT INTO hour_counts (hour, stream, rule_id, posts, tag) SELECT date_trunc('hour', now()), $1, n, 3, $1 FROM generate_series(0, 5, 5) n",
        """
        INSERT INTO stream_state (stream, journal, seq, alive_at, settled_at, due_after, connected, limit_per_day, posts_today)
        VALUES ($1, $1, 1, now(), now(), '1 day', false, 10, 1)
        """,
        "INSERT INTO stream_gaps VALUES ($1, $1, 1, now(), NULL, NULL, $1, NULL, NULL, 'open', $1, now(), 5, NULL, $1)",
        """
        INSERT INTO stream_events (type, at, stream, cause, detail, kafka_topic, kafka_partition, kafka_offset)
        VALUES ($1, now(), $1, $1, $1, 'e', 0, 1)
        """,
        """
        INSERT INTO rejects (reason, sqlstate, detail, value, key, stream, journal, seq, kafka_topic, kafka_partition, kafka_offset)
        VALUES ($1, $1, $1, convert_to($1, 'UTF8'), convert_to($1, 'UTF8'), $1, $1, 1, $1, 0, 1)
        """,
        "INSERT INTO loaders (owner, problem) VALUES ($1, $1)",
        "INSERT INTO x_accounts (user_id, username, state, state_detail) VALUES (8, $1, 'failing', $1)",
        "INSERT INTO timelines (user_id, kind) SELECT 8, 'home' WHERE $1::text IS NOT NULL",
        "INSERT INTO timeline_pauses (cause, until, detail) VALUES ('app', now() + interval '1 day', $1)",
    ]

    private static let paths = [
        "/", "/rules", "/rules?rule=5", "/rules?tag=", "/gaps", "/rejects", "/rejects?id=1", "/rejects?reason=",
        "/tweets?until=2022-03-07T00:00:00Z&window=7d", "/tweets?text=", "/tweets?id=1500000000000000001",
        "/tweets?user=",
        "/tweets?until=", "/explain?id=1500000000000000001", "/explain?id=", "/timelines", "/tail", "/export?rule=",
        "/export?since=",
        "/nowhere?x=",
    ]

    private static func pages(_ word: String) throws -> [String: String] {
        let database = try TestDatabase()
        try fill(database, word)
        let console = try TestConsole(database.url)
        var pages: [String: String] = [:]
        for path in paths {
            pages[path] = try console.ask(path + (path.hasSuffix("=") ? percentEncoded(word) : "")).body
        }
        return pages
    }

    @Test func f95NoPageHasAnElementOrAttributeMore() throws {
        let calm = try Self.pages("calm").mapValues { PageElements($0) }
        // Four together: a database and a console for each of them would take a minute.
        let texts = stride(from: 0, to: Self.words.count, by: 4).map { first in
            Self.words[first..<min(first + 4, Self.words.count)].joined(separator: " ")
        }
        for word in texts {
            for (path, page) in try Self.pages(word) {
                let found = PageElements(page)
                let expected = try #require(calm[path])
                #expect(found.elements == expected.elements, "\(path) with \(word)")
            }
        }
        // The texts are there, as texts.
        let shown = try Self.pages(Self.words[2])
        let tweets = try #require(shown["/tweets?id=1500000000000000001"])
        #expect(PageElements(tweets).text.unicodeScalars.contains("\u{0301}"))
        #expect(tweets.contains("<bdi dir=\"auto\">&quot;\u{0301} onmouseover=&quot;x&quot; y=&quot;</bdi>"))
        #expect(shown["/tail"]?.contains("<h1>Tail</h1>") == true)
    }

    @Test func f95ACommandToCopyIsOneCommand() {
        for (word, quoted) in [
            ("plain-1.2", "plain-1.2"), ("", "''"), ("a b", "'a b'"), ("it's", "'it'\\''s'"), ("$(id)", "'$(id)'"),
            ("'\u{0301}; id", "''\\''\u{0301}; id'"), ("a\nb", "'a\nb'"),
        ] {
            #expect(ExportPage.quoted(word).unicodeScalars.elementsEqual(quoted.unicodeScalars), "\(word)")
        }
    }
}
