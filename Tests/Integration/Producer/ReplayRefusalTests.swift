import Core
import Foundation
import Journal
import KafkaClient
import Logging
import Sandbox
import TestSupport
import Testing
import TweetFormat

@testable import TweetProducer

/// What becomes of lines of a replay that Kafka never takes, or that the disk has changed.
@Suite(.serialized, .ownThreads, .timeLimit(.minutes(4))) struct ReplayRefusalTests {
    let folder: TemporaryFolder
    let kafka: KafkaSandbox
    let topic = "tweets-\(UInt32.random(in: 0 ... .max))"
    let log = LogRecorder()

    init() throws {
        folder = try TemporaryFolder()
        kafka = try KafkaSandbox(topics: [topic: 4, topic + ".events": 1])
    }

    private func replay(_ path: String, _ properties: [String: String] = [:]) throws -> Replay {
        var all = properties
        all["bootstrap.servers"] = kafka.bootstrapServers
        let settings = ReplaySettings(
            kafka: KafkaConfiguration(all.mapValues { .init($0, from: "the test") }), topic: topic, partitions: 4,
            replication: -1)
        let replay = try Replay(
            path, files: ReplayFile.list(path), settings: settings, isTerminal: false, stop: Stop(), logger: log.logger)
        #expect(try replay.run())
        return replay
    }

    private func read(_ count: Int) throws -> [ReadRecord] {
        try TopicReader(servers: kafka.bootstrapServers, topics: [topic, topic + ".events"])
            .read(patience: .seconds(90)) { $0.count >= count }
    }

    private func line(_ id: Int, length: Int = 10) -> String {
        #"{"data":{"id":"\#(id)","text":"\#(String(repeating: "x", count: length))"}}"#
    }

    @Test func aLineBeyondTheClientsLimitBecomesARejectWithItsNumber() throws {
        let lines = [line(1), line(2, length: 30_000), line(3), line(4, length: 40_000)]
        try folder.write(lines.joined(separator: "\n"), to: "a.jsonl")
        let replay = try replay(folder.path + "/a.jsonl", ["message.max.bytes": "20000"])
        #expect(replay.published == 4)
        #expect(replay.refused.count == 2)
        #expect("\(replay.refused)" == "2 lines rejected (MSG_SIZE_TOO_LARGE 2)")
        let records = try read(4)
        #expect(Set(records.compactMap(\.headers?.seq)) == [1, 2, 3, 4])
        let rejects = records.filter { $0.partition.topic == topic + ".events" }
        #expect(rejects.compactMap(\.headers?.seq).sorted() == [2, 4])
        let event = try #require(rejects.first { $0.headers?.seq == 2 }.flatMap { PipelineEvent(line: $0.value) })
        #expect(event.type == .rejected && event.cause == "MSG_SIZE_TOO_LARGE" && event.seq == 2)
        #expect(event.bytes == Int64(lines[1].utf8.count))
        #expect(event.head.flatMap { Data(base64Encoded: $0) } == Data(lines[1].utf8.prefix(1024)))
        #expect(log.count("a line cannot be published; it is recorded as a reject") == 2)
    }

    @Test func aLineThatTheBrokerRefusesBecomesARejectToo() throws {
        // Produce is request 0; MSG_SIZE_TOO_LARGE is error 10 (Kafka protocol guide).
        kafka.fail(request: 0, with: [10, 10])
        try folder.write(line(7), to: "a.jsonl")
        let replay = try replay(folder.path + "/a.jsonl")
        #expect(replay.refused.count == 1)
        let record = try #require(try read(1).first)
        let event = try #require(PipelineEvent(line: record.value))
        #expect(event.head.flatMap { Data(base64Encoded: $0) } == Data(line(7).utf8))
        #expect(record.headers?.seq == 1 && record.headers?.stream == "replay")
    }

    /// The line, the line alone, its event, its event alone: the replay pauses until the topic accepts the event.
    @Test func aTopicThatRejectsTheEventAsWellPausesTheReplay() throws {
        kafka.fail(request: 0, with: [10, 10, 10, 10])
        try folder.write(line(7), to: "a.jsonl")
        let replay = try replay(folder.path + "/a.jsonl")
        #expect(replay.refused.count == 1)
        #expect(
            log.count(
                "the topic rejects the event that stands for a rejected line; publishing is paused until it accepts it")
                == 1)
        #expect(log.count("the topic accepts records again; publishing continues") == 1)
        #expect(try read(1).first.flatMap { PipelineEvent(line: $0.value) }?.type == .rejected)
    }

    @Test func aLineThatTheDiskHasChangedBecomesARejectAndTheRestIsPublished() throws {
        let journal = try Journal.open(folder: folder.path, stream: "s")
        for number in 1...3 {
            try unsafe Array(line(number).utf8).withBytes { (bytes) throws(FileError) in
                try unsafe journal.append(
                    bytes, receivedAt: Timestamp(milliseconds: Int64(number) * 1000), connection: 7)
            }
        }
        try journal.sync()
        let path = folder.path + "/s/00000000000000000001.jsonl"
        var bytes = Array(try Data(contentsOf: URL(filePath: path)))
        bytes[line(1).utf8.count + 20] ^= 1
        try Data(bytes).write(to: URL(filePath: path))
        let replay = try replay(folder.path + "/s")
        #expect("\(replay.refused)" == "1 lines rejected (damaged_on_disk 1)")
        let records = try read(3)
        #expect(records.count { $0.partition.topic == topic } == 2)
        let reject = try #require(records.first { $0.partition.topic == topic + ".events" })
        #expect(reject.headers?.seq == 2 && reject.headers?.journal == journal.source.journal)
        #expect(PipelineEvent(line: reject.value)?.cause == "damaged_on_disk")
    }
}
