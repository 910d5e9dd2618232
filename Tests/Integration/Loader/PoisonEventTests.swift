import Core
import KafkaClient
import TestSupport
import Testing
import TweetFormat

@testable import TweetLoader

/// Messages of somebody who writes to our topics with our headers: none stops a loader.
@Suite("Loader: poison events", .ownThreads, .timeLimit(.minutes(4)))
struct PoisonEventTests {
    private let database: TestDatabase
    private let loader: Loader
    private let stop = Stop()
    private let done = Stop()
    private let log = LogRecorder()
    private static let events = TopicPartition("tweets.events", 0)

    init() throws {
        database = try TestDatabase()
        loader = try Loader.claiming(database.url, [Self.events], stop: stop, log: log)
    }

    /// A loader that cannot settle a batch tries again for ever: after a minute that is a failure.
    private func settle(_ batch: Batch) throws {
        let watch = Background { [stop, done] in if !done.wait(for: .seconds(60)) { stop.raise() } }
        defer {
            done.raise()
            try? watch.join()
        }
        try loader.settle(batch)
    }

    private func batch(
        _ lines: [String?], keys: [String?] = [], seqs: [Int64]? = nil, receivedAt: Int64 = 1_760_000_000_000
    ) -> Batch {
        var batch = Batch()
        var decoder = TweetDecoder()
        for (index, line) in lines.enumerated() {
            var headers = TestLines.headers(seqs?[index] ?? Int64(index + 1))
            headers.receivedAt = Timestamp(milliseconds: receivedAt)
            let record = RecordInfo(headers: headers, topicPartition: Self.events, offset: Int64(index))
            let key = keys.isEmpty ? "test" : keys[index]
            batch.add(
                record, key: key.map { Array($0.utf8) }, value: line.map { Array($0.utf8) }, decoder: &decoder,
                payload: .jsonb)
        }
        return batch
    }

