import Foundation
import Logging
import TestSupport
import Testing

@testable import Core
@testable import Digests
@testable import Journal
@testable import TweetLoader

/// `journal status` and `journal verify`, and how long a start takes beside a large archive.
@Suite(.ownThreads, .timeLimit(.minutes(4))) struct JournalVerificationTests {
    let folder: TemporaryFolder
    let journal: Journal

    /// Four segments of ten lines, two of them archived, and five lines in the open one.
    init() throws {
        folder = try TemporaryFolder()
        journal = try Journal.open(folder: folder.path, stream: "s")
        for number in 1...45 {
            try journal.append("line \(number)", at: 1_700_000_000_000 + Int64(number))
            if number % 10 == 0 { journal.source.tail.requestRoll() }
            try journal.sync()
        }
        try Checkpoint(journal: journal.source.journal, acknowledged: 25).write(to: journal.source.folder)
        journal.source.tail.publish(acknowledged: 25)
        try archive { _ in }
    }

    func archive(_ change: (inout ArchiveOptions) -> Void) throws {
        var options = ArchiveOptions()
        change(&options)
        let archiver = Archiver(
            journal.source, options: options, stop: Stop(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try archiver.archiveAcknowledged()
        try archiver.removeExpired()
    }

    func verify() throws -> JournalVerification { try JournalVerification(folder: folder.path, stream: "s") }

    func path(_ name: String) -> String { folder.path + "/s/" + name }

    /// Replaces a byte of a file.
    func flip(_ path: String, at offset: Int) throws {
        var data = try Data(contentsOf: URL(filePath: path))
        data[offset < 0 ? data.count + offset : offset] ^= 1
        try data.write(to: URL(filePath: path))
    }

    func archived() throws -> [String] {
        try ArchivedSegment.list(path("archive")).map { path("archive/" + $0.file) }
    }

    @Test func aGoodJournalIsGood() throws {
        let result = try verify()
        #expect(result.problems == [])
        #expect(result.lines == 45)
        #expect(result.files == 5)
        #expect(result.journal == journal.source.journal)
    }

    @Test func theStatusAddsUp() throws {
        let status = try JournalStatus(folder: folder.path, stream: "s", quota: 1 << 30)
        #expect(try JournalStatus.streams(in: folder.path) == ["s"])
        #expect(status.segments == 3)
        #expect(status.lines == 25)
        #expect(status.firstSeq == 21)
        #expect(status.lastSeq == 45)
        #expect(status.checkpoint == 25)
        #expect(status.unacknowledged == 20)
        #expect(status.archived.segments == 2)
        #expect(status.archived.lines == 20)
        #expect(status.quotaBytes == 1 << 30)
        #expect(status.usedBytes > status.bytes + status.archived.bytes)
        #expect(status.holdsReserve)
        #expect(status.state == "writing")
        #expect(status.process?.hasPrefix("pid \(ProcessInfo.processInfo.processIdentifier) ") == true)
        journal.tell(state: "stopped: no room")
        #expect(try JournalStatus(folder: folder.path, stream: "s", quota: nil).state == "stopped: no room")
    }

    @Test func linesThatAreGoneForAReasonAreNoHole() throws {
        try archive { $0.keep = .age(.zero) }
        let result = try verify()
        #expect(result.problems == [])
        #expect(result.removedLines == 20)
        #expect(result.lines == 25)
        #expect(try JournalStatus(folder: folder.path, stream: "s", quota: nil).archived.segments == 0)
    }

    @Test func aFileThatIsGoneIsNamed() throws {
        let file = try #require(try archived().first)
        try FileManager.default.removeItem(atPath: file)
        #expect(try verify().problems == ["\(file), with the lines 1 to 10, is missing"])
    }

    @Test func aHoleIsNamedByItsNumbers() throws {
        for ending in ["jsonl", "idx"] {
            try FileManager.default.removeItem(atPath: path("00000000000000000031.\(ending)"))
        }
        let problems = try verify().problems
        #expect(problems.contains("the lines 31 to 40 are in no file, and the manifest does not say why"))
    }

    @Test(arguments: [0, 12, 25, -9, -5, -1]) func aFlippedBitInTheArchiveIsFound(offset: Int) throws {
        let file = try #require(try archived().last)
        try flip(file, at: offset)
        let problems = try verify().problems
        #expect(problems.count == 1)
        #expect(problems.first?.hasPrefix("\(file) was changed") == true)
    }

    @Test func aFileCutShortIsFoundEvenIfTheManifestAgrees() throws {
        let file = try #require(try archived().first)
        let data = try Data(contentsOf: URL(filePath: file))
        for count in [0, 1, 9, 10, 20, data.count - 8, data.count - 1] {
            try data.prefix(count).write(to: URL(filePath: file))
            let digest = try FileDigest(ofFile: file)
            let manifest = path("archive/manifest.jsonl")
            let before = try String(contentsOfFile: manifest, encoding: .utf8)
            let entry = try #require(before.split(separator: "\n").first)
            let old = try JSONDecoder().decode(ManifestEntry.self, from: Data(entry.utf8))
            let lying = before.replacing(try #require(old.sha256), with: digest.sha256)
                .replacing("\"bytes\":\(try #require(old.bytes)),", with: "\"bytes\":\(digest.bytes),")
            try Data(lying.utf8).write(to: URL(filePath: manifest))
            #expect(try verify().problems.count == 1, "\(count) bytes")
            try Data(before.utf8).write(to: URL(filePath: manifest))
        }
    }

    /// Numbers without a time of receipt would be published anew with none.
    @Test func receiptsThatLackLinesAreFound() throws {
        let entry = try #require(try entries().first)
        let receipts = try #require(entry.receipts)
        let file = try GzipWriter(creating: path("archive/" + receipts.file))
        let text = #"{"seq":1,"lines":9,"received_at":"2023-11-14T22:13:20.001Z","connection":"7"}"# + "\n"
        try unsafe Array(text.utf8).withBytes { (bytes) throws(FileError) in try unsafe file.append(bytes) }
        try finish(file)
        let digest = try FileDigest(ofFile: path("archive/" + receipts.file))
        let before = try readTextFile(path("archive/manifest.jsonl"))
        let lying = before.replacing(receipts.sha256, with: digest.sha256)
            .replacing("\"bytes\":\(receipts.bytes),", with: "\"bytes\":\(digest.bytes),")
        try Data(lying.utf8).write(to: URL(filePath: path("archive/manifest.jsonl")))
        let problems = try verify().problems
        #expect(problems.count == 1)
        #expect(problems.first?.contains("lacks the time of receipt of some lines") == true)
    }

    private func entries() throws -> [ManifestEntry] {
        var entries: [ManifestEntry] = []
        try Manifest.read(folder: path("archive")) { _, entry in entries.append(try #require(entry)) }
        return entries
    }

    private func finish(_ file: consuming GzipWriter) throws {
        var file = file
        try file.finish()
    }

    @Test func anUploadOfOtherBytesIsFound() throws {
        let entry = try #require(try entries().first)
        let list = try JournalFile(appendingTo: path("archive/uploads.jsonl"))
        for (sha256, problems) in [(try #require(entry.sha256), 0), ("00", 1)] {
            let record = UploadRecord(
                at: "2025-01-01T00:00:00.000Z", file: try #require(entry.file), bytes: 1, sha256: sha256,
                url: "s3://bucket/x", verified: "checksum")
            try list.append(text: record.line)
            let found = try verify().problems
            #expect(found.count == problems)
            #expect(found.allSatisfy { $0.hasPrefix("s3://bucket/x was uploaded with SHA-256 00") })
        }
    }

    @Test func aCheckpointAheadOfTheLinesIsFound() throws {
        try Checkpoint(journal: journal.source.journal, acknowledged: 45).write(to: journal.source.folder)
        #expect(try verify().problems == [])
        try Checkpoint(journal: journal.source.journal, acknowledged: 46).write(to: journal.source.folder)
        #expect(
            try verify().problems == [
                "Kafka has acknowledged the lines up to 46, but 46 and what follows are in no file"
            ])
    }

    @Test func aFlippedBitInTheJournalIsFound() throws {
        try flip(path("00000000000000000031.jsonl"), at: 3)
        let problems = try verify().problems
        #expect(problems.count == 1)
        #expect(problems.first?.contains("00000000000000000031.jsonl is damaged: 1 of the lines 31 to 31") == true)
    }

    @Test func foreignEmptyAndTornFilesAreTold() throws {
        try Data().write(to: URL(filePath: path("archive/s-20250101T000000Z-00000000000000000007.jsonl.gz")))
        try Data("notes".utf8).write(to: URL(filePath: path("notes.txt")))
        let manifest = try FileHandle(forWritingTo: URL(filePath: path("archive/manifest.jsonl")))
        try manifest.seekToEnd()
        try manifest.write(contentsOf: Data("{\"event\":\"arch".utf8))
        #expect(
            try verify().problems == [
                path("archive/s-20250101T000000Z-00000000000000000007.jsonl.gz") + " is not in the manifest"
            ], "a torn line at the end belongs to a segment that is still there")
        try manifest.write(contentsOf: Data("\n".utf8))
        #expect(
            try verify().problems.contains {
                $0.hasSuffix("manifest.jsonl:3 is not an entry of this journal's manifest")
            })
    }

    @Test func emptyAndForeignFilesInTheJournalStopNobody() throws {
        try Data("x\n".utf8).write(to: URL(filePath: path("00000000000000000099.jsonl.orig")))
        try Data(repeating: 0, count: 4096).write(to: URL(filePath: path("core")))
        #expect(try verify().problems == [])
        #expect(try journal.lines(from: 21).count == 25)
    }

    @Test func aFolderWithoutAJournalIsNamed() throws {
        let failure = #expect(throws: JournalError.self) { try JournalStatus.streams(in: folder.path + "/none") }
        #expect(failure?.disposition == .operator(.disk))
        #expect(failure?.description.contains(folder.path + "/none") == true)
    }

    /// Opening reads the last segment's end and nothing of the archive.
    @Test func aStartReadsNoneOfTenThousandArchivedSegments() throws {
        let other = try TemporaryFolder()
        let archive = other.path + "/big/archive"
        try FileManager.default.createDirectory(atPath: archive, withIntermediateDirectories: true)
        for number in 0..<10_000 {
            let name = ArchiveName(
                stream: "big", begin: Timestamp(milliseconds: 1_700_000_000_000 + Int64(number) * 3_600_000),
                firstSeq: Int64(number) * 100 + 1)
            // What would be read is no gzip file, so reading it would fail.
            for file in [name.lines(isCompressed: true), name.receipts] {
                _ = try JournalFile(appendingTo: archive + "/" + file).append(text: "unread")
            }
        }
        var options = JournalOptions()
        options.quota = 1 << 40
        let journal = try Journal.open(folder: other.path, stream: "big", options: options)
        var reader = try JournalReader(journal.source, from: 1)
        #expect(try reader.read(limit: 1) { _ in } == 0)
    }
}
