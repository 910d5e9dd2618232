import Core
import Foundation
import Harness
import Journal
import Sandbox
import TestSupport
import Testing

@testable import TweetLoader

@Suite("Loader: verify", .ownThreads, .timeLimit(.minutes(4)))
struct VerificationTests: VerifyFixture {
    let database: TestDatabase
    let kafka: KafkaSandbox

    @Test("everything settled is complete, with rows too")
    func complete() throws {
        try publish(1...200)
        try load(until: 200)
        var report = try verify(settings())
        report.rows = try RowCheck.make(settings())
        #expect(report.verdict == .complete)
        #expect(report.status == .done)
        #expect(report.text.hasSuffix("\ncomplete"))
        #expect(report.json(isCompact: true).contains(#""verdict":"complete""#))
        #expect(report.rows?.messages == 200)
        #expect(report.text.contains("test 0a1b2c3d: 200 numbered, 200 settled, none missing"))
    }

    @Test("lines in Kafka are pending, also in partitions that no loader has claimed")
    func pending() throws {
        try publish(1...50)
        let report = try verify(settings())
        #expect(report.verdict == .pending)
        #expect(report.status == .done)
        #expect(report.lag == 50)
        #expect(report.text.hasSuffix("\nnothing missing, 50 pending"))
        #expect(report.journals.map { [$0.numbered, $0.settled, $0.inFlight, $0.inKafka] } == [[50, 0, 50, 50]])
        #expect(report.json(isCompact: true).contains(#""verdict":"nothing_missing""#))
        let waited = try verify(settings(), wait: .milliseconds(300))
        #expect(waited.status == .tryAgain, "\(waited.text)")
        let (settings, url) = (try settings(), database.url)
        let stop = Stop()
        let loading = Background { try Loader(settings, stop: stop, logger: LogRecorder().logger).run() }
        #expect(try verify(settings, wait: .seconds(90)).verdict == .complete)
        stop.raise()
        try loading.join()
        #expect(!url.isEmpty)
    }

    @Test("a message with the highest number that there is belongs to no journal")
    func highestNumber() throws {
        try publish(1...3)
        let publisher = try KafkaPublisher(bootstrapServers: kafka.bootstrapServers)
        let headers = [
            ("stream", "test"), ("journal", "0a1b2c3d"), ("seq", "\(Int64.max)"),
            ("received_at", "2026-11-20T08:00:00.000Z"), ("connection", "0"),
        ]
        try publisher.enqueue(.init(topic: "tweets", key: "1", value: "{}", headers: headers))
        try publisher.flush()
        let report = try verify(settings())
        #expect(report.verdict == .pending && report.pending == 4 && report.journals.map(\.numbered) == [3])
    }

