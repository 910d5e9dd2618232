import Foundation
import Logging
import Sandbox
import TestSupport
import Testing

@testable import Core
@testable import Digests
@testable import KafkaClient
@testable import TweetProducer

/// Forms of files that other tools write: a replay reads them, or ends with 65 and names the place.
@Suite(.serialized, .ownThreads, .timeLimit(.minutes(4))) struct ReplayFormTests {
    let folder: TemporaryFolder
    let kafka: KafkaSandbox
    let topic = "tweets-\(UInt32.random(in: 0 ... .max))"

    init() throws {
        folder = try TemporaryFolder()
        kafka = try KafkaSandbox(topics: [topic: 12, topic + ".events": 1])
    }

    private func replay(_ path: String, limit: Int = ReplayFile.lineLimit, state: String? = nil) throws -> Replay {
        var settings = ReplaySettings(
            kafka: KafkaConfiguration(bootstrapServers: kafka.bootstrapServers), topic: topic, partitions: 12,
            replication: -1)
        (settings.lineLimit, settings.stateFile) = (limit, state)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let replay = try Replay(
            path, files: ReplayFile.list(path), settings: settings, isTerminal: false, stop: Stop(), logger: logger)
        #expect(try replay.run())
        return replay
    }

    private func write(_ bytes: [UInt8], _ name: String) throws -> String {
        let path = folder.path + "/" + name
        try Data(bytes).write(to: URL(filePath: path))
        return path
    }

    private func gzip(_ text: String) throws -> [UInt8] {
        let path = folder.path + "/member.tmp"
        var writer = try GzipWriter(creating: path)
        try unsafe Array(text.utf8).withBytes { (bytes) throws(FileError) in try unsafe writer.append(bytes) }
        try writer.finish()
        return try Array(Data(contentsOf: URL(filePath: path)))
    }

    /// The values in Kafka, in the order of their numbers.
    private func values(_ count: Int) throws -> [String] {
        try TopicReader(servers: kafka.bootstrapServers, topics: [topic, topic + ".events"])
            .read(patience: .seconds(90)) { $0.count >= count }
            .sorted { ($0.headers?.seq ?? 0) < ($1.headers?.seq ?? 0) }.map {
                String(decoding: $0.value, as: UTF8.self)
            }
    }

    private func line(_ id: Int) -> String { #"{"data":{"id":"\#(id)","text":"x"}}"# }
    private func lines(_ ids: ClosedRange<Int>) -> String { ids.map { line($0) + "\n" }.joined() }

    // MARK: gzip

    @Test func aDamagedMemberOrOtherBytesBehindTheEndAreNamedWithTheirPlace() throws {
        let members = try [gzip(lines(1...5)), gzip(lines(6...10)), gzip(lines(11...15))]
        var flipped = members
        flipped[1][0] ^= 1
        let end = members[0].count
        var replayed = try replay(write(Array(flipped.joined()), "flipped.jsonl.gz"))
        #expect(replayed.published == 5)
        #expect(replayed.problems.count == 1)
        #expect(replayed.problems[0].contains("no gzip member follows byte \(end)"), "\(replayed.problems)")
        #expect(replayed.problems[0].hasSuffix("The 5 lines before it were published."))
        replayed = try replay(write(members[0] + Array("garbage!".utf8), "garbage.jsonl.gz"))
        #expect(replayed.problems.first?.contains("no gzip member follows byte \(end)") == true)
        replayed = try replay(write(members[0] + [0, 0, 0] + members[1], "behind-padding.jsonl.gz"))
        #expect(replayed.problems.first?.contains("no gzip member follows byte \(end + 3), after padding") == true)
        var wrong = members[0]
        wrong[wrong.count - 6] ^= 1
        replayed = try replay(write(wrong, "crc.jsonl.gz"))
        #expect(replayed.problems.first?.contains("incorrect data check") == true)
    }

    @Test func aCutFileSaysWhereAndItsLinesBeforeTheCutArePublished() throws {
        let text = (1...4000).map { #"{"data":{"id":"\#($0)","text":"\#($0.hashValue)"}}"# + "\n" }.joined()
        let whole = try gzip(text)
        let replayed = try replay(write(Array(whole.dropLast(whole.count / 2)), "cut.jsonl.gz"))
        #expect(replayed.published > 100 && replayed.published < 4000)
        let problem = try #require(replayed.problems.first)
        #expect(problem.contains("is cut short at byte \(whole.count - whole.count / 2)") && problem.contains("zcat"))
    }

    @Test func membersEmptyMembersAndPaddingAreGood() throws {
        let bytes =
            try gzip(line(1) + "\n" + #"{"data":"#) + gzip("") + gzip(#"{"id":"2","text":"x"}}"# + "\n" + line(3))
        let replayed = try replay(write(bytes + [UInt8](repeating: 0, count: 300_000), "good.jsonl.gz"))
        #expect(replayed.problems.isEmpty && replayed.published == 3)
        #expect(try replay(write(try gzip(line(9)), "no-suffix.jsonl")).published == 1)
    }

    // MARK: Other forms

    @Test(arguments: [
        ([UInt8]("BZh91AY&SY0000".utf8), "bzcat"), ([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 4], "xzcat"),
        ([0x28, 0xb5, 0x2f, 0xfd, 4, 0, 0], "zstdcat"), ([0xff, 0xfe, 0x7b, 0, 0x7d, 0], "iconv -f UTF-16 "),
        ([0xfe, 0xff, 0, 0x7b, 0, 0x7d], "iconv -f UTF-16 "), ([0, 0x7b, 0, 0x7d], "iconv -f UTF-16BE"),
        ([0x7b, 0, 0x7d, 0], "iconv -f UTF-16LE"), ([UInt8]("PK\u{3}\u{4}000".utf8), "unzip -p"),
    ])
    func aFormThatIsNotReadIsNamedWithTheRemedy(bytes: [UInt8], remedy: String) throws {
        let replayed = try replay(write(bytes, "a.jsonl"))
        #expect(replayed.published == 0)
        #expect(replayed.problems.count == 1 && replayed.problems[0].contains(remedy), "\(replayed.problems)")
    }

    @Test(arguments: [
        (#"{"created_at":"Wed Oct 10 20:19:24 +0000 2018","id":1,"id_str":"1","text":"v","user":{}}"#, "v1.1"),
        ("{\n  \"data\": {\n    \"id\": \"1\"\n  }\n}", "one JSON object over several lines"),
        (#"{"date":1.0,"log":"{\"data\":{\"id\":\"1\"}}"}"#, "line 1: no data and no errors"),
        (#"{"payload":{"data":{"id":"1"}}}"#, "0 of 1 lines are tweets"), ("not json", "line 1: "),
        (#"[{"name":"a"},{"name":"b"}]"#, "0 of 2 lines are tweets; element 1: no data and no errors"),
        ("", "has no tweet"), (#"{"meta":{"result_count":0}}"#, "has no tweet"),
        (#"[{"data":{"id":"1"}},{"data"#, "is cut short at byte 27: the array that begins in line 1 has no end"),
    ])
    func aFileWithoutATweetPublishesNothing(text: String, says: String) throws {
        let replayed = try replay(write(Array(text.utf8), "a.json"))
        #expect(replayed.problems.count == 1 && replayed.problems[0].contains(says), "\(replayed.problems)")
        #expect(replayed.published == (text.hasPrefix("[{\"data") ? 1 : 0))
    }

    @Test func aFolderIsPublishedButForWhatIsNoTweet() throws {
        _ = try write(Array(lines(1...3).utf8), "b.jsonl")
        _ = try write([], "empty.jsonl")
        _ = try write(Array("BZh9000000".utf8), "a.jsonl.bz2")
        _ = try write(Array((#"{"x":1}"# + "\n" + line(4)).utf8), "c.jsonl")
        let state = folder.path + "/state"
        let replayed = try replay(folder.path, state: state)
        #expect(replayed.published == 5)
        #expect(replayed.problems.count == 1 && replayed.problems[0].contains("a.jsonl.bz2"))
        let again = try replay(folder.path, state: state)
        #expect(again.published == 5 && again.problems == replayed.problems, "a second run still names them")
        _ = try write(Array(line(7).utf8), "aa.jsonl")
        let failure = #expect(throws: ReplayError.self) { try replay(folder.path, state: state) }
        #expect(failure?.disposition == .operator(.settings), "a file that would be passed over in silence")
    }

    @Test func flatTweetsBecomeLinesWithTheirIncludes() throws {
        let flat =
            #"{"id":"7","text":"a \u00e9","n":1.50,"author":{"id":"1","username":"u"},"referenced_tweets":[{"type":"quoted","#
            + #""id":"6","text":"q","author":{"id":"2"}}],"attachments":{"media_keys":["3_1"],"media":[{"media_key":"3_1"}]},"#
            + #""__twarc":{"version":"2"}}"#
        #expect(try replay(write(Array(flat.utf8), "flat.jsonl")).published == 1)
        #expect(
            try values(1) == [
                #"{"data":{"id":"7","text":"a \u00e9","n":1.50,"referenced_tweets":[{"type":"quoted","id":"6","text":"q","#
                    + #""author":{"id":"2"}}],"attachments":{"media_keys":["3_1"],"media":[{"media_key":"3_1"}]}},"#
                    + #""includes":{"users":[{"id":"1","username":"u"},{"id":"2"}],"tweets":[{"type":"quoted","id":"6","#
                    + #""text":"q","author":{"id":"2"}}],"media":[{"media_key":"3_1"}]}}"#
            ])
    }

    @Test func arraysAndMarksAreRead() throws {
        // RFC 7464 puts a record separator before each text.
        let sequence = "\u{1e}\(line(1))\n\u{1e}\(line(2))\n"
        #expect(try replay(write(Array(sequence.utf8), "sequence.json")).problems.isEmpty)
        let text =
            "\u{feff}[\(line(1)),\n {\n \"id\": \"2\", \"text\": \"]},{[\\\"\" }\n, \(line(3)) ]\n\(line(4))\r\n\n"
        let replayed = try replay(write(Array(text.utf8), "array.json"))
        #expect(replayed.published == 4 && replayed.problems.isEmpty)
        let values = try values(6)
        #expect(values.count { $0 == line(1) } == 2 && values.contains(line(2)) && values.contains(line(3)))
        #expect(values.contains(#"{"data":{"id":"2","text":"]},{[\""}}"#))
    }

    @Test func twoFilesOfOneNameAndSizeAreTwoJournals() throws {
        for name in ["a", "b"] {
            try FileManager.default.createDirectory(atPath: folder.path + "/" + name, withIntermediateDirectories: true)
        }
        _ = try replay(write(Array(line(1).utf8), "a/x.jsonl"))
        _ = try replay(write(Array(line(2).utf8), "b/x.jsonl"))
        let records = try TopicReader(servers: kafka.bootstrapServers, topics: [topic])
            .read(patience: .seconds(90)) { $0.count >= 2 }
        #expect(Set(records.compactMap(\.headers?.journal)).count == 2)
    }

    // MARK: Limits

    @Test func aLineLimitHoldsEverywhere() throws {
        let long = String(repeating: "x", count: 5000)
        for text in [
            line(1) + "\n" + #"{"data":{"id":"2","text":"\#(long)"}}"#,
            "[\(line(1)),\n{\"id\":\"2\",\"text\":\"\(long)\"}]",
        ] {
            let replayed = try replay(write(Array(text.utf8), "a.json"), limit: 4096)
            #expect(replayed.published == 1)
            #expect(replayed.problems.first?.contains("2: longer than 4096 bytes. Raise X_LINE_LIMIT") == true)
        }
    }

    /// 64 MiB in one line: memory holds one element, not the array.
    @Test func aHugeArrayInOneLineIsStreamed() throws {
        let path = folder.path + "/huge.json"
        let element = Array((line(1) + ",").utf8)
        let piece = Array(repeating: element, count: 10_000).joined()
        try Data(Array("[".utf8)).write(to: URL(filePath: path))
        let handle = try FileHandle(forWritingTo: URL(filePath: path))
        try handle.seekToEnd()
        let times = (64 << 20) / piece.count + 1
        for _ in 0..<times { try handle.write(contentsOf: Data(piece)) }
        try handle.write(contentsOf: Data("{}]".utf8))
        try handle.close()
        var count = 0
        var longest = 0
        try ReplayFile(path).read(lineLimit: 4096) { line, _ in
            count += 1
            longest = max(longest, unsafe line.bytes.count)
        }
        #expect(count == times * 10_000 + 1 && longest == element.count - 1)
    }

    // MARK: Recorded inputs

    private static let recordedInputs = recordings("cases/12-replay/in")

    /// Every input that was recorded ends as it should: tweets that are published, and whether the file is named.
    @Test(.enabled(if: Self.recordedInputs != nil, "no recorded inputs in ../shared/cases beside the checkout"))
    func recordedInputsEndAsExpected() throws {
        let inputs = try #require(Self.recordedInputs).path + "/"
        let good = [
            "array.json": 3, "blank.jsonl": 2, "comma.jsonl": 2, "emptymember.jsonl.gz": 2, "emptypage.jsonl": 1,
            "errors-page.jsonl": 2, "fake.jsonl.gz": 2, "nameonly.gz": 1, "numid.jsonl": 1, "rs.jsonl": 2,
            "gzwithoutsuffix.jsonl": 2,
        ]
        let bad: Set = [
            "connect.jsonl", "cut-then-appended.jsonl.gz", "empty.jsonl", "empty.jsonl.gz", "emptygz.jsonl.gz",
            "flipped-member.jsonl.gz", "flush.jsonl.gz", "fluentbit.jsonl", "garbage.jsonl.gz", "pretty.json",
            "truncated.jsonl.gz", "utf16.jsonl", "v11.jsonl", "x.jsonl.bz2",
        ]
        for name in try FileManager.default.contentsOfDirectory(atPath: inputs) {
            let replayed = try replay(inputs + name)
            #expect(replayed.problems.isEmpty == !bad.contains(name), "\(name): \(replayed.problems)")
            if let count = good[name] { #expect(replayed.published == count, "\(name)") }
            if !bad.contains(name) { #expect(replayed.published > 0, "\(name)") }
        }
        let flipped = try replay(inputs + "flipped-member.jsonl.gz").problems.first
        #expect(flipped?.contains("no gzip member follows byte 89") == true, "\(flipped ?? "")")
    }

    /// Files without a single v2 tweet, and twarc's flat form and arrays, which are read.
    @Test(.enabled(if: recordings("cases") != nil, "no recorded inputs in ../shared/cases beside the checkout"))
    func case33FilesWithoutTweetsNeverSucceed() throws {
        let inputs = try #require(recordings("cases/33-replay-no-tweets")).path + "/"
        for name in ["array.json", "flat.jsonl"] {
            let replayed = try replay(inputs + name)
            #expect(replayed.published > 0 && replayed.problems.isEmpty, "\(name): \(replayed.problems)")
        }
        for name in ["pretty.json", "utf16.jsonl", "v11.jsonl", "x.jsonl.bz2"] {
            let replayed = try replay(inputs + name)
            #expect(replayed.published == 0 && !replayed.problems.isEmpty, "\(name)")
        }
    }
}
