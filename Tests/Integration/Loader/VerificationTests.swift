import Core
import Foundation
import Harness
import Journal
import Sandbox
import TestSupport
import Testing

@testable import TweetLoader

@Suite("Loader: verify", .timeLimit(.minutes(4)))
struct VerificationTests {
    private let database: TestDatabase
    private let kafka: KafkaSandbox

    init() throws {
        database = try TestDatabase()
        kafka = try KafkaSandbox(topics: ["tweets": 4, "tweets.events": 1])
    }

    private func settings() throws -> LoaderSettings {
        try .test(database.url, kafka: kafka.bootstrapServers)
    }

    private func verify(
        _ settings: LoaderSettings, journals: String? = nil, patience: Duration = .zero, wait: Duration? = nil
    ) throws -> LedgerReport {
        var verification = try Verification(
            settings, journals: journals, patience: .init(looks: 2, time: patience, pause: .milliseconds(100)))
        var report = try verification.run(wait: wait)
        report.waited = wait
        return report
    }

    private func publish(_ numbers: some Sequence<Int64>) throws {
        let publisher = try KafkaPublisher(bootstrapServers: kafka.bootstrapServers)
        let headers = { (seq: Int64) in
            [
                ("stream", "test"), ("journal", "0a1b2c3d"), ("seq", "\(seq)"),
                ("received_at", "2026-11-20T08:00:00.000Z"), ("connection", "1763700000000"),
            ]
        }
        for number in numbers {
            let id = TestLines.firstID + number
            try publisher.enqueue(
                .init(topic: "tweets", key: "\(id)", value: TestLines.tweet(id), headers: headers(number)))
        }
        try publisher.flush()
    }

    /// Runs a loader until so many tweets are there.
    private func load(until count: Int) throws {
        let stop = Stop()
        let settings = try settings()
        let loading = Background { try Loader(settings, stop: stop, logger: LogRecorder().logger).run() }
        #expect(try eventually { try database.query("SELECT count(*) FROM tweets") == [["\(count)"]] })
        stop.raise()
        try loading.join()
    }

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
            _ = Stop().wait(for: .milliseconds(500))
            try publish([4])
        }
        let report = try verify(settings, patience: .seconds(30))
        try publishing.join()
        #expect(report.verdict == .pending, "\(report.text)")
        #expect(report.pending == 6)
    }

    @Test("f72: without Kafka nothing is complete and nothing is missing")
    func f72NoKafka() throws {
        try publish((1...10).filter { $0 != 4 })
        try load(until: 9)
        kafka.destroy()
        let report = try verify(settings())
        #expect(report.verdict == .unknown)
        #expect(report.status == .unavailable)
        #expect(report.lag == nil)
        #expect(report.text.contains("Kafka at \(kafka.bootstrapServers) cannot be reached"))
        #expect(report.text.hasSuffix("\nunknown: not everything could be checked"))
        #expect(report.json(isCompact: true).contains(#""verdict":"unknown""#))
        let status = try readStatus(settings())
        #expect(status.lag == nil)
        #expect(status.tweets == 9)
        #expect(status.text.contains("problem: Kafka at"))
    }

    @Test("f72: what is proven to be missing wins over what could not be checked")
    func f72NoKafkaAndAHole() throws {
        kafka.destroy()
        try database.query(
            "INSERT INTO kafka_holes (topic, partition, first_offset, end_offset) VALUES ('tweets', 0, 5, 9)")
        let report = try verify(settings())
        #expect(report.verdict == .missing)
        #expect(
            report.text.hasSuffix(
                "\nmissing: messages that Kafka deleted (1 hole open); not everything could be checked"))
    }

    @Test("f72: without PostgreSQL nothing is known")
    func f72NoPostgres() throws {
        let report = try verify(.test("postgresql://tweets@127.0.0.1:1/tweets", kafka: kafka.bootstrapServers))
        #expect(report.verdict == .unknown)
        #expect(report.status == .unavailable)
        #expect(report.text.contains("not checked: PostgreSQL at"))
    }

    @Test("f72: a topic or a partition that does not exist is not checked")
    func f72NoTopic() throws {
        try publish(1...10)
        try load(until: 10)
        var other = try settings()
        other.topic = "nowhere"
        let report = try verify(other)
        #expect(report.verdict == .unknown)
        #expect(report.text.contains("topic nowhere does not exist"))
        #expect(report.text.contains("topic nowhere.events does not exist"))
        try database.query(
            "INSERT INTO loader_offsets (topic, partition, next_offset, fence, owner) VALUES ('tweets', 9, 7, 1, 'x')")
        let partition = try verify(settings())
        #expect(partition.verdict == .unknown)
        #expect(partition.text.contains("partition tweets-9 does not exist"))
    }

    @Test("f71: what is loaded while the ends are read does not make another topic of it")
    func f71LoadedWhileTheEndsAreRead() throws {
        try publish(1...40)
        let (stop, settings) = (Stop(), try settings())
        let loading = Background { try Loader(settings, stop: stop, logger: LogRecorder().logger).run() }
        let publishing = Background {
            for first in stride(from: 41 as Int64, to: .max, by: 20) {
                if stop.isRaised { break }
                try publish(first..<first + 20)
            }
        }
        #expect(try eventually { try database.query("SELECT count(*) > 100 FROM tweets") == [["t"]] })
        // Each partition's ends take that long, one after the other.
        kafka.setRoundTripTime(.milliseconds(300))
        let verdicts = try (1...3).map { _ in try verify(settings, patience: .seconds(2)).verdict }
        #expect(!verdicts.contains(.unknown), "\(verdicts)")
        stop.raise()
        try publishing.join()
        try loading.join()
    }

    @Test("f72: offsets beyond the end belong to a topic that was created anew")
    func f72TopicCreatedAnew() throws {
        try publish(1...10)
        try load(until: 10)
        try database.query("UPDATE loader_offsets SET next_offset = 5000 WHERE topic = 'tweets' AND partition = 1")
        let report = try verify(settings())
        #expect(report.verdict == .unknown)
        #expect(report.text.contains("but 5000 is settled: the topic was created again"))
        #expect(try readStatus(settings()).lag == nil)
    }

    @Test("lines that the journal holds and Kafka has not acknowledged are in flight, those it has are not")
    func unpublished() throws {
        let folder = try TemporaryFolder()
        let journal = try Journal.open(folder: folder.path, stream: "test")
        for number in 1...10 as ClosedRange<Int64> {
            try unsafe Array(TestLines.tweet(TestLines.firstID + number).utf8).withUnsafeBytes { line in
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
