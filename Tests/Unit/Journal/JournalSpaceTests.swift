import Foundation
import Glibc
import Logging
import TestSupport
import Testing

@testable import Core
@testable import Journal
@testable import TweetFormat

/// What the journal does when the disk, or its quota, has no room left or fails.
@Suite(.timeLimit(.minutes(5))) struct JournalSpaceTests {
    let folder: TemporaryFolder
    let line = String(repeating: "x", count: 999)

    init() throws {
        folder = try TemporaryFolder()
    }

    func open(_ path: String? = nil, change: (inout JournalOptions) -> Void) throws -> Journal {
        var options = JournalOptions()
        // What is appended becomes durable when a test asks for it.
        options.syncDelay = .seconds(3600)
        change(&options)
        return try Journal.open(folder: path ?? folder.path, stream: "s", options: options)
    }

    /// Ten segments within the quota, two of them in the reserve.
    static func small(_ options: inout JournalOptions) {
        (options.quota, options.reserve, options.segmentBytes) = (100_000, 20_000, 10_000)
    }

    func archiver(_ journal: Journal) -> Archiver {
        var options = ArchiveOptions()
        options.whenFull = .dropOldest
        return Archiver(
            journal.source, options: options, stop: Stop(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    /// Appends lines until the journal refuses; returns how many are durable then.
    func fill(_ journal: Journal) throws -> Int64 {
        while true {
            do {
                try journal.append(line)
                try journal.sync()
            } catch let error as FileError {
                #expect([ENOSPC, EDQUOT].contains(error.code))
                return journal.source.tail.lastSeq
            }
        }
    }

    @Test func theQuotaStopsBeforeTheReserve() throws {
        let journal = try open(change: Self.small)
        let last = try fill(journal)
        #expect(last > 60)
        #expect(try JournalSpace.bytes(in: folder.path + "/s") <= 80_000)
        #expect(!journal.source.space.hasRoom)
        // What must be told may use the reserve.
        try journal.recover()
        let event = try #require(journal.interruption(cause: "journal_full"))
        #expect(event.connection == "7")
        try journal.append(event)
        try journal.sync()
        #expect(journal.source.tail.lastSeq == last + 1)
        #expect(journal.interruption(cause: "journal_full") == nil, "told once")
    }

    @Test func readingGoesOnWhenSegmentsAreRemoved() throws {
        let journal = try open(change: Self.small)
        let last = try fill(journal)
        journal.source.tail.publish(acknowledged: last)
        var options = ArchiveOptions()
        options.keep = .bytes(0)
        try Archiver(
            journal.source, options: options, stop: Stop(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        ).archiveAcknowledged()
        #expect(journal.source.space.hasRoom)
        #expect(try fill(journal) > last + 40)
    }

    /// The manifest names these numbers as dropped, and so do the events, which come after every line.
    private func expectDeclared(_ dropped: [Int64], _ journal: Journal, behind last: Int64) throws {
        var listed: [Int64] = []
        try Manifest.read(folder: journal.source.folder + "/archive") { _, entry in
            if let entry, entry.event == .dropped { listed += Array(entry.firstSeq...entry.lastSeq) }
        }
        #expect(listed == dropped)
        let events = try journal.lines(from: last + 1).compactMap { PipelineEvent(line: Array($0.text.utf8)) }
        #expect(events.allSatisfy { $0.type == .dropped })
        let declared = events.flatMap { event -> [Int64] in
            let start = event.seq ?? 0
            return Array(start..<(start + (event.lines ?? 0)))
        }
        #expect(declared == dropped)
    }

    @Test func whatIsDroppedIsDeclaredFirstAndPassedOver() throws {
        let journal = try open(change: Self.small)
        let source = journal.source
        var reader = try JournalReader(source, from: 1)
        #expect(try reader.read(limit: 5) { _ in } == 0)
        let last = try fill(journal)
        source.tail.publish(acknowledged: 3)
        let archiver = archiver(journal)
        try archiver.makeRoom()
        #expect(try Segment.list(source.folder).first?.firstSeq == 1, "nothing goes before it is declared")
        while !source.space.hasRoom {
            try journal.sync()
            try archiver.makeRoom()
        }
        let first = try #require(try Segment.list(source.folder).first?.firstSeq)
        #expect(first > 4)
        let dropped = Array(4..<first)
        try expectDeclared(dropped, journal, behind: last)
        // A reader that held the first segment reads it to its end; one that begins anew is told what is gone.
        var anew = try JournalReader(source, from: 4)
        #expect(anew.takeSkipped() == [4...(first - 1)])
        var next: Int64 = 0
        _ = try anew.read(limit: 1) { next = $0.seq }
        #expect(next == first)
        var seqs: [Int64] = []
        while try reader.read(limit: 50, { seqs.append($0.seq) }) > 0 {}
        #expect(seqs + reader.takeSkipped().flatMap { Array($0) } != [])
        #expect(Set(seqs + dropped).isSuperset(of: 1...last))
    }

    @Test func droppingBeginsWithTheArchive() throws {
        let journal = try open(change: Self.small)
        for _ in 0..<40 {
            let noise = String(decoding: (0..<999).map { _ in UInt8.random(in: 33...126) }, as: UTF8.self)
            try journal.append(noise)
        }
        try journal.sync()
        journal.source.tail.publish(acknowledged: 40)
        let archiver = archiver(journal)
        try archiver.archiveAcknowledged()
        let archived = try ArchivedSegment.list(journal.source.folder + "/archive").count
        #expect(archived >= 3)
        _ = try fill(journal)
        try archiver.makeRoom()
        #expect(try ArchivedSegment.list(journal.source.folder + "/archive").count < archived)
        #expect(journal.source.tail.dropRequest == nil)
    }

    /// The fault of F36 and F37: a write that fails half-way, and an fsync that fails when everything is written.
    @Test(arguments: [(FailPoint.append, ENOSPC), (.append, EIO), (.fsync, EIO), (.fsync, ENOSPC)])
    func f37WhatAFailedGroupLeftIsTakenBack(point: FailPoint, code: Int32) throws {
        let journal = try open { _ in }
        try journal.append("one", at: 1000, connection: 7)
        try journal.sync()
        try journal.append(line)
        FailPoint.$fault.withValue(.init(point: point, code: code)) {
            let error = #expect(throws: FileError.self) { try journal.sync() }
            #expect(error?.code == code)
        }
        #expect(throws: FileError.self, "nothing is taken before recover()") { try journal.append("not taken") }
        #expect(throws: FileError.self) { try journal.sync() }
        #expect(journal.source.tail.lastSeq == 1)
        try journal.recover()
        let event = try #require(journal.interruption(cause: "disk_error"))
        #expect(event.lastReceivedAt == Timestamp(milliseconds: 1000).description)
        try journal.append("two")
        try journal.sync()
        #expect(try journal.lines().map(\.text) == ["one", "two"])
        #expect(try Segment.list(folder.path + "/s").map(\.firstSeq) == [1, 2], "the segment is not written any more")
        #expect(try String(contentsOfFile: folder.path + "/s/00000000000000000001.jsonl", encoding: .utf8) == "one\n")
    }

    /// The disk refuses in the background what was appended before; what comes meanwhile is taken back with it, and who waits
    /// for it hears that.
    @Test func aGroupThatFailsInTheBackgroundIsTakenBack() throws {
        let journal = try open { $0.syncDelay = .milliseconds(10) }
        try journal.append("one")
        try journal.sync()
        let lost = try FailPoint.$fault.withValue(.init(point: .fsync, code: EIO)) { try journal.append("lost") }
        #expect(!journal.isDurable(lost))
        #expect((#expect(throws: FileError.self) { try journal.check() })?.code == EIO)
        #expect(throws: FileError.self, "nothing is taken before recover()") { try journal.append("not taken") }
        #expect(journal.source.tail.lastSeq == 1)
        try journal.recover()
        try journal.append("two")
        try journal.sync()
        #expect(!journal.isDurable(lost), "its number has another line now")
        #expect(try journal.lines().map(\.text) == ["one", "two"])
        #expect(try String(contentsOfFile: folder.path + "/s/00000000000000000001.jsonl", encoding: .utf8) == "one\n")
    }

    /// A write fails after a group before it has reached the disk: that one is well, and is not taken back.
    @Test func aFailureTakesBackNothingThatTheDiskHas() throws {
        let journal = try open { $0.syncBytes = 4 }
        let one = try journal.append("one")
        #expect(journal.isDurable(one))
        let lost = try FailPoint.$fault.withValue(.init(point: .append, code: EIO)) { try journal.append("lost") }
        #expect(!journal.isDurable(lost) && journal.isDurable(one))
        try journal.recover()
        #expect(journal.source.tail.lastSeq == 1)
        try journal.append("two")
        try journal.sync()
        #expect(try journal.lines().map(\.text) == ["one", "two"])
    }

    /// After a failure only the stream's own thread appends until the outage is over: others would use up the reserve.
    @Test func chunksWaitUntilAnOutageIsOver() throws {
        let journal = try open { _ in }
        try journal.append("lost")
        FailPoint.$fault.withValue(.init(point: .fsync, code: ENOSPC)) {
            #expect(throws: FileError.self) { try journal.sync() }
        }
        try journal.recover()
        let chunk = JournalChunk(lines: [Array("beside".utf8)], connection: 3)
        #expect((#expect(throws: FileError.self) { try journal.append(chunk) })?.code == EAGAIN)
        try journal.append("one")
        journal.resume()
        #expect(journal.waitUntilResumed())
        try journal.append(chunk)
        try journal.sync()
        #expect(try journal.lines().map(\.text) == ["one", "beside"])
        journal.pause()
        journal.close()
        #expect(!journal.waitUntilResumed())
    }

    @Test func aFirstGroupThatFailsLeavesNothing() throws {
        let journal = try open { _ in }
        try journal.append(line)
        FailPoint.$fault.withValue(.init(point: .fsync, code: EIO)) {
            #expect(throws: FileError.self) { try journal.sync() }
        }
        try journal.recover()
        try journal.append("one")
        try journal.sync()
        #expect(try journal.lines().map(\.text) == ["one"])
    }

    /// Should the segment not be cut after a failed group, its surplus is still not read.
    @Test func whatLiesBehindTheNextSegmentsNumberIsNotRead() throws {
        let journal = try open { _ in }
        try journal.append("one")
        try journal.sync()
        journal.source.tail.requestRoll()
        try journal.sync()
        let file = try FileHandle(forWritingTo: URL(filePath: folder.path + "/s/00000000000000000001.jsonl"))
        try file.seekToEnd()
        try file.write(contentsOf: Data("never durable\n".utf8))
        try journal.append("two")
        try journal.sync()
        #expect(try journal.lines().map(\.text) == ["one", "two"])
    }

    /// The lines that can be read, and the numbers of those that are damaged.
    private func readAll(_ journal: Journal) throws -> (good: [ReadLine], damaged: [Int64]) {
        var reader = try JournalReader(journal.source, from: 1)
        var (good, damaged): ([ReadLine], [Int64]) = ([], [])
        while try reader.read(
            limit: 4,
            { line in
                let text = unsafe String(decoding: line.bytes, as: UTF8.self)
                if line.isDamaged { return damaged.append(line.seq) }
                good.append(
                    ReadLine(seq: line.seq, text: text, receivedAt: line.receivedAt, connection: line.connection))
            }) > 0
        {}
        return (good, damaged)
    }

    @Test func f38ADamagedGroupIsToldAndTheRestIsRead() throws {
        let journal = try open { _ in }
        for number in 1...9 {
            try journal.append("line \(number)", at: Int64(number / 3))
            if number % 3 == 0 { try journal.sync() }
        }
        try journal.sync()
        let before = try journal.lines()
        let path = folder.path + "/s/00000000000000000001.jsonl"
        let groups: [[Int64]] = [[1, 2], [3], [4, 5], [6], [7, 8], [9]]
        for place in 0..<63 {
            let file = try FileHandle(forUpdating: URL(filePath: path))
            try file.seek(toOffset: UInt64(place))
            let byte = try #require(try file.read(upToCount: 1)?.first)
            for changed in [byte ^ 1, UInt8(ascii: "\n")] where changed != byte {
                try file.seek(toOffset: UInt64(place))
                try file.write(contentsOf: Data([changed]))
                let (good, damaged) = try readAll(journal)
                #expect(groups.contains(damaged))
                #expect(good == before.filter { !damaged.contains($0.seq) })
            }
            try file.seek(toOffset: UInt64(place))
            try file.write(contentsOf: Data([byte]))
        }
        #expect(try journal.lines() == before)
    }
}
