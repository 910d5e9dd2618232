import Core
import Operations
import Testing

@testable import TweetLoader

/// What `top` shows of facts, by size and by what a person has chosen.
@Suite(.timeLimit(.minutes(5))) struct TopScreenTests {
    private static let hostile = "日本\u{1B}[2J\u{202E}\u{7}e\u{301}\u{301}\u{301}\u{301}👩\u{200D}👧"

    /// A pipeline in which everything has a value, and names are what they should not be.
    private func facts(partitions: Int = 12) -> TopFacts {
        var facts = TopFacts(at: Timestamp(milliseconds: 1_764_000_000_000))
        facts.sources = [
            .init(service: "tweet-producer", place: "127.0.0.1:9464", answers: true, status: .ok),
            .init(service: "tweet-loader", place: "127.0.0.1:9465", answers: true, status: .degraded),
            .init(service: "PostgreSQL", place: "db:5432", answers: false, problem: Self.hostile),
        ]
        facts.producers = [.init(name: Self.hostile, from: .status)]
        facts.producers[0].isConnected = true
        facts.producers[0].secondsConnected = 11_000
        facts.producers[0].postsPerSecond = 11.4
        facts.producers[0].secondsUnacknowledged = 61
        facts.producers[0].dollarsOfCycle = 6065
        facts.producers[0].postsOfCycle = 1_213_000
        facts.producers[0].limitPerCycle = 3_000_000
        facts.loading = .init(from: .status, loaders: 1, messagesPerSecond: 11.2, missingLines: 3, rejects: 4)
        facts.partitions = (0..<partitions).map {
            .init(
                topic: "tweets", partition: $0, messagesPerSecond: Double($0), secondsUnsettled: 0,
                lag: Double(100 - $0), sparkline: [nil, 0, 1])
        }
        facts.rules = [.init(tag: Self.hostile, postsPerSecond: 1, posts: 5, secondsSincePost: 2)]
        facts.gaps = [.init(stream: "s", startedAt: "2025-11-28T20:31:00.000Z", seconds: 5400, cause: "stall")]
        facts.problems = [
            .init(service: "tweet-loader", status: .degraded, check: "kafka", detail: Self.hostile, remedy: "look")
        ]
        facts.postsSparkline = Array(repeating: 1, count: TopFacts.sparks)
        facts.loadSparkline = Array(repeating: nil, count: TopFacts.sparks)
        return facts
    }

    private func text(
        _ facts: TopFacts, _ state: TopState = TopState(), _ columns: Int = 80, _ rows: Int = 24
    ) -> String {
        TopScreen(facts: facts, state: state).lines(columns: columns, rows: rows).map(\.text).joined(separator: "\n")
    }

    @Test("no size has a line more or a column more, and no text moves the cursor")
    func sizes() {
        let facts = facts()
        for table in TopState.Table.allCases {
            for help in [false, true] {
                let state = TopState(table: table, showsHelp: help)
                for columns in [0, 1, 2, 39, 40, 41, 60, 79, 80, 100, 200, 500] {
                    for rows in [0, 1, 9, 10, 11, 15, 23, 24, 50, 200] {
                        let lines = TopScreen(facts: facts, state: state).lines(columns: columns, rows: rows)
                        #expect(lines.count <= rows)
                        for line in lines {
                            #expect(line.width <= columns && ScreenText(line.text).width == line.width, "\(line.text)")
                            #expect(ScreenText(line.text).text == line.text, "\(line.text) is not safe")
                        }
                    }
                }
            }
        }
    }

    @Test("the smallest screen has the verdicts, the rates, the table and the keys")
    func smallest() {
        let lines = text(facts(), TopState(), 40, 10).split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.count == 10)
        #expect(lines[0].hasPrefix("tweet-loader top  16:00:00 UTC"))
        #expect(lines[1].hasPrefix("producer ok  loader ! degraded"))
        #expect(lines[2].hasPrefix("X        connected 3 h  11.4 posts/s"))
        #expect(lines[3].hasPrefix("Loader   1 running  11.2 rows/s"))
        #expect(lines[4].hasPrefix("Behind   Kafka ! 61 s"))
        #expect(lines[5].hasPrefix("[Partitions]") && lines[6].hasPrefix("PARTITION"))
        #expect(lines[7].hasPrefix("tweets-0") && lines[9].hasPrefix("q quit"))
        let small = text(facts(), TopState(), 39, 10)
        #expect(small == "39x10 is too small; 40x10 is needed. q…")
    }

    @Test("what is not known is a question mark, and 0 is 0")
    func unknown() {
        var facts = TopFacts(at: Timestamp(milliseconds: 0))
        #expect(text(facts).contains("X        no producer and no heartbeat"))
        facts.producers = [.init(name: "s", from: .postgresql)]
        facts.producers[0].postsPerSecond = 0
        facts.loading = .init(from: .postgresql, loaders: 0, openHoles: 0)
        let shown = text(facts)
        #expect(shown.contains("X        ?  0 posts/s (1 min ?)") && shown.contains("last byte ?"))
        #expect(shown.contains("!! none is running") && shown.contains("holes 0") && shown.contains("gaps ?"))
        #expect(shown.contains("(from PostgreSQL)") && shown.contains("[Partitions] Streams Rules Gaps Checks  none"))
    }

    @Test("what an old heartbeat said of the connection is not shown as if it were so")
    func oldHeartbeat() {
        var facts = TopFacts(at: Timestamp(milliseconds: 0))
        facts.producers = [.init(name: "s/j", from: .postgresql, isConnected: true, secondsOld: 30)]
        #expect(text(facts).contains("X        connected") && text(facts).contains("as of 30 s ago"))
        facts.producers[0].secondsOld = 300
        #expect(text(facts).contains("X        ! no heartbeat for 5 min"))
        facts.producers.append(.init(name: "t/j", from: .postgresql, isConnected: true, secondsOld: 1))
        #expect(text(facts).contains("X        ! 1 of 2 connected"), "\(text(facts))")
        #expect(text(facts, TopState(table: .streams)).contains("! no heartbeat for 5 min"))
    }

    @Test("rows are ordered and scrolled, and the place is shown")
    func ordering() throws {
        var state = TopState(sortColumns: [.partitions: 3], scroll: 1)
        let lines = text(facts(), state, 80, 20).split(separator: "\n")
        let header = try #require(lines.firstIndex { $0.hasPrefix("PARTITION") })
        #expect(lines[header].contains("1 S▾") && lines[header + 1].hasPrefix("tweets-10"))
        #expect(lines[header - 1].contains("2-8 of 12"), "\(lines[header - 1])")
        state.scroll = 1000
        #expect(text(facts(), state, 80, 20).contains("6-12 of 12"))
        state = TopState(table: .rules)
        #expect(text(facts(), state).contains("日本[U+001B][2J[U+202E][U+0007]e\u{301}\u{301}👩👧"))
        #expect(text(facts(), TopState(table: .gaps)).contains("90 min  stall"))
    }

    @Test("colours are sequences of their own around the text, and only with colours")
    func colours() {
        let line = TopScreen(facts: facts(), state: TopState()).lines(columns: 80, rows: 24)[1]
        #expect(line.encoded(hasColours: false) == line.text && !line.text.contains("\u{1B}"))
        #expect(line.encoded(hasColours: true).contains("\u{1B}[33m! degraded\u{1B}[0m"))
        #expect(line.encoded(hasColours: true).replacing(/\u{1B}\[[0-9;]*m/, with: "") == line.text)
    }

    @Test("numbers have one form")
    func numbers() {
        #expect(
            [0, 0.01, 0.4, 11.42, 99.9, 250, 2310, 143_000].map { TopWords.rate($0) }
                == ["0", "<0.1", "0.4", "11.4", "99.9", "250", "2,310", "143k"])
        #expect(
            [0, 1213, 1_213_000, 12_340_000, 1.5e10].map { TopWords.number($0) }
                == ["0", "1,213", "1,213k", "12.3M", "15.0G"])
        #expect(TopWords.number(-5) == "-5" && TopWords.rate(.nan) == "?" && TopWords.number(1e300) == "?")
        #expect(
            [0, 812, 1023, 7.1 * 1_073_741_824].map { TopWords.bytes($0) } == ["0 B", "812 B", "1.0 KiB", "7.1 GiB"])
        #expect(
            [0, 6065, 0.005, 1e18].map { TopWords.dollars($0) }
                == ["$0.00", "$6,065.00", "$0.01", "$1,000,000,000,000,000.00"])
        #expect([nil, 0, 4.9, 7200, 1e300].map { TopWords.age($0) }.dropLast() == ["?", "0 s", "4 s", "2 h"])
    }
}
