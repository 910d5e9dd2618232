import Foundation
import Harness
import Logging
import Sandbox
import TestSupport
import Testing

@testable import Core
@testable import Digests
@testable import Journal
@testable import KafkaClient
@testable import ObjectStore
@testable import TweetProducer

/// What was uploaded, published again from the bucket.
@Suite(.serialized, .ownThreads, .timeLimit(.minutes(4))) struct S3ReplayTests {
    static let server = Result { try S3TestServer() }
    let server: S3TestServer
    let folder: TemporaryFolder
    let kafka: KafkaSandbox
    let topic = "tweets-\(UInt32.random(in: 0 ... .max))"
    let log = LogRecorder()

    init() throws {
        server = try Self.server.get()
        try server.setFaults("[]")
        folder = try TemporaryFolder()
        kafka = try KafkaSandbox(topics: [topic: 4, topic + ".events": 1])
    }

    /// What others have left in TMPDIR, as a process that was killed does.
    private let earlier = Set(Self.folders())

    /// Folders of fetched objects.
    private var fetched: [String] { Self.folders().filter { !earlier.contains($0) } }

    private static func folders() -> [String] {
        let folder = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
        return ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
            .filter { $0.hasPrefix("tweet-replay-") }.map { folder + "/" + $0 }
    }

    @discardableResult
    private func replay(_ url: String, from seq: Int64 = 1) throws -> Replay {
        var settings = ReplaySettings(
            kafka: KafkaConfiguration(bootstrapServers: kafka.bootstrapServers), topic: topic, partitions: 4,
            replication: -1)
        settings.seqs = seq...Int64.max
        let replay = try Replay(
            url, files: S3Files.list(url, server.settings(), stop: Stop()), settings: settings, isTerminal: false,
            stop: Stop(), logger: log.logger)
        #expect(try replay.run())
        return replay
    }

    private func read(_ count: Int) throws -> [ReadRecord] {
        try TopicReader(servers: kafka.bootstrapServers, topics: [topic, topic + ".events"])
            .read(patience: .seconds(90)) { $0.count >= count }.sorted {
                ($0.headers?.seq ?? 0) < ($1.headers?.seq ?? 0)
            }
    }

    /// A journal of ten lines a segment, all but the last ones uploaded.
    private func upload(_ count: Int, to prefix: String) throws -> Journal {
        let journal = try Journal.open(folder: folder.path, stream: "s")
        for number in 1...count + 1 {
            try unsafe Array(#"{"data":{"id":"\#(number)"}}"#.utf8).withBytes { (bytes) throws(FileError) in
                try unsafe journal.append(
                    bytes, receivedAt: Timestamp(milliseconds: Int64(number) * 1000), connection: 7)
            }
            if number % 10 == 0 { journal.source.tail.requestRoll() }
            try journal.sync()
        }
        journal.source.tail.publish(acknowledged: Int64(count))
        var options = ArchiveOptions()
        options.uploaded = UploadedFiles()
        let (source, stop, logger, chosen, settings) = (
            journal.source, Stop(), log.logger, options, try server.settings()
        )
        let target = S3UploadOptions(location: try #require(S3Location("s3://\(S3TestServer.bucket)/\(prefix)")))
        let archiver = JoinableThread(name: "archiver") {
            Archiver(source, options: chosen, stop: stop, logger: logger).run()
        }
        let uploader = JoinableThread(name: "uploader") {
            Uploader(
                source, settings: settings, options: target, uploaded: chosen.uploaded ?? UploadedFiles(), stop: stop,
                logger: logger
            ).run()
        }
        #expect(log.wait(seconds: 90) { _ in log.count("uploaded a segment") == count / 10 })
        stop.raise()
        archiver.join()
        uploader.join()
        return journal
    }

    private func put(_ text: String, _ key: String) throws {
        let path = folder.path + "/object"
        try folder.write(text, to: "object")
        let digest = try FileDigest(ofFile: path)
        var client = try S3Client(server.settings(), bucket: S3TestServer.bucket, stop: Stop())
        _ = try client.send(
            "PUT", key, body: (try RequestBody(file: path, range: 0..<digest.bytes), digest.sha256))
    }

    @Test func whatRunHasUploadedKeepsItsNumbers() throws {
        let journal = try upload(100, to: "own")
        #expect(try replay("s3://\(S3TestServer.bucket)/own/s").published == 100)
        let records = try read(100)
        #expect(records.compactMap(\.headers?.seq) == (1...100).map { $0 })
        #expect(records.allSatisfy { $0.headers?.journal == journal.source.journal && $0.headers?.stream == "s" })
        #expect(records.allSatisfy { $0.headers?.receivedAt.milliseconds == ($0.headers?.seq ?? 0) * 1000 })
        #expect(records.allSatisfy { $0.headers?.connection == 7 })
        #expect(records.map(\.value) == (1...100).map { Array(#"{"data":{"id":"\#($0)"}}"#.utf8) })
        #expect(fetched.isEmpty, "what was fetched is gone")
        // A window, and one segment alone.
        #expect(try replay("s3://\(S3TestServer.bucket)/own/", from: 91).published == 10)
        #expect(try server.requests().allSatisfy { $0.mistake == nil })
    }

    @Test func filesOfOtherToolsArePublishedAndTheRestOfTheBucketIsLeftAlone() throws {
        try put(#"{"data":{"id":"5"}}"# + "\n", "other/b & c/é+1.jsonl")
        try put(#"{"data":[{"id":"1"},{"id":"2"}]}"# + "\n", "other/a.ndjson")
        try put("notes", "other/notes.txt")
        try put("{\"state\":1}", "other/upload-state.json")
        #expect(try replay("s3://\(S3TestServer.bucket)/other").published == 3)
        let records = try read(3)
        #expect(Set(records.compactMap(\.key)) == ["1", "2", "5"])
        #expect(Set(records.compactMap(\.headers?.stream)) == ["replay"])
    }

    @Test func objectsAreFetchedOneAtATimeIntoAPrivateFolder() throws {
        for number in 1...3 { try put(#"{"data":{"id":"\#(number)"}}"# + "\n", "many/\(number).jsonl") }
        let files = try S3Files.list("s3://\(S3TestServer.bucket)/many", server.settings(), stop: Stop())
        #expect(files.count == 3 && fetched.isEmpty, "a listing fetches nothing")
        for file in files {
            try file.withLocal { local in
                #expect(fetched.count == 1)
                let folder = try #require(fetched.first)
                let attributes = try FileManager.default.attributesOfItem(atPath: folder)
                #expect(attributes[.posixPermissions] as? Int == 0o700)
                let held = try FileManager.default.subpathsOfDirectory(atPath: folder)
                #expect(held.count { $0.hasSuffix(".jsonl") } == 1)
                #expect(local.path.hasPrefix(folder))
            }
            #expect(fetched.isEmpty)
        }
        struct Ended: Error {}
        #expect(throws: Ended.self) { try files[0].withLocal { _ in throw Ended() } }
        #expect(fetched.isEmpty, "an error leaves nothing behind")
    }

    @Test func aFileOrALinkOfThatNameIsNeverWrittenTo() throws {
        try folder.write("mine", to: "victim")
        let link = folder.path + "/link"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: folder.path + "/victim")
        for path in [link, folder.path + "/victim"] {
            #expect(throws: FileError.self) { _ = try JournalFile(creating: path).path }
        }
    }

    @Test func aDamagedObjectIsNamedByItsAddress() throws {
        try put("\u{feff}", "bad/a.jsonl")
        try put("[1]", "bad/b.json")
        let replay = try replay("s3://\(S3TestServer.bucket)/bad")
        #expect(
            replay.problems == [
                "s3://\(S3TestServer.bucket)/bad/b.json: 0 of 1 lines are tweets; element 1: not a JSON object"
            ])
    }

    @Test(arguments: [
        ("s3://", Disposition.operator(.settings), "must be s3://BUCKET"),
        ("s3://\(S3TestServer.bucket)/nothing", .operator(.settings), "has no JSON Lines file"),
        ("s3://no-such-bucket/x", .wait, "NoSuchBucket"),
    ])
    func aSourceThatIsNotThereIsNamed(url: String, disposition: Disposition, says: String) throws {
        let failure = try #require(throws: ReplayError.self) { try replay(url) }
        #expect(failure.disposition == disposition)
        #expect(failure.description.contains(says), "\(failure)")
    }

    @Test(arguments: [
        #"{"method":"GET","match":"busy","status":"503 Slow Down"}"#,
        #"{"method":"GET","match":"busy","status":"403 Forbidden"}"#,
    ])
    func aBucketThatDoesNotAnswerLeavesNothingBehind(fault: String) throws {
        try put(#"{"data":{"id":"5"}}"# + "\n", "busy/a.jsonl")
        try server.setFaults("[\(fault)]")
        let failure = try #require(throws: ReplayError.self) { try replay("s3://\(S3TestServer.bucket)/busy") }
        #expect(failure.disposition == .wait)
        #expect(fetched.isEmpty)
    }
}
