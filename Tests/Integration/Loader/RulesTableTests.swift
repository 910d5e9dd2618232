import Core
import KafkaClient
import TestSupport
import Testing
import TweetFormat

@testable import TweetLoader

@Suite("Loader: the rules at X", .ownThreads, .timeLimit(.minutes(4)))
struct RulesTableTests {
    private static let events = TopicPartition("tweets.events", 0)

    /// An event as a producer's journal has it.
    private struct Line {
        var journal: String
        var seq: Int64
        var text: String
    }

    private func settle(_ lines: [Line], _ loader: Loader, firstOffset: Int64) throws {
        var batch = Batch()
        var decoder = TweetDecoder()
        for (index, line) in lines.enumerated() {
            let record = RecordInfo(
                headers: TestLines.headers(line.seq, journal: line.journal), topicPartition: Self.events,
                offset: firstOffset + Int64(index))
            batch.add(record, key: Array("test".utf8), value: Array(line.text.utf8), decoder: &decoder, payload: .jsonb)
        }
        try loader.settle(batch)
    }

    /// The lines of one list of rules, cut into parts.
    private func list(
        _ rules: [(id: Int64, value: String)], second: Int64, journal: String, firstSeq: Int64, parts: Int = 1
    ) -> [Line] {
        (0..<parts).map { part in
            var event = PipelineEvent(.rules, at: Timestamp(milliseconds: 1_760_000_000_000 + second * 1000))
            event.rules = rules.enumerated().filter { $0.offset % parts == part }
                .map { PipelineEvent.Rule(id: "\($0.element.id)", value: $0.element.value, tag: "t\($0.element.id)") }
            (event.part, event.parts, event.lines) = (part + 1, parts, Int64(rules.count))
            return Line(
                journal: journal, seq: firstSeq + Int64(part), text: String(decoding: event.line, as: UTF8.self))
        }
    }

    /// Two journals, the second of a later time; the clock of the first was set back between two lists.
    private var history: [Line] {
        func rules(_ ids: Int64...) -> [(id: Int64, value: String)] { ids.map { ($0, "value \($0) \"☕\"") } }
        return list(rules(1, 2, 3), second: 100, journal: "a", firstSeq: 1)
            + list(rules(1, 3, 4), second: 200, journal: "a", firstSeq: 5, parts: 3)
            + list(rules(3, 4), second: 150, journal: "a", firstSeq: 9, parts: 2)
            + list([], second: 300, journal: "a", firstSeq: 20)
            + list(rules(5, 6), second: 400, journal: "b", firstSeq: 1, parts: 2)
            + list(rules(6), second: 500, journal: "b", firstSeq: 7)
    }

    private static let sql = """
        SELECT rule_id, value, tag, extract(epoch FROM seen_from)::bigint - 1760000000,
            extract(epoch FROM seen_until)::bigint - 1760000000, first_journal, first_seq, last_journal, last_seq
        FROM rules ORDER BY rule_id
        """

