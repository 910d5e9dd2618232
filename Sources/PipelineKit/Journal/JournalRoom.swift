import Core
import Glibc

/// How much room a journal uses and has.
package struct JournalRoom: Sendable {
    /// Bytes of everything in the stream's folder but the reserve.
    package let used: Int64
    /// Bytes that the disk still has for this process; nil when the system does not report it.
    package let available: Int64?
    /// Bytes of the disk.
    package let size: Int64?
    /// Closed segments that are not archived yet.
    package let closedSegments: Int
}

extension JournalSource {
    /// Reads the folder and asks the file system, which may take its time.
    ///
    /// - Returns: what they report.
    /// - Throws: `FileError` when the folder cannot be read.
    package func measureRoom() throws(FileError) -> JournalRoom {
        var info = statvfs()
        let isKnown = unsafe statvfs(folder, &info) == 0
        return JournalRoom(
            used: try JournalSpace.bytes(in: folder),
            available: isKnown ? Int64(clamping: info.f_bavail) * Int64(clamping: info.f_frsize) : nil,
            size: isKnown ? Int64(clamping: info.f_blocks) * Int64(clamping: info.f_frsize) : nil,
            closedSegments: max(0, try Segment.list(folder).count - 1))
    }

    /// When the first line was received that Kafka has not acknowledged; nil when there is none. Reads the disk.
    ///
    /// - Throws: `JournalError` or `FileError` when it cannot be read.
    package func oldestUnacknowledged() throws -> Timestamp? {
        let first = tail.acknowledged + 1
        guard tail.lastSeq >= first else { return nil }
        var reader = try JournalReader(self, from: first)
        var moment: Timestamp?
        _ = try reader.read(limit: 1) { moment = $0.receivedAt }
        return moment
    }
}
