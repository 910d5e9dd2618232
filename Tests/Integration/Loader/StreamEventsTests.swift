import Core
import KafkaClient
import TestSupport
import Testing
import TweetFormat

@testable import TweetLoader

@Suite("Loader: events, gaps, rejects", .ownThreads, .timeLimit(.minutes(4)))
struct StreamEventsTests {
    private let database: TestDatabase
    private let loader: Loader
    private static let events = TopicPartition("tweets.events", 0)

    init() throws {
        database = try TestDatabase()
        loader = try Loader.claiming(database.url, [Self.events])
    }

    private func settle(_ lines: [String], firstOffset: Int64 = 0, firstSeq: Int64? = nil) throws {
        var batch = Batch()
        var decoder = TweetDecoder()
        for (index, line) in lines.enumerated() {
            let offset = firstOffset + Int64(index)
            let record = RecordInfo(
                headers: TestLines.headers((firstSeq ?? firstOffset + 1) + Int64(index)), topicPartition: Self.events,
                offset: offset)
            batch.add(record, key: Array("test".utf8), value: Array(line.utf8), decoder: &decoder, payload: .jsonb)
        }
        try loader.settle(batch)
    }

    private func event(
        _ type: PipelineEvent.Kind, second: Int, cause: String? = nil, last: Int? = nil, newest: String? = nil
    ) -> String {
        func time(_ second: Int) -> Timestamp { Timestamp(milliseconds: 1_760_000_000_000 + Int64(second) * 1000) }
        var event = PipelineEvent(type, at: time(second), connection: 1_759_999_999_000, cause: cause)
        event.lastReceivedAt = last.map { time($0).description }
        event.newestID = newest
        return String(decoding: event.line, as: UTF8.self)
    }

    private var gaps: [[String?]] {
        get throws {
            try database.query(
                """
                SELECT opened_seq, ended_seq, extract(epoch FROM started_at)::bigint - 1760000000,
                    extract(epoch FROM ended_at)::bigint - 1760000000, cause, newest_id, status
                FROM stream_gaps ORDER BY opened_seq
                """)
        }
    }

