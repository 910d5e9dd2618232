import Core
import KafkaClient
import TestSupport
import Testing
import TweetFormat

@testable import TweetLoader

/// Two journals of one stream: what one has is not missing.
@Suite("Loader: coverage of several journals", .ownThreads, .timeLimit(.minutes(4)))
struct StreamCoverageTests {
    private let database: TestDatabase
    private let loader: Loader
    private static let events = TopicPartition("tweets.events", 0)

    init() throws {
        database = try TestDatabase()
        loader = try Loader.claiming(database.url, [Self.events])
    }

    private func time(_ second: Int) -> Timestamp { Timestamp(milliseconds: 1_760_000_000_000 + Int64(second) * 1000) }

    /// Loads events, each of a journal; the seconds of `disconnected` and `handed_over` are those of the last line.
    private func load(
        _ events: [(journal: String, type: PipelineEvent.Kind, second: Int)], after before: [String: Int64] = [:]
    ) throws {
        var batch = Batch()
        var decoder = TweetDecoder()
        var seqs = before
        for (offset, item) in zip(Int(before.values.reduce(0, +))..., events) {
            seqs[item.journal, default: 0] += 1
            var headers = TestLines.headers(seqs[item.journal] ?? 0)
            headers.journal = item.journal
            var event = PipelineEvent(item.type, at: time(item.second), connection: 1)
            if item.type != .connected { event.lastReceivedAt = event.at }
            let record = RecordInfo(headers: headers, topicPartition: Self.events, offset: Int64(offset))
            batch.add(record, key: Array("test".utf8), value: event.line, decoder: &decoder, payload: .jsonb)
        }
        try loader.settle(batch)
    }

    private func gaps(_ journal: String) throws -> [[String?]] {
        try database.query(
            """
            SELECT extract(epoch FROM started_at)::bigint - 1760000000,
                extract(epoch FROM ended_at)::bigint - 1760000000, status
            FROM stream_gaps WHERE journal = '\(journal)' ORDER BY opened_seq
            """)
    }

    @Test("F85: a listener that is deaf for ten minutes is reported")
    func f85ADeafListenerIsReported() throws {
        var batch = Batch()
        var decoder = TweetDecoder()
        let now = Timestamp.now().milliseconds / 60_000
        for (place, journal) in [a, b].enumerated() {
            for minute in 1...11 {
                var headers = TestLines.headers(Int64(minute))
                headers.journal = journal
                var event = PipelineEvent(.tally, at: Timestamp(milliseconds: (now - Int64(minute)) * 60_000))
                event.lines = place == 0 ? 60 : 3
                let record = RecordInfo(
                    headers: headers, topicPartition: Self.events, offset: Int64(place * 100 + minute))
                batch.add(record, key: Array("test".utf8), value: event.line, decoder: &decoder, payload: .jsonb)
            }
        }
        #expect(try ListenerTallies.problems(database.connect()) == [])
        try loader.settle(batch)
        let problems = try ListenerTallies.problems(database.connect())
        #expect(
            problems.count == 1 && problems[0].contains("journal \(b) received 33 posts in 11 minutes"), "\(problems)")
    }

    private let a = "aaaaaaaa"
    private let b = "bbbbbbbb"

    @Test("F85: a gap of one listener is covered when the other one was connected all the time")
    func f85AGapThatTheOtherListenerCoversIsCovered() throws {
        try load([
            (b, .connected, 5), (a, .connected, 1), (a, .disconnected, 10), (a, .connected, 20), (a, .disconnected, 40),
            (b, .disconnected, 30), (b, .connected, 45), (a, .connected, 50), (b, .disconnected, 60),
        ])
        #expect(try gaps(a) == [["10", "20", "covered"], ["40", "50", "open"]])
        #expect(try gaps(b) == [["30", "45", "open"], ["60", nil, "open"]])
    }

    @Test("F85: a gap is covered with the first heartbeat after the posts of the other one, which are stored later")
    func f85PostsThatComeAfterTheEndOfAGapCoverIt() throws {
        try load([(b, .connected, 5), (a, .connected, 1), (a, .disconnected, 10), (a, .connected, 20)])
        #expect(try gaps(a) == [["10", "20", "open"]])
        var batch = Batch()
        var decoder = TweetDecoder()
        var headers = TestLines.headers(2)
        (headers.journal, headers.connection, headers.receivedAt) = (b, 1, time(25))
        let line = TestLines.tweet(try #require(Snowflake.firstID(at: time(24))))
        let record = RecordInfo(headers: headers, topicPartition: Self.events, offset: 4)
        batch.add(record, key: Array("test".utf8), value: Array(line.utf8), decoder: &decoder, payload: .jsonb)
        try loader.settle(batch)
        #expect(try gaps(a) == [["10", "20", "open"]])
        try load([(b, .alive, 30)], after: [a: 3, b: 2])
        #expect(try gaps(a) == [["10", "20", "covered"]])
    }

    @Test("gaps that touch each other leave nothing uncovered, and a second without a listener is not covered")
    func bounds() throws {
        try load([
            (a, .connected, 0), (b, .connected, 10), (a, .disconnected, 10), (a, .connected, 20),
            (b, .disconnected, 20),
            (a, .disconnected, 30), (b, .connected, 31), (b, .disconnected, 50), (a, .connected, 40),
        ])
        #expect(try gaps(a) == [["10", "20", "covered"], ["30", "40", "open"]])
    }

    @Test("a take-over declares the gap in the new journal, and the journal before has none that goes on")
    func handover() throws {
        try load([
            (a, .connected, 0), (b, .passive, 1), (b, .handedOver, 10), (b, .connected, 16), (a, .disconnected, 11),
            (a, .passive, 20), (b, .disconnected, 30), (b, .stopped, 30),
        ])
        #expect(try gaps(b) == [["10", "16", "open"], ["30", nil, "open"]])
        #expect(try gaps(a) == [["11", "20", "open"]])
        let repaired =
            "UPDATE stream_gaps SET status = 'repaired_approximately' WHERE opened_seq = 2 AND journal = '\(b)'"
        _ = try database.superuser(repaired)
        let open = try database.query("SELECT journal FROM stream_gaps WHERE \(LedgerFacts.isOpen)")
        #expect(open == [[b]], "what the new holder has filled covers the rest of the old one's gap")
    }

    @Test("the roles of producers follow from their events; one that was killed is not active for ever")
    func roles() throws {
        try load([(a, .connected, 0), (a, .disconnected, 1), (a, .connected, 2)])
        #expect(try ListenerRoles.read(database.connect()) == [:], "a producer that is alone has no role")
        try load([(b, .passive, 1), (b, .handedOver, 10), (b, .connected, 16)], after: [a: 3])
        let (first, second) = (JournalName(stream: "test", journal: a), JournalName(stream: "test", journal: b))
        #expect(try ListenerRoles.read(database.connect()) == [second: .active])
        try load([(a, .passive, 20)], after: [a: 3, b: 3])
        let status = try LoaderStatus(database.connect())
        #expect(status.journals.map(\.role) == [.passive, .active])
        #expect(status.text.contains("passive") && status.json(isCompact: true).contains(#""role":"active""#))
        try load([(b, .stopped, 30)], after: [a: 4, b: 3])
        #expect(try ListenerRoles.read(database.connect()) == [first: .passive])
    }
}
