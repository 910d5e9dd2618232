import Core
import Glibc
import Logging
import Sandbox
import TestSupport
import Testing
import TweetFormat

@testable import Operations
@testable import TweetLoader

/// `tweet-loader top` on a pseudo-terminal, as a person has it before them.
@Suite("Loader: top", .ownThreads, .timeLimit(.minutes(4)))
struct TopTests {
    private let database: TestDatabase

    init() throws {
        database = try TestDatabase()
    }

    private var environment: [String: String?] {
        // Nothing listens at port 1.
        [
            "DATABASE_URL": database.url, "PRODUCER_URL": "http://127.0.0.1:1", "LOADER_URL": "http://127.0.0.1:1",
            "LOG_FORMAT": "text",
        ]
    }

    private func top(
        _ arguments: [String] = [], _ more: [String: String?] = [:], columns: Int = 80, rows: Int = 24
    ) throws -> PseudoTerminal {
        try PseudoTerminal(
            siblingExecutable("tweet-loader"), ["top"] + arguments, environment: environment.merging(more) { $1 },
            columns: columns, rows: rows)
    }

    /// A stream, twelve partitions, a rule and a gap. The signs of life are of the future, so that they stay young on any machine.
    private func fill(stream: String = "news", tag: String = "swift") throws {
        try database.query(
            """
            INSERT INTO stream_state (stream, journal, seq, alive_at, settled_at, connected, last_received_at, posts_today,
                posts_of_cycle, limit_per_cycle, journal_bytes, rules)
            VALUES ($1, '0a1b2c3d', 9, now() + interval '1 hour', now(), true, now(), 1213, 40000, 3000000, 1073741824, 7)
            """, [stream])
        try database.query(
            """
            INSERT INTO loader_offsets (topic, partition, next_offset, fence, owner, committed_at, rate)
            SELECT 'tweets', p, 1000 + p, 1, 'host/1/a', now(), 1 FROM generate_series(0, 11) AS p
            """)
        try database.query("INSERT INTO loaders (owner, seen_at) VALUES ('host/1/a', now() + interval '1 hour')")
        try database.query(
            """
            INSERT INTO stream_gaps (stream, journal, opened_seq, started_at, ended_at, cause)
            VALUES ($1, '0a1b2c3d', 5, now() - interval '2 hours', now() - interval '1 hour', 'stall')
            """, [stream])
        let id = try #require(Snowflake.firstID(at: Timestamp.now().advanced(by: .seconds(-30))))
        try database.query(TweetPartition(containing: id).createSQL)
        try database.query(
            "INSERT INTO tweet_rules (tweet_id, rule_id, stream, tag) VALUES (\(id), 1, $1, $2)", [stream, tag])
    }

    @Test("keys show every table, order it, pause, help and end")
    func keys() throws {
        try fill()
        let terminal = try top(rows: 20)
        #expect(terminal.shows("1 running") && terminal.shows("producer no answer  loader no answer"))
        let first = terminal.look()
        #expect(first.isAlternate && !first.hasCursor && first.strange == [], "\(first.text)\n\(first.strange)")
        #expect(first.text.contains("(from PostgreSQL)") && first.text.contains("cycle 40,000 of 3,000k"))
        #expect(first.text.contains("X        connected") && first.text.contains("gaps ! 1"), "\(first.text)")
        #expect(first.text.contains("tweets-0 ") && first.lines.last?.hasPrefix("q quit") == true)
        terminal.type("\t")
        #expect(terminal.shows("[Streams]") && terminal.shows("news/0a1b2c3d"))
        terminal.type("3")
        #expect(terminal.shows("[Rules]") && terminal.shows("swift"))
        terminal.type("4")
        #expect(terminal.shows("stall") && terminal.shows("60 min"))
        terminal.type("\u{1B}[Z\u{1B}[Z\u{1B}[Zss")
        #expect(terminal.shows("[Partitions]") && terminal.shows("AGE▾"))
        terminal.type("\u{1B}[F")
        #expect(terminal.shows("tweets-11") && terminal.shows("5-12 of 12"))
        terminal.type("p")
        #expect(terminal.shows("PAUSED"))
        terminal.type("p+?")
        #expect(terminal.shows("fg continues"))
        terminal.type("\u{1B}")
        #expect(terminal.shows("every 2s") && terminal.shows { !$0.text.contains("fg continues") })
        terminal.type("q")
        #expect(terminal.status() == 0 && terminal.isAsBefore, "\(terminal.look().text)")
    }