    @Test("what streams apply did is in a view of its own")
    func changes() throws {
        func applied(_ cause: String, second: Int, _ change: (inout PipelineEvent) -> Void) -> String {
            let at = Timestamp(milliseconds: 1_760_000_000_000 + Int64(second) * 1000)
            var event = PipelineEvent(.applied, at: at, cause: cause)
            change(&event)
            return String(decoding: event.line, as: UTF8.self)
        }
        try settle([
            event(.started, second: 0), applied("started", second: 1) { $0.settingsAfter = "a1" },
            applied("changed", second: 2) { event in
                (event.settingsBefore, event.settingsAfter, event.detail) = ("a1", "b2", "kafka_topic")
            },
            applied("removed", second: 3) { $0.settingsBefore = "b2" },
        ])
        #expect(
            try database.query(
                "SELECT stream, action, settings_before, settings_after, settings FROM stream_changes ORDER BY at")
                == [
                    ["test", "started", nil, "a1", nil], ["test", "changed", "a1", "b2", "kafka_topic"],
                    ["test", "removed", "b2", nil, nil],
                ])
    }

    @Test("an event of a later version is a row under its own name, and follows from nothing")
    func laterVersion() throws {
        let line = #"{"pipeline_event":{"at":"2026-11-20T08:00:00.000Z","later":[1],"type":"heard_of_later"}}"#
        try settle([line, line.replacing("heard_of_later", with: "Not a name")])
        #expect(
            try database.query("SELECT type, payload #>> '{pipeline_event,later}', problem FROM stream_events")
                == [["heard_of_later", "[1]", nil]])
        #expect(try database.query("SELECT count(*) FROM rejects") == [["1"]])
    }

    @Test("each event is a row with its line")
    func rows() throws {
        try settle([event(.connected, second: 1), event(.connectFailed, second: 2, cause: "http_503")])
        #expect(
            try database.query(
                "SELECT type, seq, connection, cause, payload->'pipeline_event'->>'type' FROM stream_events ORDER BY seq"
            )
                == [
                    ["connected", "1", "1759999999000", nil, "connected"],
                    ["connect_failed", "2", "1759999999000", "http_503", "connect_failed"],
                ])
    }

    @Test("a gap begins with the last byte before a disconnect and ends with the next connect")
    func gap() throws {
        try settle([
            event(.started, second: 0), event(.connected, second: 1),
            event(.disconnected, second: 20, cause: "stall", last: 10, newest: "99"),
        ])
        #expect(try gaps == [["3", nil, "10", nil, "stall", "99", "open"]])
        try settle([event(.connectFailed, second: 25), event(.connected, second: 30)], firstOffset: 3)
        #expect(try gaps == [["3", "5", "10", "30", "stall", "99", "open"]])
    }

    @Test("stopped after disconnected is one gap, and what comes again changes nothing")
    func oneGap() throws {
        let lines = [
            event(.connected, second: 1), event(.disconnected, second: 5, cause: "stop", last: 4),
            event(.stopped, second: 6), event(.started, second: 50), event(.connected, second: 60),
            event(.stopped, second: 70),
        ]
        try settle(lines)
        let once = try gaps
        #expect(once.map { [$0[0], $0[1], $0[4]] } == [["2", "5", "stop"], ["6", nil, "stopped"]])
        try settle(lines, firstOffset: 6, firstSeq: 1)
        #expect(try gaps == once)
        #expect(try database.query("SELECT count(*) FROM stream_events") == [["6"]])
    }

    @Test("a gap says how it was filled, or why not; what comes again changes nothing")
    func repaired() throws {
        func repair(_ type: PipelineEvent.Kind, second: Int, posts: Int64, exact: Bool, detail: String? = nil) -> String
        {
            var event = PipelineEvent(
                type, at: Timestamp(milliseconds: 1_760_000_000_000 + Int64(second) * 1000), connection: 77,
                cause: exact ? "recovery" : "search")
            event.seq = 2
            event.lines = posts
            event.exact = exact
            event.detail = detail
            return String(decoding: event.line, as: UTF8.self)
        }
        let columns = "SELECT status, repaired_by, repaired_posts, repair_connection, repair_detail FROM stream_gaps"
        let lines = [
            event(.connected, second: 1), event(.disconnected, second: 5, cause: "reset"), event(.connected, second: 9),
            repair(.repairFailed, second: 100, posts: 3, exact: false, detail: "the budget is used up"),
        ]
        try settle(lines)
        #expect(try database.query(columns) == [["open", "search", "3", "77", "the budget is used up"]])
        try settle([repair(.repaired, second: 200, posts: 4, exact: false)], firstOffset: 4)
        let filled = try database.query(columns)
        #expect(filled == [["repaired_approximately", "search", "7", "77", nil]])
        try settle(lines + [repair(.repaired, second: 200, posts: 4, exact: false)], firstOffset: 5, firstSeq: 1)
        #expect(try database.query(columns) == filled)
    }

    @Test("a message of X in place of a tweet is an event")
    func control() throws {
        try settle([
            #"{"errors":[{"title":"operational-disconnect","disconnect_type":"UpstreamOperationalDisconnect","detail":"d"}]}"#
        ])
        #expect(
            try database.query("SELECT type, cause, detail, at IS NOT NULL FROM stream_events")
                == [["x_message", "UpstreamOperationalDisconnect", "d", "t"]])
    }

    @Test("an event that PostgreSQL cannot hold as it is is stored repaired, or rejected with its bytes")
    func odd() throws {
        try settle([
            #"{"errors":[{"title":"a\u0000b","detail":"\ud800"}]}"#,
            #"{"errors":[{"title":"big","detail":"d","n":1e9999999}]}"#,
            #"{"errors":[{"title":"deep","detail":"d","n":\#(String(repeating: "[", count: 900))\#(String(repeating: "]", count: 900))}]}"#,
            event(.connected, second: 1),
        ])
        let stored = try database.query("SELECT seq FROM stream_events UNION SELECT seq FROM rejects ORDER BY 1")
        #expect(stored == [["1"], ["2"], ["3"], ["4"]])
        #expect(try database.query("SELECT cause FROM stream_events WHERE seq = 1") == [["a\u{FFFD}b"]])
        #expect(try database.query("SELECT settled FROM stream_ledger_pending") == [["{[1,5)}"]])
    }

    @Test("a line that Kafka refused is a reject of its own number, with its head")
    func refusedByKafka() throws {
        var event = PipelineEvent(.rejected, cause: "MSG_SIZE_TOO_LARGE")
        event.seq = 7
        event.bytes = 3_000_000
        event.head = "eyJkYXRh"
        let line = String(decoding: event.line, as: UTF8.self)
        try settle([line], firstSeq: 7)
        try settle([line], firstOffset: 1, firstSeq: 7)
        #expect(
            try database.query("SELECT reason, detail, convert_from(value, 'UTF8'), seq FROM rejects")
                == [["refused_by_kafka", "MSG_SIZE_TOO_LARGE, 3000000 bytes", #"{"data"#, "7"]])
        #expect(try database.query("SELECT count(*) FROM stream_events") == [["0"]])
    }

    @Test("garbage is rejected with its bytes; what comes again is one reject")
    func garbage() throws {
        let lines = ["not json", #"{"hello":1}"#, #"{"data":{"id":"x1","text":"t"}}"#, "", "a\u{0}b"]
        try settle(lines)
        try settle(lines, firstOffset: 5, firstSeq: 1)
        let rejects = try database.query(
            "SELECT reason, value = convert_to($1, 'UTF8'), seq FROM rejects ORDER BY seq", ["not json"])
        #expect(rejects.map { $0[0] } == ["not_json", "not_a_tweet", "bad_id", "not_json", "not_json"])
        #expect(rejects[0][1] == "t")
        #expect(rejects.map { $0[2] } == ["1", "2", "3", "4", "5"])
        #expect(try database.query("SELECT encode(value, 'hex') FROM rejects WHERE seq = 5") == [["610062"]])
    }
}
