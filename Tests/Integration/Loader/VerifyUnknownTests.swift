import Core
import Harness
import Sandbox
import TestSupport
import Testing

@testable import TweetLoader

@Suite("Loader: verify, what it does not know", .ownThreads, .timeLimit(.minutes(4)))
struct VerifyUnknownTests: VerifyFixture {
    let database: TestDatabase
    let kafka: KafkaSandbox

    @Test("f71: lines that a stopped producer may still hold are unknown until its journal is read")
    func f71StoppedProducer() throws {
        try publish((1...300).filter { $0 != 17 && $0 != 290 && $0 != 291 })
        try load(until: 297)
        let report = try verify(settings(), underWay: 100)
        #expect(report.verdict == .missing && report.journals.map(\.missingNumbers.description) == ["17"])
        #expect(
            report.text.contains("2 lines of test 0a1b2c3d (290-291) neither in Kafka nor in PostgreSQL"),
            "\(report.text)")
        let held = try verify(settings(), underWay: 300)
        #expect(held.verdict == .unknown && held.status == .unavailable && held.missing == 0, "\(held.text)")
        #expect(held.text.contains("(17, 290-291)") && held.text.contains("--journal DIR"), "\(held.text)")
        #expect(!held.text.contains("none missing"))
    }

    @Test("f71: what the producer had to drop is missing, however new it is")
    func f71Dropped() throws {
        try publish((1...100).filter { !(40...45).contains($0) && $0 != 50 })
        try load(until: 93)
        try database.query(
            """
            INSERT INTO stream_events (type, stream, journal, seq, gap_seq, lines, kafka_topic, kafka_partition, kafka_offset)
            VALUES ('dropped', 'test', '0a1b2c3d', 50, 40, 6, 'tweets.events', 0, 0)
            """)
        let report = try verify(settings(), underWay: 100)
        #expect(report.journals.map(\.missingNumbers.description) == ["40-45"], "\(report.text)")
        #expect(report.text.contains("1 line of test 0a1b2c3d (50) neither"), "\(report.text)")
    }

    @Test("--wait ends before numbers are proven missing: they are unknown")
    func waitIsShort() throws {
        try publish([1, 2, 4])
        try load(until: 3)
        let start = ContinuousClock.now
        let report = try verify(settings(), patience: .seconds(300), wait: .milliseconds(500))
        #expect(ContinuousClock.now - start < .seconds(60))
        #expect(report.verdict == .unknown && report.missing == 0, "\(report.text)")
        #expect(report.text.contains("1 line of test 0a1b2c3d (3) not found yet"), "\(report.text)")
    }

    @Test("what was forgotten is listed")
    func forgotten() throws {
        try publish([1, 2, 4])
        try load(until: 3)
        try Dismissals.dismiss("journal", "0a1b2c3d", reason: "trial", database.connect())
        try Dismissals.dismiss("topic", "tweeets", reason: "mistyped", database.connect())
        let report = try verify(settings())
        #expect(report.verdict == .complete && report.journals.isEmpty)
        #expect(report.forgotten.map(\.name) == ["0a1b2c3d", "tweeets"])
        #expect(report.text.contains("forgotten, not counted: 1 journal, 1 topic"))
        #expect(report.json(isCompact: true).contains(#""forgotten":[{"dismissed_at":"#))
        try Dismissals.dismiss("topic", "tweets", reason: "early", database.connect())
        try database.query("UPDATE loader_offsets SET committed_at = now() + interval '1 second'")
        #expect(try verify(settings()).forgotten.map(\.name) == ["0a1b2c3d", "tweeets"], "it counts again")
    }

    @Test("a topic with pending messages is not forgotten, nor one that cannot be checked")
    func pendingTopic() throws {
        try publish(1...50)
        let pending = try PendingMessages(topic: "tweets", settings())
        #expect(pending.count == 50)
        let failure = #expect(throws: Failure.self) { try pending.check() }
        #expect(failure?.status == .tryAgain && failure?.description.contains("50 messages") == true)
        try PendingMessages(topic: "tweeets", settings()).check()
        try load(until: 50)
        try PendingMessages(topic: "tweets", settings()).check()
        let unchecked = try PendingMessages(topic: "tweets", .test(database.url))
        let unknown = #expect(throws: Failure.self) { try unchecked.check() }
        #expect(unknown?.status == .unavailable && unknown?.description.contains("could not be checked") == true)
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
}
