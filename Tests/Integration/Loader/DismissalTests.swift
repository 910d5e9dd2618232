import Core
import KafkaClient
import TestSupport
import Testing
import TweetFormat

@testable import TweetLoader

@Suite("Loader: what an operator dismisses", .ownThreads, .timeLimit(.minutes(4)))
struct DismissalTests {
    private let database: TestDatabase
    private let loader: Loader
    private static let events = TopicPartition("tweets.events", 0)

    init() throws {
        database = try TestDatabase()
        loader = try Loader.claiming(database.url, [Self.events])
    }

    private func settle(_ lines: [String], firstOffset: Int64, firstSeq: Int64) throws {
        var batch = Batch()
        var decoder = TweetDecoder()
        for (index, line) in lines.enumerated() {
            let record = RecordInfo(
                headers: TestLines.headers(firstSeq + Int64(index)), topicPartition: Self.events,
                offset: firstOffset + Int64(index))
            batch.add(record, key: Array("test".utf8), value: Array(line.utf8), decoder: &decoder, payload: .jsonb)
        }
        try loader.settle(batch)
    }

    private func line(_ event: PipelineEvent) -> String { String(decoding: event.line, as: UTF8.self) }

    private func gap() -> [String] {
        [line(PipelineEvent(.connected, connection: 7)), line(PipelineEvent(.disconnected, connection: 7, cause: "x"))]
    }

    private func closing(_ seq: Int64, reason: String) -> String {
        var event = PipelineEvent(.gapClosed)
        (event.seq, event.detail) = (seq, reason)
        return line(event)
    }

    private var openGaps: Int64 { get throws { try LoaderStatus(database.connect()).openGaps } }

    @Test("an accepted gap has reason and time, counts no longer, and what comes again changes nothing")
    func acceptedGap() throws {
        try settle(gap(), firstOffset: 0, firstSeq: 1)
        #expect(try openGaps == 1)
        try settle([closing(2, reason: "trial \u{0}run"), closing(99, reason: "none")], firstOffset: 2, firstSeq: 3)
        let select = "SELECT status, accepted_reason, accepted_at IS NOT NULL, accepted_at::text FROM stream_gaps"
        let accepted = try database.query(select)
        #expect(accepted.map { $0[0] } == ["accepted"] && accepted[0][2] == "t")
        #expect(accepted[0][1]?.hasPrefix("trial ") == true)
        #expect(try openGaps == 0)
        try settle([closing(2, reason: "later")], firstOffset: 4, firstSeq: 5)
        #expect(try database.query(select) == accepted)
    }

    @Test(
        "a foreign event of these types stops nothing",
        arguments: [
            #"{"pipeline_event":{"type":"gap_closed","at":"x"}}"#,
            #"{"pipeline_event":{"type":"gap_closed","at":"x","seq":9223372036854775807,"detail":""}}"#,
            #"{"pipeline_event":{"type":"journal_forgotten","at":"2026-01-01T00:00:00Z"}}"#,
            #"{"pipeline_event":{"type":"journal_forgotten","at":"x","cause":"a\u0000b","detail":"\ud800"}}"#,
        ])
    func poison(text: String) throws {
        try settle(gap() + [text], firstOffset: 0, firstSeq: 1)
        #expect(try openGaps == 1)
    }

    @Test("gaps and missing numbers of a forgotten journal count no longer")
    func forgottenJournal() throws {
        let journal = TestLines.headers(1).journal
        try settle(gap(), firstOffset: 0, firstSeq: 5)
        var status = try LoaderStatus(database.connect())
        #expect(status.openGaps == 1 && status.journals.map(\.unsettled) == [4])
        var event = PipelineEvent(.journalForgotten, cause: journal)
        event.detail = "trial"
        try settle([line(event), line(event)], firstOffset: 2, firstSeq: 7)
        status = try LoaderStatus(database.connect())
        #expect(status.openGaps == 0 && status.journals.isEmpty)
        #expect(try DismissedReport(database.connect()).forgotten.map(\.reason) == ["trial"])
    }

    @Test("a topic is dismissed with a reason, unless it is in use, and counts again when it is committed to")
    func forgottenTopic() throws {
        try settle(gap(), firstOffset: 0, firstSeq: 1)
        func forget(_ dismissal: Dismissal) throws { try dismissal.record(database.connect()) }
        let failure = #expect(throws: Failure.self) { try forget(.topic("tweets.events", reason: "x")) }
        #expect(failure?.status == .tryAgain, "in use")
        let unknown = #expect(throws: Failure.self) { try forget(.topic("tweeets", reason: "x")) }
        #expect(unknown?.status == .badData)
        try database.query("UPDATE loader_offsets SET committed_at = now() - interval '2 hours'")
        #expect(try LoaderStatus(database.connect()).partitions.count == 1)
        try forget(.topic("tweets.events", reason: "mistyped"))
        #expect(try LoaderStatus(database.connect()).partitions.isEmpty)
        try settle([closing(2, reason: "x")], firstOffset: 2, firstSeq: 3)
        #expect(try LoaderStatus(database.connect()).partitions.count == 1)
        #expect(try Dismissal.undo("topic", "tweets.events", database.connect()))
        #expect(try DismissedReport(database.connect()).forgotten.isEmpty)
    }
}
