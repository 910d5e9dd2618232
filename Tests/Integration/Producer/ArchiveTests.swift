import Foundation
import Logging
import Sandbox
import TestSupport
import Testing

@testable import Core
@testable import Digests
@testable import Journal
@testable import TweetLoader

/// Segments that roll, and what the archiver makes of them.
@Suite(.ownThreads, .timeLimit(.minutes(4))) struct ArchiveTests {
    let folder: TemporaryFolder
    let stop = Stop()

    init() throws {
        folder = try TemporaryFolder()
    }

    func open(_ change: (inout JournalOptions) -> Void = { _ in }) throws -> Journal {
        var options = JournalOptions()
        change(&options)
        return try Journal.open(folder: folder.path, stream: "s", options: options)
    }

    func archiver(_ journal: Journal, _ change: (inout ArchiveOptions) -> Void = { _ in }) -> Archiver {
        var options = ArchiveOptions()
        change(&options)
        return Archiver(
            journal.source, options: options, stop: stop,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    var archive: String { folder.path + "/s/archive" }

    func names(_ folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    }

    func manifest() throws -> [ManifestEntry] {
        var entries: [ManifestEntry] = []
        try Manifest.read(folder: archive) { _, entry in entries.append(try #require(entry)) }
        return entries
    }

    /// What `zcat` of the machine says about a file.
    func zcat(_ path: String) throws -> String {
        let (exit, output) = try ChildProcess.run(ChildCommand("/bin/zcat", [path]))
        #expect(exit == .status(0))
        return output
    }

    func tweet(_ id: Int) -> String { #"{"data":{"id":"\#(id)","text":"tweet \#(id)"}}"# }

    func fill(_ journal: Journal, _ numbers: ClosedRange<Int>, perSegment: Int) throws {
        for number in numbers {
            try journal.append(tweet(number), at: 1_700_000_000_000 + Int64(number), connection: 7)
            if number % perSegment == 0 {
                journal.source.tail.requestRoll()
                try journal.sync()
            }
        }
        // A closed segment stays while nothing follows it: it alone tells how the connection stood.
        try journal.append("open", connection: 7)
        try journal.sync()
    }

    @Test func aSegmentThatIsOldEnoughRollsOnAnIdleStream() throws {
        let journal = try open { $0.segmentAge = .milliseconds(30) }
        let path = folder.path + "/s"
        try journal.append("one")
        #expect(try eventually { try Segment.list(path).map(\.firstSeq) == [1, 2] })
        stop.wait(for: .milliseconds(60))
        try journal.sync()
        #expect(try Segment.list(path).map(\.firstSeq) == [1, 2], "an empty segment does not grow old")
    }

    @Test func ageCountsFromTheFirstLineAcrossAStart() throws {
        do {
            let journal = try open()
            try journal.append("one", at: Timestamp.now().milliseconds - 3_600_001)
            try journal.sync()
        }
        let journal = try open()
        #expect(try eventually { try Segment.list(folder.path + "/s").map(\.firstSeq) == [1, 2] })
        withExtendedLifetime(journal) {}
    }

    @Test func aRequestBeginsASegmentAndWakesTheWriter() throws {
        let journal = try open()
        try journal.append("one")
        try journal.sync()
        journal.source.tail.requestRoll()
        #expect(try eventually { try Segment.list(folder.path + "/s").map(\.firstSeq) == [1, 2] })
        try journal.append("two")
        try journal.sync()
        #expect(try Segment.list(folder.path + "/s").map(\.firstSeq) == [1, 2])
        #expect(try journal.lines().map(\.text) == ["one", "two"])
    }

    @Test func onlyClosedAndAcknowledgedSegmentsAreArchived() throws {
        let journal = try open()
        try fill(journal, 1...25, perSegment: 10)
        let archiver = archiver(journal)
        try archiver.archiveAcknowledged()
        #expect(!FileManager.default.fileExists(atPath: archive))
        journal.source.tail.publish(acknowledged: 19)
        try archiver.archiveAcknowledged()
        #expect(try Segment.list(folder.path + "/s").map(\.firstSeq) == [11, 21])
        journal.source.tail.publish(acknowledged: 25)
        try archiver.archiveAcknowledged()
        #expect(try Segment.list(folder.path + "/s").map(\.firstSeq) == [21])
        #expect(
            try names(folder.path + "/s")
                == [
                    "00000000000000000021.idx", "00000000000000000021.jsonl", "archive", "journal.json", "lock",
                    "reserve",
                ])
        #expect(try journal.lines(from: 21).map(\.seq) == Array(21...26))
    }

    @Test func theManifestTellsWhatTheFilesHold() throws {
        let journal = try open()
        try fill(journal, 1...20, perSegment: 10)
        journal.source.tail.publish(acknowledged: 20)
        try archiver(journal).archiveAcknowledged()
        let entries = try manifest()
        #expect(entries.map(\.firstSeq) == [1, 11])
        let entry = try #require(entries.first)
        #expect(entry.event == .archived)
        #expect(entry.lines == 10)
        #expect(entry.file == "s-20231114T221320Z-00000000000000000001.jsonl.gz")
        #expect([entry.firstID, entry.lastID] == ["1", "10"])
        #expect(entry.firstReceivedAt == "2023-11-14T22:13:20.001Z")
        #expect(entry.lastReceivedAt == "2023-11-14T22:13:20.010Z")
        #expect(entry.damagedLines == nil)
        let file = try #require(entry.file)
        let text = (1...10).map { tweet($0) + "\n" }.joined()
        #expect(try zcat(archive + "/" + file) == text)
        #expect(entry.plainBytes == Int64(text.utf8.count))
        #expect(
            try FileDigest(ofFile: archive + "/" + file)
                == FileDigest(bytes: #require(entry.bytes), sha256: #require(entry.sha256)))
        let receipts = try #require(entry.receipts)
        let first = try zcat(archive + "/" + receipts.file).split(separator: "\n").first
        #expect(first == #"{"seq":1,"lines":1,"received_at":"2023-11-14T22:13:20.001Z","connection":"7"}"#)
    }

    @Test func knownTextHasItsKnownDigest() throws {
        try folder.write("abc", to: "abc")
        // FIPS 180-4's first example.
        #expect(
            try FileDigest(ofFile: folder.path + "/abc").sha256
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }

    @Test func withoutCompressionTheLinesMoveAsTheyAre() throws {
        let journal = try open()
        try fill(journal, 1...10, perSegment: 10)
        journal.source.tail.publish(acknowledged: 10)
        try archiver(journal) { $0.isCompressed = false }.archiveAcknowledged()
        let entry = try #require(try manifest().first)
        let file = try #require(entry.file)
        #expect(file.hasSuffix("-00000000000000000001.jsonl"))
        #expect(entry.sha256 == entry.plainSHA256)
        #expect(
            try String(contentsOfFile: archive + "/" + file, encoding: .utf8)
                == (1...10).map { tweet($0) + "\n" }.joined())
        #expect(try Segment.list(folder.path + "/s").map(\.firstSeq) == [11])
    }

    @Test func aCrashBeforeTheManifestOrBeforeTheRemovalIsMadeGood() throws {
        let journal = try open()
        try fill(journal, 1...10, perSegment: 10)
        journal.source.tail.publish(acknowledged: 10)
        let plain = folder.path + "/s/00000000000000000001.jsonl"
        let (lines, index) = try (
            Data(contentsOf: URL(filePath: plain)),
            Data(contentsOf: URL(filePath: folder.path + "/s/00000000000000000001.idx"))
        )
        try archiver(journal).archiveAcknowledged()
        let before = try manifest()
        // Before the removal: the manifest lists it, the plain file is still there.
        try lines.write(to: URL(filePath: plain))
        try index.write(to: URL(filePath: folder.path + "/s/00000000000000000001.idx"))
        try Data("half".utf8).write(to: URL(filePath: archive + "/left-over.gz.new"))
        try archiver(journal).archiveAcknowledged()
        #expect(try manifest() == before)
        #expect(try Segment.list(folder.path + "/s").map(\.firstSeq) == [11])
        #expect(try !names(archive).contains { $0.hasSuffix(".new") })
        // Before the manifest, with a torn line of it: it is archived again, under the same names.
        try lines.write(to: URL(filePath: plain))
        try index.write(to: URL(filePath: folder.path + "/s/00000000000000000001.idx"))
        try Data(#"{"event":"archi"#.utf8).write(to: URL(filePath: archive + "/manifest.jsonl"))
        try archiver(journal).archiveAcknowledged()
        let after = try manifest()
        #expect(after.map(\.sha256) == before.map(\.sha256))
        #expect(try names(archive).count == 3)
    }

    @Test func aSegmentThatLacksLinesStaysWhereItIs() throws {
        let journal = try open()
        try fill(journal, 1...30, perSegment: 10)
        let path = folder.path + "/s/00000000000000000011.jsonl"
        let data = try FileHandle(forUpdating: URL(filePath: path))
        try data.truncate(atOffset: 0)
        try FileManager.default.removeItem(atPath: folder.path + "/s/00000000000000000011.idx")
        journal.source.tail.publish(acknowledged: 30)
        try archiver(journal).archiveAcknowledged()
        #expect(try manifest().map(\.firstSeq) == [1, 21])
        #expect(try Segment.list(folder.path + "/s").map(\.firstSeq) == [11, 31])
    }

    @Test func whatIsNotToBeKeptGoes() throws {
        let journal = try open()
        try fill(journal, 1...40, perSegment: 10)
        journal.source.tail.publish(acknowledged: 40)
        try archiver(journal).archiveAcknowledged()
        let size = try #require(try ArchivedSegment.list(archive).first).bytes(in: archive)
        let bySize = archiver(journal) { $0.keep = .bytes(size * 5 / 2) }
        try bySize.removeExpired()
        #expect(try ArchivedSegment.list(archive).map(\.name.firstSeq) == [21, 31])
        let removed = try manifest().filter { $0.event == .removed }
        #expect(removed.map(\.firstSeq) == [1, 11])
        #expect(removed.map(\.lastSeq) == [10, 20])
        try archiver(journal) { $0.keep = .age(.seconds(86_400)) }.removeExpired()
        #expect(try names(archive) == ["manifest.jsonl"])
    }

    @Test func withNothingToKeepNothingIsCompressed() throws {
        let journal = try open()
        try fill(journal, 1...10, perSegment: 10)
        journal.source.tail.publish(acknowledged: 10)
        try archiver(journal) { $0.keep = .bytes(0) }.archiveAcknowledged()
        #expect(try names(archive) == ["manifest.jsonl"])
        #expect(try manifest().map(\.event) == [.removed])
        #expect(try Segment.list(folder.path + "/s").map(\.firstSeq) == [11])
    }

    @Test func theThreadArchivesWhileTheJournalGrowsAndIsRead() throws {
        let journal = try open { $0.segmentBytes = 400 }
        let source = journal.source
        let archiver = Unchecked(archiver(journal))
        let thread = JoinableThread(name: "archiver") { archiver.value.run() }
        var reader = try JournalReader(source, from: 1)
        var read: [Int64] = []
        for number in 1...300 {
            try journal.append(tweet(number))
            if number % 3 == 0 { try journal.sync() }
            _ = try reader.read(limit: 2) { read.append($0.seq) }
            source.tail.publish(acknowledged: reader.nextSeq - 1)
        }
        try journal.sync()
        while try reader.read(limit: 100, { read.append($0.seq) }) > 0 {}
        source.tail.publish(acknowledged: 300)
        #expect(read == (1...300).map { $0 })
        #expect(eventually { (try? Segment.list(source.folder).count) == 1 })
        stop.raise()
        thread.join()
        var next: Int64 = 1
        for entry in try manifest() {
            #expect(entry.firstSeq == next)
            next = entry.lastSeq + 1
        }
        #expect(try Segment.list(source.folder).map(\.firstSeq) == [next])
    }

    @Test func settingsForKeeping() {
        #expect(ArchiveKeep(setting: "all") == .all)
        #expect(ArchiveKeep(setting: "0") == .bytes(0))
        #expect(ArchiveKeep(setting: "30d") == .age(.seconds(30 * 86_400)))
        #expect(ArchiveKeep(setting: "100GiB") == .bytes(100 << 30))
        for text in ["", "30", "some", "-1d", "1GB"] { #expect(ArchiveKeep(setting: text) == nil) }
    }

    @Test func aNameTellsStreamTimeAndNumber() throws {
        let name = ArchiveName(stream: "my-stream.2", begin: Timestamp(milliseconds: 1_700_000_000_123), firstSeq: 42)
        #expect(name.lines(isCompressed: true) == "my-stream.2-20231114T221320Z-00000000000000000042.jsonl.gz")
        #expect(ArchiveName(name.lines(isCompressed: true)) == name)
        #expect(ArchiveName(name.lines(isCompressed: false)) == name)
        for other in [name.receipts, "manifest.jsonl", "a.jsonl", "s-20231114T221320Z-1.jsonl"] {
            #expect(ArchiveName(other) == nil)
        }
    }
}

/// Hands a value that one thread owns to that thread.
private struct Unchecked<Value>: @unchecked Sendable {
    // The test makes the value, and only the thread it is given to uses it.
    let value: Value

    init(_ value: Value) {
        self.value = value
    }
}