    @Test("numbers that are nowhere are missing, named as ranges, whatever is in flight")
    func missing() throws {
        try publish((1...300).filter { $0 != 17 && $0 != 40 && $0 != 41 })
        try load(until: 297)
        try publish(301...350)
        let report = try verify(settings())
        #expect(report.verdict == .missing)
        #expect(report.status == .badData)
        #expect(
            report.journals.map { [$0.numbered, $0.settled, $0.inKafka, $0.inFlight, $0.missing] }
                == [[350, 297, 50, 50, 3]])
        #expect(report.text.contains("50 in flight (50 in Kafka), 3 missing: 17, 40-41"))
        #expect(report.text.hasSuffix("\nmissing: 3 lines"))
        #expect(report.json(isCompact: true).contains(#""missing_numbers":[[17,17],[40,41]]"#))
    }

    /// A line on another partition overtakes one that is published after the first look.
    @Test("f71: a number that comes while it seems missing is not missing")
    func f71NumberOnItsWay() throws {
        try publish([1, 2, 3, 5, 6])
        let settings = try settings()
        let first = try verify(settings)
        #expect(first.missing == 1, "nothing is on its way: this shows what one look would report")
        let publishing = Background {
            // On its way for longer than the first look and the pause behind it last.
            endure(.milliseconds(500))
            try publish([4])
        }
        let report = try verify(settings, patience: .seconds(30))
        try publishing.join()
        #expect(report.verdict == .pending, "\(report.text)")
        #expect(report.pending == 6)
    }

    @Test("lines that the journal holds and Kafka has not acknowledged are in flight, those it has are not")
    func unpublished() throws {
        let folder = try TemporaryFolder()
        let journal = try Journal.open(folder: folder.path, stream: "test")
        for number in 1...10 as ClosedRange<Int64> {
            try unsafe Array(TestLines.tweet(TestLines.firstID + number).utf8).withBytes { (line) throws(FileError) in
                try unsafe journal.append(line, receivedAt: .now(), connection: 0)
            }
        }
        try journal.sync()
        let status = try JournalStatus(folder: folder.path, stream: "test", quota: nil)
        try database.query("INSERT INTO stream_ledger VALUES ('test', $1, '{[1,6)}')", [status.journal])
        try Checkpoint(journal: status.journal, acknowledged: 5).write(to: status.folder)
        let report = try verify(settings(), journals: folder.path)
        #expect(report.verdict == .pending)
        #expect(report.text.contains("10 numbered, 5 settled, 5 in flight (5 unpublished), none missing"))
        try Checkpoint(journal: status.journal, acknowledged: 7).write(to: status.folder)
        let lost = try verify(settings(), journals: folder.path)
        #expect(lost.journals.map(\.missingNumbers.description) == ["6-7"])
        #expect(lost.verdict == .missing)
        #expect(try verify(settings(), journals: folder.path + "/none").verdict == .unknown)
    }

    @Test("rejects, damaged lines, gaps and holes are named in the last line")
    func rejects() throws {
        try database.query("ALTER TABLE tweets ADD CONSTRAINT no_bad CHECK (text <> 'bad')")
        let event = { (cause: String, seq: Int) in
            #"{"pipeline_event":{"type":"rejected","at":"2026-11-20T08:00:00.000Z","cause":"\#(cause)","seq":"#
                + "\(seq)}}"
        }
        let loader = try Loader.claiming(database.url)
        try loader.settle(
            TestLines.batch([
                TestLines.tweet(TestLines.firstID), TestLines.tweet(TestLines.firstID + 1, text: "bad"), "no json",
                event("MSG_SIZE_TOO_LARGE", 4), event("damaged_on_disk", 5),
            ]))
        // Their messages are not in this Kafka.
        try database.query("DELETE FROM loader_offsets")
        for number in 1...7 {
            try database.query(
                """
                INSERT INTO stream_gaps (stream, journal, opened_seq, started_at, ended_at, cause)
                VALUES ('test', '0a1b2c3d', $1::bigint, timestamptz '2026-11-20Z' + $1::bigint * interval '1 hour',
                    timestamptz '2026-11-20Z' + $1::bigint * interval '1 hour' + interval '10 minutes', 'stall')
                """, ["\(number)"])
        }
        let report = try verify(settings())
        #expect(report.verdict == .complete)
        #expect(
            report.text.hasSuffix(
                "\ncomplete; 3 rejected (1 by Kafka, 1 by PostgreSQL, 1 not a tweet); 1 damaged; 7 gaps open"))
        #expect(report.text.contains("gaps: 7 open, 70 min in all; the last 5:"))
        #expect(report.gaps.last.map(\.startedAt).first == "2026-11-20T03:00:00.000Z")
    }

    @Test("the markers of transactions are neither lag nor pending")
    func transactions() throws {
        try publish(1...40)
        try load(until: 40)
        for partition in 0..<4 as Range<Int32> {
            for _ in 0..<3 { try KafkaMarker.append(to: .init("tweets", partition), servers: kafka.bootstrapServers) }
        }
        #expect(try database.query("SELECT sum(next_offset) FROM loader_offsets WHERE topic = 'tweets'") == [["40"]])
        var report = try verify(settings())
        report.rows = try RowCheck.make(settings())
        #expect(report.verdict == .complete, "\(report.text)")
        #expect(report.rows?.messages == 40)
        let status = try readStatus(settings())
        #expect(status.lag == 0)
        #expect(status.partitions.compactMap(\.endOffset).reduce(0, +) == 52, "else this shows nothing")
        try publish([41])
        #expect(try readStatus(settings()).lag == 1)
        #expect(try verify(settings()).pending == 1)
    }

    @Test("messages without a number are pending as well")
    func foreign() throws {
        let publisher = try KafkaPublisher(bootstrapServers: kafka.bootstrapServers)
        try publisher.enqueue(.init(topic: "tweets", value: TestLines.tweet(TestLines.firstID)))
        try publisher.flush()
        #expect(try verify(settings()).text.hasSuffix("nothing missing, 1 pending"))
        try load(until: 1)
        #expect(try verify(settings()).verdict == .complete)
    }
}