    private func event(_ members: String) -> String { #"{"pipeline_event":{\#(members)}}"# }

    @Test(
        "f73: members that cannot be true are a reject or an event with its reason, and what follows is applied",
        arguments: [
            (#""lines":5.0"#, "event", nil), (#""lines":1e30"#, "reject", "out of range"),
            (#""lines":9223372036854775807"#, "event", nil),
            (#""lines":9223372036854775808"#, "reject", "out of range"),
            (#""lines":-1"#, "event", "left out: lines"), (#""lines":"5""#, "reject", "lines is of the wrong type"),
            (#""seq":-9"#, "event", "left out: seq"), (#""seq":[1]"#, "reject", "seq is of the wrong type"),
            (#""connection":"none""#, "event", "left out: connection"), (#""exact":"yes""#, "reject", "exact"),
            (#""newest_id":"-1""#, "event", "left out: newest_id"), (#""detail":"a\u0000b""#, "event", nil),
            (#""last_received_at":"0000-01-01T00:00:00Z""#, "event", "left out: last_received_at"),
            (#""at":"9999-12-31T23:59:60Z""#, "event", "left out: at"), (#""other":1e99999"#, "reject", nil),
            // A combining mark makes one `Character` with the quotation mark before it.
            (#""detail":"\#u{301}a\\\#u{301}""#, "event", nil),
        ] as [(String, String, String?)])
    func members(member: String, becomes: String, reason: String?) throws {
        let time = #""at":"2026-11-20T08:00:00.000Z""#
        let poison = member.contains(#""at""#) ? member : "\(time),\(member)"
        let lines = [
            event(#""type":"connected",\#(time)"#), event(#""type":"disconnected",\#(time)"#),
            event(#""type":"repaired","seq":2,"lines":3,"exact":true,\#(time)"#),
            event(
                #""type":"repair_failed","seq":2,\#(poison)"#.replacing(
                    #""seq":2,"#, with: member.contains("seq") ? "" : #""seq":2,"#)),
            event(#""type":"connected",\#(time)"#),
        ]
        try settle(batch(lines))
        let found = try database.query(
            """
            SELECT 'event', problem FROM stream_events WHERE seq = 4
            UNION ALL SELECT 'reject', detail FROM rejects WHERE seq = 4
            """)
        #expect(found.map { $0[0] } == [becomes], "\(log.texts)")
        if let reason { #expect(found.first?[1]?.contains(reason) == true, "\(found)") }
        #expect(try database.query("SELECT status, ended_seq FROM stream_gaps") == [["repaired_exactly", "5"]])
    }

    @Test("f73: posts of repairs are summed without an overflow")
    func sum() throws {
        let time = #""at":"2026-11-20T08:00:00.000Z""#
        let repaired = event(#""type":"repaired","seq":1,"lines":9223372036854775807,\#(time)"#)
        try settle(batch([event(#""type":"disconnected",\#(time)"#), repaired, repaired]))
        #expect(try database.query("SELECT repaired_posts FROM stream_gaps") == [["9223372036854775807"]])
    }

    @Test("f73: an event that PostgreSQL cannot apply keeps its row, with the reason; the others are applied")
    func notApplied() throws {
        _ = try database.superuser("ALTER TABLE stream_gaps ADD CHECK (cause <> 'poison')")
        let time = #""at":"2026-11-20T08:00:00.000Z""#
        try settle(
            batch([
                event(#""type":"disconnected","cause":"poison",\#(time)"#), event(#""type":"connected",\#(time)"#),
                event(#""type":"disconnected","cause":"stall",\#(time)"#),
            ]))
        #expect(try database.query("SELECT opened_seq, cause FROM stream_gaps") == [["3", "stall"]])
        let problems = try database.query("SELECT seq, problem FROM stream_events WHERE problem IS NOT NULL")
        #expect(problems.map { $0[0] } == ["1"])
        #expect(problems[0][1]?.hasPrefix("not applied: ") == true)
    }

    @Test("a tombstone that PostgreSQL rejects is a reject, and the others delete")
    func tombstones() throws {
        _ = try database.superuser("ALTER TABLE tweet_deletions ADD CHECK (tweet_id <> 13)")
        try settle(batch([nil, nil, nil], keys: ["12", "13", "14"]))
        #expect(try database.query("SELECT tweet_id FROM tweet_deletions ORDER BY 1") == [["12"], ["14"]])
        #expect(try database.query("SELECT seq, reason FROM rejects") == [["2", "database"]])
    }

    @Test("a received_at that PostgreSQL does not know makes a message a foreign one")
    func times() throws {
        var message = RecordHeaders(
            stream: "s", journal: "j", seq: 1, receivedAt: try #require(Timestamp("0000-02-03T00:00:00Z")),
            connection: 0)
        #expect(Batch.plausible(message) == nil)
        message.receivedAt = .now()
        #expect(Batch.plausible(message) != nil)
    }

    @Test("f73: thousands of events with random members settle", arguments: [1, 2, 3] as [UInt64])
    func fuzz(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var offset: Int64 = 0
        for _ in 0..<10 {
            var batch = Batch()
            var decoder = TweetDecoder()
            for _ in 0..<120 {
                PoisonEvents.add(to: &batch, at: offset, of: Self.events, &decoder, &random)
                offset += 1
            }
            try settle(batch)
        }
        #expect(!stop.isRaised, "\(log.texts.suffix(5))")
        #expect(try database.query("SELECT next_offset FROM loader_offsets") == [["\(offset)"]])
        // The others came before under the same number.
        #expect(
            try database.query(
                """
                SELECT count(*) > 400 FROM (SELECT kafka_offset FROM stream_events
                    UNION SELECT kafka_offset FROM rejects UNION SELECT kafka_offset FROM tweet_deletions) AS m
                """) == [["t"]])
        loader.foldLedger()
        #expect(try database.query("SELECT count(*) FROM stream_ledger_pending") == [["0"]])
        #expect(log.count(containing: "retrying") == 0 && log.count(containing: "away") == 0, "\(log.texts.suffix(5))")
    }
}

/// Random messages whose shape is near that of our events.
private enum PoisonEvents {
    private static let values = [
        "5.0", "1e30", "-1", "0", "0.1", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "1e400",
        "null", "true", "[]", "{}", #"[{"a":[1]}]"#, #""""#, #""x\u0000y""#, #""\ud800""#, #""99999999999999999999""#,
        #""-5""#, #""7""#, #""0000-01-01T00:00:00.000Z""#, #""9999-12-31T23:59:60.999Z""#, #""2026-02-30T25:61:61Z""#,
        #""2026-11-20T08:00:00.000Z""#, #""292277026596-12-04T15:30:07Z""#, "2",
        "\"\(String(repeating: "y", count: 70_000))\"",
    ]
    private static let members = [
        "type", "at", "connection", "cause", "detail", "status", "last_received_at", "newest_id", "caught_up_at",
        "lines",
        "bytes", "seq", "head", "exact", "rules", "gap", "other",
    ]
    private static let seqs: [Int64] = [1, 2, 3, 5, 8, 1 << 40, .max - 1, .max]

    static func add(
        to batch: inout Batch, at offset: Int64, of partition: TopicPartition, _ decoder: inout TweetDecoder,
        _ random: inout SplitMix64
    ) {
        var headers = TestLines.headers(
            Bool.random(using: &random) ? offset + 100 : seqs.randomElement(using: &random) ?? 1,
            journal: ["0a1b2c3d", "", "'\"{}\\", "\u{1F4A9}"].randomElement(using: &random) ?? "")
        headers.connection = .random(in: .min ... .max, using: &random)
        let record = RecordInfo(
            headers: Int.random(in: 0..<10, using: &random) == 0 ? nil : Batch.plausible(headers),
            topicPartition: partition,
            offset: offset)
        let isStone = Int.random(in: 0..<12, using: &random) == 0
        let key =
            ["test", "12", "9223372036854775808", "9223372036854775807", "-1", ""].randomElement(using: &random) ?? ""
        batch.add(
            record, key: Array(key.utf8), value: isStone ? nil : Array(line(&random).utf8), decoder: &decoder,
            payload: .jsonb)
    }

    private static func line(_ random: inout SplitMix64) -> String {
        let kind = PipelineEvent.Kind.allCases.randomElement(using: &random) ?? .started
        var parts = [
            "type": "\"\(kind.rawValue)\"", "at": #""2026-11-20T08:00:00.000Z""#, "seq": "2", "lines": "1",
            "connection": #""1759999999000""#,
        ]
        for _ in 0..<Int.random(in: 0...2, using: &random) {
            guard let member = members.randomElement(using: &random) else { continue }
            parts[member] = Int.random(in: 0..<8, using: &random) == 0 ? nil : values.randomElement(using: &random)
        }
        let body = parts.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",")
        return Int.random(in: 0..<20, using: &random) == 0
            ? #"{"errors":[{"title":\#(values.randomElement(using: &random) ?? "1"),"detail":"d"}]}"#
            : #"{"pipeline_event":{\#(body)}}"#
    }
}
