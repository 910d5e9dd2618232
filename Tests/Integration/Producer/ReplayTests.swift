import Core
import Foundation
import Journal
import KafkaClient
import Logging
import Sandbox
import TestSupport
import Testing

@testable import TweetProducer

/// Archived lines that are published again, against a real librdkafka and its mock cluster.
@Suite(.serialized, .ownThreads, .timeLimit(.minutes(4))) struct ReplayTests {
    let folder: TemporaryFolder
    let kafka: KafkaSandbox
    let topic = "tweets-\(UInt32.random(in: 0 ... .max))"
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    init() throws {
        folder = try TemporaryFolder()
        kafka = try KafkaSandbox(topics: [topic: 4, topic + ".events": 1])
    }

    private func settings() -> ReplaySettings {
        ReplaySettings(
            kafka: KafkaConfiguration(bootstrapServers: kafka.bootstrapServers), topic: topic, partitions: 4,
            replication: -1)
    }

    @discardableResult
    private func replay(_ path: String, _ settings: ReplaySettings, stop: Stop = Stop()) throws -> Int64 {
        let replay = try Replay(
            path, files: ReplayFile.list(path), settings: settings, isTerminal: false, stop: stop, logger: logger)
        _ = try replay.run()
        return replay.published
    }

    private func read(_ count: Int) throws -> [ReadRecord] {
        try TopicReader(servers: kafka.bootstrapServers, topics: [topic, topic + ".events"])
            .read { $0.count >= count }.sorted { ($0.headers?.seq ?? 0) < ($1.headers?.seq ?? 0) }
    }

    /// A journal whose first segments are archived and whose last ones are not.
    private func journal(_ count: Int) throws -> Journal {
        var options = JournalOptions()
        options.segmentBytes = 2000
        let journal = try Journal.open(folder: folder.path, stream: "s", options: options)
        for number in 1...count {
            try unsafe Array(#"{"data":{"id":"\#(number)"}}"#.utf8).withBytes { (bytes) throws(FileError) in
                try unsafe journal.append(
                    bytes, receivedAt: Timestamp(milliseconds: Int64(number) * 1000), connection: 7)
            }
            if number % 10 == 0 { try journal.sync() }
        }
        try journal.sync()
        journal.source.tail.publish(acknowledged: Int64(count / 2))
        let (source, stop, logger) = (journal.source, Stop(), logger)
        let archiver = JoinableThread(name: "archiver") {
            Archiver(source, options: ArchiveOptions(), stop: stop, logger: logger).run()
        }
        let archive = folder.path + "/s/archive/manifest.jsonl"
        #expect(eventually { FileManager.default.fileExists(atPath: archive) })
        stop.raise()
        archiver.join()
        return journal
    }

    @Test func linesOfOurJournalKeepTheirNumbers() throws {
        let journal = try journal(500)
        #expect(try replay(folder.path + "/s", settings()) == 500)
        let records = try read(500)
        #expect(records.compactMap(\.headers?.seq) == (1...500).map { $0 })
        #expect(records.allSatisfy { $0.headers?.journal == journal.source.journal && $0.headers?.stream == "s" })
        #expect(records.allSatisfy { $0.headers?.receivedAt.milliseconds == ($0.headers?.seq ?? 0) * 1000 })
        #expect(records.allSatisfy { $0.headers?.connection == 7 })
        #expect(records.map(\.value) == (1...500).map { Array(#"{"data":{"id":"\#($0)"}}"#.utf8) })
    }

    @Test func windowsChooseByTimeAndNumber() throws {
        _ = try journal(300)
        var settings = settings()
        settings.seqs = 100...150
        settings.until = Timestamp(milliseconds: 120_000)
        #expect(try replay(folder.path + "/s", settings) == 20)
        #expect(try read(20).compactMap(\.headers?.seq) == (100...119).map { $0 })
    }

    @Test func pagesOfOtherToolsAreSplitWithTheIncludesEachNeeds() throws {
        let page =
            #"{"data":[{"id":"1","author_id":"10","text":"a"},{"id":"2","author_id":"11","text":"b","#
            + #""referenced_tweets":[{"type":"quoted","id":"3"}]}],"includes":{"users":[{"id":"10"},{"id":"11"},"#
            + #"{"id":"12"},{"id":"13"}],"tweets":[{"id":"3","author_id":"12"}]},"meta":{"result_count":2}}"#
        try folder.write(page + "\n\n" + #"{"data":{"id":"5"}}"# + "\n", to: "pages.jsonl")
        #expect(try replay(folder.path + "/pages.jsonl", settings()) == 3)
        let records = try read(3)
        #expect(
            records.map { String(decoding: $0.value, as: UTF8.self) } == [
                #"{"data":{"id":"1","author_id":"10","text":"a"},"includes":{"users":[{"id":"10"}]}}"#,
                #"{"data":{"id":"2","author_id":"11","text":"b","referenced_tweets":[{"type":"quoted","id":"3"}]},"#
                    + #""includes":{"users":[{"id":"11"},{"id":"12"}],"tweets":[{"id":"3","author_id":"12"}]}}"#,
                #"{"data":{"id":"5"}}"#,
            ])
        #expect(records.compactMap(\.headers?.seq) == [1, 2, 3])
        #expect(Set(records.compactMap(\.headers?.stream)) == ["replay"])
        try replay(folder.path + "/pages.jsonl", settings())
        #expect(Set(try read(6).compactMap(\.headers?.journal)).count == 1, "the same file has the same numbers")
    }

    @Test func anInterruptedReplayGoesOnWhereItEnded() throws {
        _ = try journal(400)
        var settings = settings()
        settings.stateFile = folder.path + "/state.json"
        settings.rate = 100
        let (stop, path, chosen, logger) = (Stop(), folder.path + "/s", settings, logger)
        let files = try ReplayFile.list(path)
        let thread = JoinableThread(name: "replay") {
            do {
                let replay = try Replay(
                    path, files: files, settings: chosen, isTerminal: false, stop: stop, logger: logger)
                #expect(try replay.run() == false)
            } catch { Issue.record(error) }
        }
        let state = URL(filePath: folder.path + "/state.json")
        #expect(
            eventually {
                let text = (try? String(contentsOf: state, encoding: .utf8)) ?? ""
                return (try? JSONDecoder().decode(ReplayState.self, from: Data(text.utf8)))?.published ?? 0 >= 50
            })
        stop.raise()
        thread.join()
        settings.rate = nil
        #expect(try replay(path, settings) == 400)
        // What was on its way when the first one ended may come twice, so distinct lines are waited for.
        let records = try TopicReader(servers: kafka.bootstrapServers, topics: [topic, topic + ".events"])
            .read(patience: .seconds(90)) { Set($0.compactMap(\.headers?.seq)).count >= 400 }
        #expect(Set(records.compactMap(\.headers?.seq)) == Set(1...400))
        #expect(records.count < 600, "what was acknowledged is not sent again")
        settings.seqs = 1...2
        #expect(throws: ReplayError.self, "a state of another replay is refused") { try replay(path, settings) }
    }

    @Test func anOutageOnlyCostsTime() throws {
        try folder.write((1...300).map { #"{"data":{"id":"\#($0)"}}"# }.joined(separator: "\n"), to: "a.ndjson")
        kafka.fail(request: 0, with: [45, 7, 6])
        #expect(try replay(folder.path + "/a.ndjson", settings()) == 300)
        // What is sent again may come twice, so distinct lines are waited for.
        let records = try TopicReader(servers: kafka.bootstrapServers, topics: [topic, topic + ".events"])
            .read { Set($0.compactMap(\.headers?.seq)).count >= 300 }
        #expect(Set(records.compactMap(\.headers?.seq)) == Set(1...300))
    }

    @Test func aDamagedFileIsNamed() throws {
        try Data([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3]).write(to: URL(filePath: folder.path + "/bad.jsonl.gz"))
        let path = folder.path + "/bad.jsonl.gz"
        let replay = try Replay(
            path, files: ReplayFile.list(path), settings: settings(), isTerminal: false, stop: Stop(), logger: logger)
        #expect(try replay.run() && replay.problems.count == 1)
        #expect(replay.problems.first?.contains("bad.jsonl.gz is cut short at byte 13") == true)
        #expect(throws: ReplayError.self) { try ReplayFile.list(folder.path + "/none") }
        #expect(throws: ReplayError.self, "a pipe cannot be read twice") { try ReplayFile.list("/dev/null") }
    }
}
