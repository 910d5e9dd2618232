import Foundation
import Logging
import TestSupport
import Testing

@testable import Core
@testable import Journal

/// A manifest that stays short, whatever was archived and removed.
@Suite(.timeLimit(.minutes(5))) struct ManifestTests {
    let folder: TemporaryFolder
    let journal: Journal

    init() throws {
        folder = try TemporaryFolder()
        journal = try Journal.open(folder: folder.path, stream: "s")
    }

    private var archive: String { folder.path + "/s/archive" }

    private func archiver(keep: ArchiveKeep) -> Archiver {
        var options = ArchiveOptions()
        options.keep = keep
        return Archiver(
            journal.source, options: options, stop: Stop(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    /// Segments of two lines each, all closed and acknowledged, and an open one.
    private func fill(_ count: Int) throws {
        for number in 1...count {
            try journal.append("line \(number)")
            try journal.append(#"{"data":{"id":"\#(number)"}}"#)
            journal.source.tail.requestRoll()
            try journal.sync()
        }
        try journal.append("open")
        try journal.sync()
        journal.source.tail.publish(acknowledged: journal.source.tail.lastSeq)
    }

    private func manifestBytes() throws -> Int64 { try JournalFolder.size(archive + "/manifest.jsonl") ?? 0 }

    private func verification() throws -> JournalVerification {
        try JournalVerification(folder: folder.path, stream: "s")
    }

    @Test func whatIsGoneTakesOneLineHoweverMuchItWas() throws {
        try fill(120)
        try archiver(keep: .all).archiveAcknowledged()
        #expect(try manifestBytes() > 2 * Manifest.shortestToShorten)
        let size = try #require(try ArchivedSegment.list(archive).first).bytes(in: archive)
        let kept = archiver(keep: .bytes(size * 5 / 2))
        try kept.removeExpired()
        var entries: [ManifestEntry] = []
        try Manifest.read(folder: archive) { _, entry in entries.append(try #require(entry)) }
        #expect(entries.map(\.event) == [.removed, .archived, .archived])
        #expect(entries[0].firstSeq == 1 && entries[0].lines == 236)
        let verification = try verification()
        #expect(verification.problems == [])
        #expect(verification.removedLines == 236)
        let status = try JournalStatus(folder: folder.path, stream: "s", quota: nil)
        #expect(status.removedLines == 236 && status.archived.segments == 2 && status.archived.lines == 4)
        // It goes on in the new file.
        try fill(1)
        try kept.archiveAcknowledged()
        #expect(try self.verification().problems == [])
    }

    @Test func segmentsThatAreNotKeptAtAllNeedNoMoreRoom() throws {
        try fill(150)
        try archiver(keep: .bytes(0)).archiveAcknowledged()
        #expect(try manifestBytes() < Manifest.shortestToShorten)
        #expect(try verification().removedLines == 300)
        #expect(try verification().problems == [])
    }

    @Test func aManifestThatNobodyUnderstandsStaysAsItIs() throws {
        try fill(100)
        try archiver(keep: .all).archiveAcknowledged()
        let file = try FileHandle(forWritingTo: URL(filePath: archive + "/manifest.jsonl"))
        try file.seekToEnd()
        try file.write(contentsOf: Data("{\"event\":\"of another kind\"}\n".utf8))
        try archiver(keep: .bytes(1)).removeExpired()
        let text = try readTextFile(archive + "/manifest.jsonl")
        #expect(text.contains("of another kind"))
        #expect(text.split(separator: "\n").count == 201)
    }

    /// A crash between the manifest's line and the files, at each step.
    @Test(arguments: ["both", "lines"]) func aRemovalThatACrashHasCutShortIsFinished(left: String) throws {
        try fill(2)
        try archiver(keep: .all).archiveAcknowledged()
        let segment = try #require(try ArchivedSegment.list(archive).first)
        var entry = ManifestEntry(.removed, source: journal.source, seqs: 1...2)
        entry.file = segment.file
        do { try Manifest(folder: archive).append(entry) }
        if left == "lines" { try JournalFolder.remove(archive + "/" + segment.name.receipts) }
        try fill(1)
        try archiver(keep: .all).archiveAcknowledged()
        let names = try JournalFolder.names(archive)
        #expect(!names.contains(segment.file) && !names.contains(segment.name.receipts))
        #expect(names.count == 5)
        #expect(try verification().problems == [])
    }

    /// A crash after the manifest's line about a segment whose plain file is still there.
    @Test func aSegmentWhoseRunOfNumbersIsGoneIsNotArchivedAgain() throws {
        try fill(100)
        try archiver(keep: .bytes(0)).archiveAcknowledged()
        let segment = Segment(folder: folder.path + "/s", firstSeq: 3)
        try Data("line 2\n{}\n".utf8).write(to: URL(filePath: segment.path))
        let next = Segment(folder: folder.path + "/s", firstSeq: 5)
        try Data("line 3\n{}\n".utf8).write(to: URL(filePath: next.path))
        try fill(1)
        try archiver(keep: .all).archiveAcknowledged()
        #expect(try !Segment.list(folder.path + "/s").contains { $0.firstSeq == 3 })
        #expect(try !ArchivedSegment.list(archive).contains { $0.name.firstSeq == 3 })
    }

    @Test func whoFollowsTheManifestIsToldOfANewOne() throws {
        try fill(120)
        var tail = ManifestTail(folder: archive)
        var (begins, firsts): (Int, [Int64]) = (0, [])
        func read() throws {
            try tail.read(begin: { (begins, firsts) = (begins + 1, []) }) { firsts.append($0.firstSeq) }
        }
        try read()
        #expect(begins == 0)
        let archiver = archiver(keep: .bytes(1))
        try archiver.archiveAcknowledged()
        try read()
        #expect(begins == 1 && firsts.count == 120)
        try read()
        #expect(begins == 1 && firsts.count == 120)
        try archiver.removeExpired()
        try read()
        #expect(begins == 2 && firsts == [1])
        try fill(1)
        try archiver.archiveAcknowledged()
        try read()
        #expect(begins == 2 && firsts.count == 2)
    }

    @Test func uploadsThatAreNoLongerHereAreOnlyCounted() throws {
        try JournalFolder.create(archive)
        let list = try JournalFile(appendingTo: archive + "/uploads.jsonl")
        for number in 1...200 {
            let file = "s-20250101T000000Z-\(number).jsonl.gz"
            if number > 190 { try JournalFile(appendingTo: archive + "/" + file).append(text: "x") }
            try list.append(
                text: UploadRecord(
                    at: "2025-01-01T00:00:00.\(100 + number)Z", file: file, bytes: 10, sha256: "00",
                    url: "s3://bucket/\(file)", verified: "checksum"
                ).line)
        }
        let before = try #require(try JournalStatus.uploads(archive))
        let size = try JournalFolder.size(archive + "/uploads.jsonl") ?? 0
        #expect(try UploadList.shorten(folder: archive) > size / 2)
        let list2 = try UploadList(folder: archive)
        #expect(list2.records.count == 10 && list2.earlier.segments == 190 && list2.earlier.bytes == 1900)
        #expect(try JournalStatus.uploads(archive) == before)
        #expect(before.segments == 200 && before.bytes == 2000)
        #expect(try UploadList.shorten(folder: archive) == 0, "nothing more to leave out")
    }
}

extension JournalStatus {
    /// What the status says of the uploads of an archive that has no other file.
    fileprivate static func uploads(_ archive: String) throws -> Uploads? {
        let folder = String(archive.dropLast("/s/archive".count))
        return try JournalStatus(folder: folder, stream: "s", quota: nil).uploads
    }
}

/// What passes over many segments ask of the disk.
@Suite(.timeLimit(.minutes(5))) struct SegmentListTests {
    @Test func aPassListsTheFolderOnceOrTwice() throws {
        let folder = try TemporaryFolder()
        let journal = try Journal.open(folder: folder.path, stream: "s")
        var reader = try JournalReader(journal.source, from: 1)
        for number in 1...300 {
            try journal.append("line \(number)")
            journal.source.tail.requestRoll()
            try journal.sync()
        }
        var read = 0
        while try reader.read(limit: 7, { _ in }) > 0 { read += 1 }
        #expect(reader.nextSeq == 301)
        #expect(reader.segments.listings <= 4)
        // One that was there before is found, and so is one that has come since.
        try journal.append("last")
        try journal.sync()
        #expect(try reader.read(limit: 7) { _ in } == 1)
        #expect(reader.segments.listings <= 5)
    }

    @Test func aSegmentThatWentMeanwhileIsPassedOver() throws {
        let folder = try TemporaryFolder()
        let journal = try Journal.open(folder: folder.path, stream: "s")
        for number in 1...6 {
            try journal.append("line \(number)")
            journal.source.tail.requestRoll()
            try journal.sync()
        }
        var reader = try JournalReader(journal.source, from: 1)
        #expect(try reader.read(limit: 2) { _ in } == 2)
        try JournalFolder.create(folder.path + "/s/archive")
        try Manifest(folder: folder.path + "/s/archive").append(
            ManifestEntry(.dropped, source: journal.source, seqs: 3...4))
        for seq in 1...4 as ClosedRange<Int64> {
            try JournalFolder.remove(Segment(folder: folder.path + "/s", firstSeq: seq).path)
        }
        var rest: [Int64] = []
        while try reader.read(limit: 7, { rest.append($0.seq) }) > 0 {}
        #expect(rest == [5, 6])
        #expect(reader.takeSkipped() == [3...4])
    }
}
