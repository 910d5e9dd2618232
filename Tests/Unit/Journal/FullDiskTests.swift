import Glibc
import Logging
import TestSupport
import Testing

@testable import Core
@testable import Journal

/// A disk of its own, which becomes full.
extension JournalSpaceTests {
    /// A journal on a disk of 16 MiB: it stops with an error that can be recovered from, and no durable line is lost.
    @Test(.enabled(if: geteuid() == 0, "mounting a file system needs root")) func f36AFullDiskIsSurvived() throws {
        let disk = try SmallDisk(mebibytes: 16)
        let journal = try open(disk.path) {
            $0.reserve = 1 << 20
            $0.segmentBytes = 2 << 20
        }
        let source = journal.source
        #expect(source.space.holdsReserve)
        let last = try fill(journal)
        #expect(last > 10_000)
        #expect(!source.space.hasRoom)
        try journal.recover()
        #expect(!source.space.holdsReserve, "the reserve is given up for what must be told")
        try journal.append(try #require(journal.interruption(cause: "disk_full")))
        try journal.sync()
        #expect(source.tail.lastSeq == last + 1)
        try Checkpoint(journal: source.journal, acknowledged: last).write(to: source.folder)
        source.tail.publish(acknowledged: last)
        var options = ArchiveOptions()
        options.keep = .bytes(0)
        try Archiver(
            source, options: options, stop: Stop(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        ).archiveAcknowledged()
        #expect(source.space.hasRoom)
        source.space.holdReserve()
        #expect(source.space.holdsReserve)
        #expect(try fill(journal) > last + 5000)
        #expect(try journal.lines(from: last + 1).first?.text.contains("disk_full") == true)
    }
}
