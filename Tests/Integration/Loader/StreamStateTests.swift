import Core
import KafkaClient
import TestSupport
import Testing
import TweetFormat

@testable import TweetLoader

/// Heartbeats of producers: settled like every line, and only the newest is kept.
@Suite("Loader: heartbeats", .ownThreads, .timeLimit(.minutes(4)))
struct StreamStateTests {
    private let database: TestDatabase
    private let loader: Loader
    private static let events = TopicPartition("tweets.events", 0)

    init() throws {
        database = try TestDatabase()
        loader = try Loader.claiming(database.url, [Self.events])
    }

    /// Settles lines with these numbers in the journal; nil for a message without headers.
    private func settle(_ lines: [String], offset: Int64, seqs: [Int64?]) throws {
        var batch = Batch()
        var decoder = TweetDecoder()
        for (index, line) in lines.enumerated() {
            let record = RecordInfo(
                headers: seqs[index].map { TestLines.headers($0) }, topicPartition: Self.events,
                offset: offset + Int64(index))
            batch.add(record, key: Array("test".utf8), value: Array(line.utf8), decoder: &decoder, payload: .jsonb)
        }
        try loader.settle(batch)
    }

    private func heartbeat(second: Int, _ change: (inout ProducerState) -> Void = { _ in }) -> String {
        var event = PipelineEvent(.alive, at: Timestamp(milliseconds: 1_760_000_000_000 + Int64(second) * 1000))
        var state = ProducerState()
        (state.isConnected, state.interval) = (true, 30_000)
        change(&state)
        event.producer = state
        return String(decoding: event.line, as: UTF8.self)
    }

    private func rows() throws -> [[String?]] {
        try database.query(
            """
            SELECT stream, seq, extract(epoch FROM alive_at)::bigint - 1760000000, connected, due_after, posts_today,
                settled_at > now() - interval '1 minute'
            FROM stream_state
            """)
    }

    @Test("the newest heartbeat of a journal is kept, in whatever order they come, and its number settles")
    func theNewest() throws {
        try settle([heartbeat(second: 0), heartbeat(second: 30) { $0.postsToday = 7 }], offset: 0, seqs: [1, 2])
        let newest: [[String?]] = [["test", "2", "30", "t", "00:00:30", "7", "t"]]
        #expect(try rows() == newest)
        // Sent again, as after a replay; and one that is older, whatever its clock says.
        try settle([heartbeat(second: 30) { $0.postsToday = 9 }, heartbeat(second: 99)], offset: 2, seqs: [2, 1])
        #expect(try rows() == newest)
        try settle([heartbeat(second: 20) { $0.isConnected = false }], offset: 4, seqs: [3])
        #expect(try rows().map { [$0[1], $0[2], $0[3]] } == [["3", "20", "f"]])
        #expect(try database.query("SELECT count(*) FROM stream_events") == [["0"]])
        loader.foldLedger()
        #expect(try StreamLedger.read(database.connect()).values.map(\.multirange) == ["{[1,4)}"])
    }

    @Test("invalid members are unknown, and a foreign heartbeat is an event like any other")
    func whateverComes() throws {
        let odd = heartbeat(second: 0) { state in
            (state.interval, state.postsToday, state.journalBytes) = (-5, -1, .max)
            (state.lastPostAt, state.oldestUnacknowledgedAt) = ("yesterday", "9999-99-99T00:00:00Z")
        }
        let bare = #"{"pipeline_event":{"type":"alive","at":"never","last_received_at":"0000-01-01T00:00:00Z"}}"#
        try settle([odd, heartbeat(second: 1)], offset: 0, seqs: [1, nil])
        #expect(try rows() == [["test", "1", "0", "t", nil, nil, "t"]])
        #expect(try database.query("SELECT journal_bytes, last_post_at FROM stream_state") == [["\(Int64.max)", nil]])
        #expect(try database.query("SELECT type, seq FROM stream_events") == [["alive", nil]])
        // The time of receipt stands for one that cannot be read.
        try settle([bare], offset: 2, seqs: [2])
        #expect(try database.query("SELECT seq, connected, last_received_at FROM stream_state") == [["2", nil, nil]])
        #expect(try database.query("SELECT count(*) FROM rejects") == [["0"]])
    }

    @Test("a table that rejects a heartbeat makes it a reject, and stops nothing")
    func aRefusedHeartbeat() throws {
        try database.query("ALTER TABLE stream_state ADD CONSTRAINT few CHECK (posts_today < 100)")
        let started = #"{"pipeline_event":{"type":"started","at":"2026-11-20T08:00:00.000Z"}}"#
        try settle([heartbeat(second: 0) { $0.postsToday = 100 }, started], offset: 0, seqs: [1, 2])
        #expect(try database.query("SELECT seq, reason FROM rejects") == [["1", "database"]])
        #expect(try database.query("SELECT type FROM stream_events") == [["started"]])
    }

    @Test("the streams as health sees them: the newest of each, connected when one of the producers is")
    func states() throws {
        try database.query(
            """
            INSERT INTO stream_state (stream, journal, seq, alive_at, settled_at, due_after, connected) VALUES
                ('a', '00000001', 5, '2026-11-20 08:00:00Z', '2026-11-20 08:00:00.25Z', '30 s', false),
                ('a', '00000002', 9, '2026-11-20 07:59:50Z', '2026-11-20 08:00:01Z', '30 s', true),
                ('b', '00000003', 1, '2026-11-20 08:00:00Z', '2026-11-20 08:00:01Z', NULL, false),
                ('b', '00000004', 1, '2026-11-19 08:00:00Z', '2026-11-19 08:00:01Z', NULL, true),
                ('c', '00000005', 1, '2026-11-20 08:00:00Z', '2026-11-20 08:00:01Z', NULL, true)
            """)
        try database.query("INSERT INTO dismissed (kind, name, reason) VALUES ('journal', '00000005', 'gone')")
        let states = try StreamStates.read(database.connect())
        #expect(states.map(\.stream) == ["a", "b"] && states.map(\.isConnected) == [true, false])
        #expect(states[0].aliveAt == Timestamp("2026-11-20T08:00:00Z") && states[0].delay == .milliseconds(250))
        #expect(states.map(\.dueAfter) == [.seconds(30), nil])
    }
}
