import Core
import Foundation
import Journal
import KafkaClient
import Logging
import Sandbox
import TestSupport
import Testing
import TweetFormat
import XAPI

@testable import Publishing
@testable import TweetProducer

/// The publisher against a real librdkafka and its mock cluster.
@Suite(.serialized, .ownThreads, .timeLimit(.minutes(4))) struct PublisherTests {
    let folder: TemporaryFolder
    let kafka: KafkaSandbox
    let topic = "tweets-\(UInt32.random(in: 0 ... .max))"
    private let log = LogRecorder()

    init() throws {
        folder = try TemporaryFolder()
        kafka = try KafkaSandbox(topics: [topic: 4, topic + ".events": 1])
    }

    private func settings(_ properties: [String: String] = [:]) throws -> ProducerSettings {
        var reader = try SettingsReader(
            flags: ["JOURNAL_DIR": folder.path], configFile: nil, known: [], environment: [:])
        var all = properties.mapValues { KafkaConfiguration.Property($0, from: "test") }
        all["bootstrap.servers"] = .init(kafka.bootstrapServers, from: "test")
        return ProducerSettings(
            stream: StreamSettings(x: XSettings(url: "http://localhost", token: .value(Secret("t")))),
            kafka: KafkaConfiguration(all), topic: topic, reader: &reader)
    }

    /// Publishes a journal with `lines` on a thread of its own while `meanwhile` runs; returns when all is acknowledged.
    private func publish(
        _ lines: [String], _ settings: ProducerSettings, mostUnderWay: Int64 = KafkaProducer.mostUnderWay,
        meanwhile: () throws -> Void = {}
    ) throws -> Checkpoint? {
        let journal = try Journal.open(folder: settings.journalFolder, stream: "s")
        for (number, line) in lines.enumerated() {
            try unsafe Array(line.utf8).withBytes { (bytes) throws(FileError) in
                try unsafe journal.append(bytes, receivedAt: Timestamp(milliseconds: Int64(number)), connection: 5)
            }
        }
        try journal.sync()
        let source = journal.source
        let stop = Stop()
        let logger = log.logger
        let thread = JoinableThread(name: "publisher") {
            do {
                let publisher = try Publisher(
                    settings: settings.publish, source: source, mostUnderWay: mostUnderWay, stop: stop, logger: logger)
                try publisher.run()
            } catch { Issue.record(error) }
        }
        try meanwhile()
        source.tail.close()
        thread.join()
        return try Checkpoint.read(from: source.folder, journal: source.journal)
    }

    private func tweet(_ id: Int64, chain: Int64? = nil) -> String {
        let history = chain.map { ",\"edit_history_tweet_ids\":[\"\($0)\",\"\(id)\"]" } ?? ""
        return #"{"data":{"id":"\#(id)","text":"grüße 🌍"\#(history)}}"#
    }

    /// Reads until `count` different lines were seen; lines that were sent again come more than once.
    private func read(_ count: Int) throws -> [ReadRecord] {
        try TopicReader(servers: kafka.bootstrapServers, topics: [topic, topic + ".events"]).read { records in
            Set(records.compactMap(\.headers?.seq)).count >= count
        }
    }

    @Test func linesArriveByteForByteWithKeyAndHeaders() throws {
        let lines = [tweet(100), tweet(200, chain: 100), #"{"errors":[{"title":"x"}]}"#, "garbage \u{1}"]
        let checkpoint = try publish(lines, settings())
        #expect(checkpoint?.acknowledged == 4)
        let records = try read(4).sorted { ($0.headers?.seq ?? 0) < ($1.headers?.seq ?? 0) }
        #expect(records.map(\.value) == lines.map { Array($0.utf8) })
        #expect(records.map(\.key) == ["100", "100", "s", "s"])
        #expect(records.map(\.partition.topic) == [topic, topic, topic + ".events", topic + ".events"])
        #expect(records.map(\.headers?.seq) == [1, 2, 3, 4])
        #expect(records.map(\.headers?.receivedAt.milliseconds) == [0, 1, 2, 3])
        #expect(records.allSatisfy { $0.headers?.stream == "s" && $0.headers?.connection == 5 })
        #expect(records.allSatisfy { $0.headers?.journal == checkpoint?.journal })
        #expect(records[0].partition == records[1].partition, "an edit chain stays in one partition")
    }

    @Test func theNextStartGoesOnBehindTheCheckpoint() throws {
        _ = try publish((1...250).map { tweet($0) }, settings())
        _ = try publish((251...300).map { tweet($0) }, settings())
        let records = try read(300)
        #expect(records.compactMap(\.headers?.seq).sorted() == (1...300).map { $0 })
    }

    @Test func anOutageLosesNothingAndKeepsOrder() throws {
        kafka.setBroker(isUp: false)
        let checkpoint = try publish((1...500).map { tweet(Int64($0), chain: Int64($0 % 7 + 1)) }, settings()) {
            kafka.setBroker(isUp: true)
        }
        #expect(checkpoint?.acknowledged == 500)
        let records = try read(500)
        #expect(Set(records.compactMap(\.headers?.seq)) == Set(1...500))
        for (key, chain) in Dictionary(grouping: records, by: \.key) {
            let numbers = chain.compactMap(\.headers?.seq)
            #expect(numbers == numbers.sorted(), "chain \(key ?? "") out of order")
        }
    }

    @Test func aLineThatKafkaRefusesForGoodBecomesAnEventWithItsNumber() throws {
        // Produce is request 0; MSG_SIZE_TOO_LARGE is error 10 (Kafka protocol guide).
        kafka.fail(request: 0, with: [10, 10])
        let lines = [tweet(100)]
        let checkpoint = try publish(lines, settings())
        #expect(checkpoint?.acknowledged == 1)
        let record = try #require(try read(1).first)
        #expect(record.partition.topic == topic + ".events")
        #expect(record.headers?.seq == 1)
        let event = try #require(PipelineEvent(line: record.value))
        #expect(event.type == .rejected)
        #expect(event.cause == "MSG_SIZE_TOO_LARGE")
        #expect(event.seq == 1)
        #expect(event.bytes == Int64(lines[0].utf8.count))
        #expect(event.head.flatMap { Data(base64Encoded: $0) } == Data(lines[0].utf8))
    }

    @Test func aLineBeyondTheClientsLimitIsRefusedToo() throws {
        let long = #"{"data":{"id":"7","text":"\#(String(repeating: "x", count: 30_000))"}}"#
        let checkpoint = try publish([tweet(6), long, tweet(8)], settings(["message.max.bytes": "20000"]))
        #expect(checkpoint?.acknowledged == 3)
        let records = try read(3)
        #expect(Set(records.compactMap(\.headers?.seq)) == [1, 2, 3])
        #expect(records.first { $0.headers?.seq == 2 }.flatMap { PipelineEvent(line: $0.value) }?.type == .rejected)
    }

    @Test func recordsThatTimeOutAreSentAgainFromTheJournal() throws {
        // librdkafka looks for records that have timed out once a second.
        kafka.setRoundTripTime(.milliseconds(1500))
        let settings = try settings(["message.timeout.ms": "300"])
        let checkpoint = try publish((1...100).map { tweet($0) }, settings) {
            #expect(log.wait { $0.message.contains("sending unacknowledged") })
            kafka.setRoundTripTime(.zero)
        }
        #expect(checkpoint?.acknowledged == 100)
        #expect(Set(try read(100).compactMap(\.headers?.seq)) == Set(1...100))
    }

    @Test func f47LeadersThatMoveCostNothingButTime() throws {
        // NOT_LEADER_OR_FOLLOWER, LEADER_NOT_AVAILABLE, UNKNOWN_TOPIC_OR_PARTITION (protocol guide, "Error codes").
        kafka.fail(request: 0, with: [6, 5, 3, 6])
        let checkpoint = try publish((1...300).map { tweet(Int64($0), chain: Int64($0 % 5 + 1)) }, settings())
        #expect(checkpoint?.acknowledged == 300)
        let records = try read(300)
        for (key, chain) in Dictionary(grouping: records, by: \.key) {
            let numbers = chain.compactMap(\.headers?.seq)
            #expect(numbers == numbers.sorted(), "chain \(key ?? "") out of order")
        }
    }

    /// Who looks from outside counts a line as lost when one that is so much newer has arrived.
    @Test func f47LinesOfAPartitionWithoutLeaderAreNotLeftFarBehind() throws {
        let (most, count): (Int64, Int64) = (40, 400)
        let lead = { (records: [ReadRecord]) -> Int64 in
            let numbers = Set(records.compactMap(\.headers?.seq))
            return (numbers.max() ?? 0) - ((1...count).first { !numbers.contains($0) } ?? count)
        }
        kafka.setLeader(of: topic, partition: 1, broker: nil)
        let checkpoint = try publish((1...count).map { tweet($0) }, settings(), mostUnderWay: most) {
            let reader = try TopicReader(servers: kafka.bootstrapServers, topics: [topic])
            let first = try reader.read { $0.count > 10 }
            // Nothing more comes within this time; without the limit everything else does at once.
            let records = try first + reader.read(patience: .seconds(5)) { lead(first + $0) > most }
            #expect(lead(records) <= most && records.count > 10, "\(lead(records)) of \(records.count)")
            kafka.setLeader(of: topic, partition: 1, broker: 1)
        }
        #expect(checkpoint?.acknowledged == count)
        #expect(Set(try read(Int(count)).compactMap(\.headers?.seq)) == Set(1...count))
    }

    @Test func f48AnAnswerThatComesTooLateLosesNothing() throws {
        kafka.setRoundTripTime(.milliseconds(2500))
        let settings = try settings(["socket.timeout.ms": "1000", "message.timeout.ms": "4000"])
        let checkpoint = try publish((1...50).map { tweet($0) }, settings) {
            // Longer than one time-out: that a request times out is what this is about.
            endure(.seconds(3))
            kafka.setRoundTripTime(.zero)
        }
        #expect(checkpoint?.acknowledged == 50)
        #expect(Set(try read(50).compactMap(\.headers?.seq)) == Set(1...50))
    }

    @Test func f52ASlowBrokerOnlyCostsTime() throws {
        kafka.setRoundTripTime(.milliseconds(500))
        let checkpoint = try publish((1...500).map { tweet($0) }, settings())
        #expect(checkpoint?.acknowledged == 500)
        kafka.setRoundTripTime(.zero)
        #expect(Set(try read(500).compactMap(\.headers?.seq)) == Set(1...500))
    }

    @Test func aFatalIdempotentProducerIsRebuilt() throws {
        // OUT_OF_ORDER_SEQUENCE_NUMBER is error 45: librdkafka's idempotent producer may turn fatal on it.
        kafka.fail(request: 0, with: [45, 45, 47])
        let checkpoint = try publish((1...300).map { tweet($0) }, settings())
        #expect(checkpoint?.acknowledged == 300)
        #expect(Set(try read(300).compactMap(\.headers?.seq)) == Set(1...300))
    }

    @Test func aLineThatTheDiskHasDamagedIsRejectedByNumber() throws {
        kafka.setBroker(isUp: false)
        let settings = try settings()
        let checkpoint = try publish([tweet(100), tweet(200), tweet(300)], settings) {
            let path = folder.path + "/s/00000000000000000001.jsonl"
            let file = try FileHandle(forUpdating: URL(filePath: path))
            try file.seek(toOffset: UInt64(tweet(100).utf8.count + 20))
            try file.write(contentsOf: Data("#".utf8))
            kafka.setBroker(isUp: true)
        }
        #expect(checkpoint?.acknowledged == 3)
        let records = try read(3)
        let events = records.filter { $0.partition.topic == topic + ".events" }
        #expect(events.map(\.headers?.seq) == [2])
        #expect(events.first.flatMap { PipelineEvent(line: $0.value) }?.cause == "damaged_on_disk")
        #expect(Set(records.compactMap(\.headers?.seq)) == [1, 2, 3])
    }
}