    @Test("the window may have any size at any time")
    func sizes() throws {
        try fill()
        let terminal = try top(columns: 40, rows: 10)
        #expect(terminal.shows { $0.lines.last?.hasPrefix("q quit") == true && $0.text.contains("tweets-0") })
        for (columns, rows) in [(200, 50), (80, 24), (60, 12), (40, 10)] {
            terminal.resize(columns: columns, rows: rows)
            #expect(
                terminal.shows { screen in
                    screen.lines.count == rows && screen.lines.last?.hasPrefix("q quit") == true
                        && screen.lines.first?.hasPrefix("tweet-loader top") == true
                }, "\(terminal.look().text)")
        }
        terminal.resize(columns: 20, rows: 5)
        #expect(terminal.shows("20x5 is too small; …"))
        terminal.resize(columns: 1, rows: 1)
        terminal.resize(columns: 80, rows: 24)
        #expect(terminal.shows("[Partitions]"))
        #expect(terminal.look().strange == [])
        terminal.type("q")
        #expect(terminal.status() == 0 && terminal.isAsBefore)
    }

    @Test(
        "however it ends, the terminal is as it was",
        arguments: [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGSEGV, SIGABRT])
    func ends(signal: Int32) throws {
        let terminal = try top()
        #expect(terminal.shows { $0.isAlternate && $0.text.contains("[Partitions]") })
        #expect(!terminal.isCooked)
        if signal == SIGINT {
            terminal.type("\u{3}")
        } else {
            #expect(kill(terminal.foreground, signal) == 0)
        }
        let status = terminal.status()
        #expect([SIGSEGV, SIGABRT].contains(signal) ? status != 0 : status == 0, "\(status as Any)")
        #expect(terminal.isAsBefore, "\(terminal.look().text)")
    }

    @Test("Ctrl-Z gives the terminal to the shell, and fg takes it again")
    func suspended() throws {
        try fill()
        let terminal = try PseudoTerminal(
            "/bin/bash", ["--noprofile", "--norc", "-i"],
            environment: environment.merging(["PS1": "ready> ", "HISTFILE": nil]) { $1 })
        #expect(terminal.shows("ready>"))
        terminal.type("'\(try siblingExecutable("tweet-loader"))' top\n")
        for _ in 0..<2 {
            #expect(terminal.shows { $0.isAlternate && $0.text.contains("[Partitions]") })
            terminal.type("\u{1A}")
            #expect(terminal.shows { !$0.isAlternate && $0.hasCursor && $0.wraps && $0.text.contains("Stopped") })
            terminal.type("echo sum=$((40 + 2))\n")
            #expect(terminal.shows("sum=42"), "the shell reads and shows what is typed")
            terminal.type("clear; fg\n")
        }
        #expect(terminal.shows { $0.isAlternate && !$0.hasCursor && $0.text.contains("[Partitions]") })
        terminal.type("\t")
        #expect(terminal.shows("[Streams]"), "keys come one by one again")
        terminal.type("q")
        #expect(terminal.shows { !$0.isAlternate && $0.hasCursor })
        terminal.type("echo status=$?\n")
        #expect(terminal.shows("status=0"))
        terminal.type("exit\n")
        #expect(terminal.status() == 0)
    }

    @Test("where no shell could continue it, Ctrl-Z does not stop it; after SIGSTOP and SIGCONT it goes on")
    func orphaned() throws {
        let terminal = try top()
        #expect(terminal.shows("[Partitions]"))
        terminal.type("\u{1A}")
        terminal.type("\t")
        #expect(terminal.shows { $0.isAlternate && $0.text.contains("[Streams]") })
        #expect(kill(terminal.foreground, SIGSTOP) == 0)
        terminal.type("\t")
        #expect(kill(terminal.foreground, SIGCONT) == 0)
        #expect(terminal.shows("[Rules]"))
        terminal.type("q")
        #expect(terminal.status() == 0 && terminal.isAsBefore)
    }

    @Test("no text of the database reaches the terminal but what it shows")
    func hostile() throws {
        let evil = "\u{1B}]0;evil\u{7}\u{1B}[2J\u{9B}31m\u{202E}日本" + String(repeating: "\u{301}", count: 2000)
        try fill(stream: evil, tag: evil)
        let terminal = try top(columns: 200)
        // Before that the terminal echoes keys, on the line that is shown again at the end.
        #expect(terminal.shows { $0.isAlternate })
        for key in "12345" {
            terminal.type("\(key)")
            #expect(terminal.shows("[\(TopState.Table.allCases[(key.wholeNumberValue ?? 1) - 1].title)]"))
        }
        terminal.type("3")
        #expect(terminal.shows("[U+001B]]0;evil[U+0007][U+001B][2J[U+009B]31m[U+202E]日本\u{301}\u{301}"))
        #expect(terminal.look().strange == [], "\(terminal.look().strange)")
        terminal.type("q")
        #expect(terminal.status() == 0 && terminal.isAsBefore)
    }
}
