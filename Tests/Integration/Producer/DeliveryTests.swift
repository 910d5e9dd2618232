import Core
import Foundation
import Harness
import Journal
import KafkaClient
import Logging
import Sandbox
import TestSupport
import Testing
import XAPI

@testable import Publishing
@testable import TweetProducer

/// What becomes of batches that Kafka rejects, and of requests that take too long: the publisher before a broker that a
/// proxy makes difficult.
@Suite(.ownThreads, .timeLimit(.minutes(5))) struct DeliveryTests {
    let folder: TemporaryFolder
    let kafka: KafkaSandbox
    let front: KafkaFront
    let topic = "tweets-\(UInt32.random(in: 0 ... .max))"
    let log = LogRecorder()

    init() throws {
        folder = try TemporaryFolder()
        kafka = try KafkaSandbox(topics: [topic: 12, topic + ".events": 1])
        front = try KafkaFront(kafka.bootstrapServers)
    }

    /// A tweet of about 1.6 KB that no compression makes much smaller.
    func tweet(_ id: Int) -> String {
        var random = SplitMix64(seed: UInt64(id))
        let text = (0..<95).map { _ in String(random.next(), radix: 36) }.joined(separator: " ")
        return #"{"data":{"id":"\#(id)","text":"\#(text.prefix(1560))"}}"#
    }

    private func settings(_ properties: [String: String]) throws -> ProducerSettings {
        var reader = try SettingsReader(
            flags: ["JOURNAL_DIR": folder.path], configFile: nil, known: [], environment: [:])
        var all = properties.mapValues { KafkaConfiguration.Property($0, from: "test") }
        all["bootstrap.servers"] = .init(front.servers, from: "test")
        return ProducerSettings(
            stream: StreamSettings(x: XSettings(url: "http://localhost", token: .value(Secret("t")))),
            kafka: KafkaConfiguration(all), topic: topic, reader: &reader)
    }

    /// Publishes lines while `meanwhile` runs, and returns the last acknowledged number.
    func publish(
        _ lines: [String], _ properties: [String: String] = [:], counts: PublishCounts = PublishCounts(),
        meanwhile: (JournalSource) throws -> Void = { _ in }
    ) throws -> Int64? {
        let settings = try settings(properties)
        let journal = try Journal.open(folder: settings.journalFolder, stream: "s")
        for line in lines {
            try unsafe Array(line.utf8).withBytes { (bytes) throws(FileError) in
                try unsafe journal.append(bytes, receivedAt: Timestamp(milliseconds: 1), connection: 5)
            }
        }
        try journal.sync()
        let (source, stop, logger) = (journal.source, Stop(), log.logger)
        let thread = JoinableThread(name: "publisher") {
            do {
                try Publisher(settings: settings.publish, source: source, counts: counts, stop: stop, logger: logger)
                    .run()
            } catch { Issue.record(error) }
        }
        let outcome = Result { try meanwhile(source) }
        if case .failure = outcome {
            stop.raise()
            stop.raise()
        }
        source.tail.close()
        thread.join()
        try outcome.get()
        return try Checkpoint.read(from: source.folder, journal: source.journal)?.acknowledged
    }

    /// Numbers of the lines in the topic for tweets, and of the reject events, once all of `lines` are somewhere.
    private func outcome(_ lines: [String]) throws -> (tweets: Set<Int64>, rejects: Set<Int64>) {
        let records = try TopicReader(servers: kafka.bootstrapServers, topics: [topic, topic + ".events"])
            .read { Set($0.compactMap(\.headers?.seq)).count >= lines.count }
        let tweets = records.filter { $0.partition.topic == topic }
        for record in tweets {
            let seq = try #require(record.headers?.seq)
            #expect(record.value == Array(lines[Int(seq) - 1].utf8))
        }
        let events = records.filter { $0.partition.topic != topic }
        return (Set(tweets.compactMap(\.headers?.seq)), Set(events.compactMap(\.headers?.seq)))
    }

    /// One row of what was tried on a real broker.
    struct Limit: Sendable, CustomTestStringConvertible {
        let bytes: Int
        let partitions: Int
        let lines: Int
        var properties: [String: String] = [:]

        var testDescription: String { "\(bytes) bytes, \(partitions) partitions, \(lines) lines, \(properties)" }
    }

    private static let limits: [Limit] = [
        Limit(bytes: 20_000, partitions: 3, lines: 600),
        Limit(bytes: 20_000, partitions: 12, lines: 600),
        Limit(bytes: 65_536, partitions: 3, lines: 600),
        Limit(bytes: 131_072, partitions: 12, lines: 2000),
        Limit(bytes: 262_144, partitions: 3, lines: 2000, properties: ["compression.type": "none"]),
        // The broker's default, under a client that makes larger batches.
        Limit(
            bytes: 1_048_588, partitions: 3, lines: 2000,
            properties: ["batch.size": "2000000", "linger.ms": "1000", "compression.type": "none"]),
    ]

    @Test("F50: batches above the topic's limit lose nothing", arguments: limits)
    func f50BatchesAboveTheLimitLoseNothing(_ limit: Limit) throws {
        front.visiblePartitions = limit.partitions
        front.judge = { $0.bytes.count > limit.bytes ? 10 : 0 }
        let lines = (1...limit.lines).map { tweet($0) }
        #expect(try publish(lines, limit.properties) == Int64(limit.lines))
        let outcome = try outcome(lines)
        #expect(outcome.tweets == Set(1...Int64(limit.lines)))
        #expect(outcome.rejects.isEmpty)
    }

    @Test("F50: a limit that Kafka reports is kept from the start")
    func f50ALimitThatKafkaReportsIsKept() throws {
        front.topicSettings = ["max.message.bytes": "20000", "cleanup.policy": "compact,delete"]
        front.judge = { $0.bytes.count > 20_000 ? 10 : 0 }
        let lines = (1...600).map { tweet($0) }
        #expect(try publish(lines, ["batch.size": "2000000", "compression.type": "none"]) == 600)
        #expect(front.rejectedBatches == 0)
        #expect(try outcome(lines).tweets.count == 600)
        let warnings = log.lines.filter { $0.message.contains("is compacted") }
        #expect(warnings.map { $0.metadata["topic"] } == [topic, topic + ".events"])
    }

    /// INVALID_RECORD, POLICY_VIOLATION, INVALID_TIMESTAMP, RECORD_LIST_TOO_LARGE, MSG_SIZE_TOO_LARGE.
    @Test("F50: one bad record among good ones is the only reject", arguments: [87, 44, 32, 18, 10] as [Int16])
    func f50OnlyTheBadRecordIsAReject(_ error: Int16) throws {
        front.judge = { $0.contains("poison") ? error : 0 }
        var lines = (1...500).map { tweet($0) }
        lines[249] = #"{"data":{"id":"250","text":"poison"}}"#
        let counts = PublishCounts()
        #expect(try publish(lines, ["compression.type": "none", "linger.ms": "100"], counts: counts) == 500)
        let outcome = try outcome(lines)
        #expect(outcome.tweets == Set(1...500).subtracting([250]))
        // What was rejected and sent again counts once.
        let bytes = lines.map(\.utf8.count).reduce(0, +) - lines[249].utf8.count
        #expect(counts.acknowledgedBytes[.tweets].value == Double(bytes))
        let event = try TopicReader(servers: kafka.bootstrapServers, topics: [topic + ".events"]).read { !$0.isEmpty }
        #expect(counts.acknowledgedBytes[.events].value == event.first.map { Double($0.value.count) })
        #expect(outcome.rejects == [250])
        #expect(log.count("a line cannot be published; it is recorded as a reject") == 1)
    }

    @Test("F74: lines that are rejected while reject events are published are all declared")
    func f74ManyRejectionsAreAllDeclared() throws {
        front.judge = { $0.contains("poison") ? 87 : 0 }
        let lines = (1...600).map { id in
            id.isMultiple(of: 3) ? #"{"data":{"id":"\#(id)","text":"poison"}}"# : tweet(id)
        }
        let properties = [
            "compression.type": "none", "queue.buffering.max.messages": "7", "message.max.bytes": "4000",
        ]
        #expect(try publish(lines, properties) == 600)
        let outcome = try outcome(lines)
        let bad = Set((1...600).filter { $0.isMultiple(of: 3) }.map { Int64($0) })
        #expect(outcome.rejects == bad)
        #expect(outcome.tweets == Set(1...600).subtracting(bad))
    }

    @Test("F50: a topic that rejects everything pauses publishing, and it goes on by itself")
    func f50ATopicThatRejectsEverythingPausesPublishing() throws {
        let topic = topic
        front.judge = { $0.topic == topic ? 44 : 0 }
        let lines = (1...300).map { tweet($0) }
        let paused = "the topic rejects every record; publishing is paused until it accepts one"
        let acknowledged = try publish(lines) { source in
            #expect(log.wait { $0.message == paused })
            #expect(log.lines.first { $0.message == paused }?.metadata["error"] == "POLICY_VIOLATION")
            var checkpoint: Checkpoint?
            _ = try eventually {
                checkpoint = try Checkpoint.read(from: source.folder, journal: source.journal)
                return checkpoint?.pausedTopic != nil
            }
            #expect(checkpoint?.pausedTopic == topic)
            front.judge = nil
        }
        #expect(acknowledged == 300)
        let outcome = try outcome(lines)
        #expect(outcome.rejects.count < RejectionBreaker.limit)
        #expect(outcome.tweets == Set(1...300).subtracting(outcome.rejects))
        #expect(log.count(paused) == 1)
    }

    @Test("F50: a topic that rejects even reject events pauses publishing, and it goes on by itself")
    func f50ATopicThatRejectsRejectEventsPausesPublishing() throws {
        let events = topic + ".events"
        front.judge = { $0.contains("poison") ? 87 : $0.topic == events ? 10 : 0 }
        var lines = (1...300).map { tweet($0) }
        for seq in [7, 8] { lines[seq - 1] = #"{"data":{"id":"\#(seq)","text":"poison"}}"# }
        let paused =
            "the topic rejects the event that stands for a rejected line; publishing is paused until it accepts it"
        let acknowledged = try publish(lines, ["compression.type": "none"]) { source in
            #expect(log.wait { $0.message == paused })
            var checkpoint: Checkpoint?
            _ = try eventually {
                checkpoint = try Checkpoint.read(from: source.folder, journal: source.journal)
                return checkpoint?.pausedTopic != nil
            }
            #expect(checkpoint?.pausedTopic == events)
            #expect((checkpoint?.acknowledged ?? 0) < 7)
            front.judge = { $0.contains("poison") ? 87 : 0 }
        }
        #expect(acknowledged == 300)
        let outcome = try outcome(lines)
        #expect(outcome.rejects == [7, 8])
        #expect(outcome.tweets == Set(1...300).subtracting([7, 8]))
        #expect(log.lines.first { $0.message == paused }?.metadata["topic"] == events)
    }

    /// 64 kbit/s carry an eighth of the first window within the time-out.
    @Test("F52: what cannot be sent within the time-out is sent in smaller pieces")
    func f52RequestsThatTimeOutBecomeSmaller() throws {
        front.bytesPerSecond = 8000
        let lines = (1...1500).map { tweet($0) }
        let acknowledged = try publish(lines, ["socket.timeout.ms": "5000", "reconnect.backoff.max.ms": "500"]) {
            source in
            func through() -> Int64 {
                (try? Checkpoint.read(from: source.folder, journal: source.journal))?.acknowledged ?? 0
            }
            let isThrough = eventually(within: .seconds(120)) { through() >= 60 }
            #expect(isThrough, "\(log.lines.filter { $0.level >= .warning }.suffix(20))")
            front.bytesPerSecond = nil
        }
        #expect(acknowledged == 1500)
        #expect(try outcome(lines).tweets.count == 1500)
    }

    @Test("an outage is logged once, with the address and the last error")
    func anOutageIsLoggedOnce() throws {
        kafka.setBroker(isUp: false)
        let lines = [tweet(1)]
        let acknowledged = try publish(lines) { _ in
            #expect(log.wait { $0.message == "Kafka is unreachable; retrying" })
            kafka.setBroker(isUp: true)
        }
        #expect(acknowledged == 1)
        let outages = log.lines.filter { $0.message == "Kafka is unreachable; retrying" }
        #expect(outages.count == 1)
        #expect(outages.first?.metadata["servers"] == front.servers)
        #expect(outages.first?.metadata["error"]?.contains("127.0.0.1:") == true, "\(outages)")
    }

    @Test("a rejected line is published by replay --seq")
    func aRejectedLineCanBeReplayed() throws {
        front.judge = { $0.contains("poison") ? 87 : 0 }
        var lines = (1...20).map { tweet($0) }
        for seq in [7, 12, 13] { lines[seq - 1] = #"{"data":{"id":"\#(seq)","text":"poison"}}"# }
        #expect(try publish(lines, ["compression.type": "none"]) == 20)
        #expect(try outcome(lines).rejects == [7, 12, 13])
        front.judge = nil
        var settings = ReplaySettings(
            kafka: KafkaConfiguration(bootstrapServers: front.servers), topic: topic, partitions: 12, replication: -1)
        settings.numbers = ReplaySettings.numbers("7,12-13")
        let path = folder.path + "/s"
        let replay = try Replay(
            path, files: ReplayFile.list(path), settings: settings, isTerminal: false, stop: Stop(),
            logger: log.logger)
        let isWhole = try replay.run()
        #expect(isWhole && replay.published == 3 && replay.refused.isEmpty)
        let records = try TopicReader(servers: kafka.bootstrapServers, topics: [topic])
            .read { Set($0.compactMap(\.headers?.seq)).count >= 20 }
        #expect(Set(records.compactMap(\.headers?.seq)) == Set(1...20))
    }

    @Test func numbersOfAReplay() {
        #expect(ReplaySettings.numbers("17,40-41") == [17...17, 40...41])
        for wrong in ["", "0", "3-2", "1,", "a", "1-2-3", "-4"] { #expect(ReplaySettings.numbers(wrong) == nil) }
    }
}