    @Test("each rule has its text, and since when and until when it was at X")
    func ranges() throws {
        let database = try TestDatabase()
        try settle(history, Loader.claiming(database.url, [Self.events]), firstOffset: 0)
        let found = try database.query(Self.sql)
        #expect(
            found.map { [$0[0], $0[3], $0[4]] } == [
                ["1", "100", "150"], ["2", "100", "150"], ["3", "100", "300"], ["4", "200", "300"],
                ["5", "400", "500"],
                ["6", "400", nil],
            ])
        #expect(found[0][1] == "value 1 \"☕\"" && found[0][2] == "t1")
        #expect(found[5][5...] == ["b", "1", "b", "7"] || found[5][5...] == ["b", "2", "b", "7"])
    }

    @Test("order, repetition and cuts of the events change nothing")
    func anyOrder() throws {
        var random = SplitMix64(seed: 7)
        let (reference, database) = (try TestDatabase(), try TestDatabase())
        try settle(history, Loader.claiming(reference.url, [Self.events]), firstOffset: 0)
        let expected = try reference.query(Self.sql)
        let loader = try Loader.claiming(database.url, [Self.events])
        var offset: Int64 = 0
        for round in 0..<40 {
            var lines = history.shuffled(using: &random)
            lines += lines.prefix(Int.random(in: 0..<lines.count, using: &random)).shuffled(using: &random)
            while !lines.isEmpty {
                let count = Int.random(in: 1...lines.count, using: &random)
                try settle(Array(lines.prefix(count)), loader, firstOffset: offset)
                lines.removeFirst(count)
                offset += Int64(count)
            }
            #expect(try database.query(Self.sql) == expected, "round \(round)")
            try database.query("WITH a AS (DELETE FROM rules), b AS (DELETE FROM rule_lists) DELETE FROM stream_events")
        }
    }

    @Test("a list that is never complete ends no rule")
    func incomplete() throws {
        let database = try TestDatabase()
        let loader = try Loader.claiming(database.url, [Self.events])
        try settle(list([(1, "a"), (2, "b")], second: 1, journal: "a", firstSeq: 1), loader, firstOffset: 0)
        let parts = list([(3, "c"), (4, "d")], second: 2, journal: "a", firstSeq: 2, parts: 2)
        try settle([parts[0]], loader, firstOffset: 1)
        let sql = "SELECT rule_id, seen_until IS NULL FROM rules ORDER BY rule_id"
        #expect(try database.query(sql) == [["1", "t"], ["2", "t"], ["3", "t"]])
        try settle([parts[1]], loader, firstOffset: 2)
        #expect(try database.query(sql) == [["1", "f"], ["2", "f"], ["3", "t"], ["4", "t"]])
    }

    private static let deep = String(repeating: "[", count: 900) + String(repeating: "]", count: 900)

    /// What an event with a list of rules may have in it that no producer writes.
    private static let foreignMembers = [
        #""rules":5"#, #""rules":[5]"#, #""rules":[{}]"#, #""rules":[{"id":1,"value":"x"}]"#, #""rules":null"#,
        #""rules":[{"id":"x","value":"x"}]"#, #""rules":[{"id":"-1","value":"x"}]"#,
        #""rules":[{"id":"99999999999999999999","value":"x"}]"#,
        #""rules":[{"id":"7","value":"a\u0000b","tag":"\ud800"}]"#,
        #""rules":[{"id":"8","value":"x"},{"id":"8","value":"y"}]"#, #""rules":[],"part":0,"parts":0"#,
        #""rules":[{"id":"9","value":"x"}],"part":3,"parts":2"#, #""rules":[],"part":1e30"#,
        #""rules":[],"parts":99999999999999999999"#, #""rules":[{"id":"9","value":"x","tag":\#(deep)}]"#,
        #""rules":[],"lines":5.5"#, #""at":"tomorrow","rules":[{"id":"10","value":"x"}]"#,
        #""at":"9999-12-31T23:59:59.999Z","rules":[{"id":"11","value":"x"}]"#,
    ]

    @Test("events of somebody else stop nothing: each is an event or a reject")
    func foreign() throws {
        let database = try TestDatabase()
        let loader = try Loader.claiming(database.url, [Self.events])
        let members = Self.foreignMembers
        let lines = members.enumerated().map { index, text in
            Line(
                journal: "f", seq: Int64(index) + 1,
                text: #"{"pipeline_event":{"type":"rules","at":"2026-01-01T00:00:00.000Z",\#(text)}}"#
                    .replacing(#""at":"2026-01-01T00:00:00.000Z","at""#, with: #""at""#))
        }
        try settle(lines, loader, firstOffset: 0)
        let found = try database.query("SELECT seq FROM stream_events UNION SELECT seq FROM rejects ORDER BY 1")
        #expect(found.map { $0[0] } == (1...members.count).map { "\($0)" })
        // A message without the headers of a producer is an event, and says nothing of a stream.
        var batch = Batch()
        var decoder = TweetDecoder()
        let line = list([(50, "x")], second: 1, journal: "a", firstSeq: 1)[0]
        batch.add(
            RecordInfo(headers: nil, topicPartition: Self.events, offset: 100), key: nil, value: Array(line.text.utf8),
            decoder: &decoder, payload: .jsonb)
        try loader.settle(batch)
        #expect(try database.query("SELECT count(*) FROM rules WHERE rule_id = 50") == [["0"]])
        #expect(try database.query("SELECT value FROM rules WHERE rule_id = 7").count <= 1)
    }

    @Test("a list that the table of rules rejects keeps its event, with the reason, and stops no other")
    func isolated() throws {
        let database = try TestDatabase()
        try database.query("ALTER TABLE rules ADD CONSTRAINT no_bad CHECK (value <> 'bad')")
        let loader = try Loader.claiming(database.url, [Self.events])
        let lines = (1...9).map { number in
            list([(number, number == 5 ? "bad" : "good")], second: number, journal: "a", firstSeq: number)[0]
        }
        try settle(lines, loader, firstOffset: 0)
        #expect(try database.query("SELECT count(*) FROM rejects") == [["0"]])
        #expect(try database.query("SELECT count(*) FROM stream_events") == [["9"]])
        #expect(
            try database.query("SELECT seq FROM stream_events WHERE problem LIKE 'not applied: %no_bad%'") == [["5"]])
        #expect(try database.query("SELECT count(*) FROM rules") == [["8"]])
    }

    @Test("the text of a rule stands behind a match, however long ago it was deleted")
    func texts() throws {
        let database = try TestDatabase()
        let loader = try Loader.claiming(database.url, [Self.events, TestLines.partition])
        try settle(list([(1, "cat \"x\"")], second: 1, journal: "a", firstSeq: 1), loader, firstOffset: 0)
        try loader.settle(TestLines.batch([TestLines.tweet(TestLines.firstID)]))
        try settle(list([], second: 9, journal: "a", firstSeq: 2), loader, firstOffset: 1)
        #expect(
            try database.query("SELECT tweet_id, rule_id, tag, value FROM matched_rules")
                == [["\(TestLines.firstID)", "1", "r", "cat \"x\""]])
        #expect(try database.query("SELECT rule_id, tweets, value FROM rule_matches") == [["1", "1", "cat \"x\""]])
        let way = try TweetTrace(TestLines.firstID, database.connect())
        #expect(way.stored?.rules.map(\.value) == ["cat \"x\""])
        #expect(way.text.contains(#""cat \"x\"""#), "\(way.text)")
    }

    @Test("25,000 rules of an enterprise account, listed twice with one change")
    func manyRules() throws {
        let database = try TestDatabase()
        let loader = try Loader.claiming(database.url, [Self.events])
        let value = String(repeating: "é", count: 100)
        var rules = (1...25_000).map { (id: Int64($0), value: value) }
        try settle(list(rules, second: 1, journal: "a", firstSeq: 1, parts: 25), loader, firstOffset: 0)
        rules[0] = (30_000, "new")
        try settle(list(rules, second: 2, journal: "a", firstSeq: 30, parts: 25), loader, firstOffset: 25)
        #expect(
            try database.query(
                "SELECT count(*), count(seen_until), min(rule_id) FILTER (WHERE seen_until IS NOT NULL) FROM rules")
                == [["25001", "1", "1"]])
    }
}
