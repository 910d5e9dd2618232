import Core
import Digests
import Glibc
import TweetFormat

/// Brings one closed segment into the archive: its lines in one file, compressed or not, and what the lines do not
/// hold (when and on which connection they were received) in a second one.
///
/// Everything is written aside and renamed when it is on the disk and was read back, so that a file with a final name
/// is always whole. The same segment always gets the same names: doing it again after a crash does no harm.
struct SegmentArchiving {
    let source: JournalSource
    let folder: String
    let isCompressed: Bool
    let stop: Stop

    /// The ending of files that are not finished.
    static let aside = ".new"

    /// Thrown when the service ends before the segment is done; the next start does it again.
    struct Stopped: Error {}

    /// - Parameters:
    ///   - segment: a segment that is no longer written.
    ///   - endSeq: the number of the first line of the one after it.
    /// - Returns: what the manifest shall say.
    /// - Throws: `FileError` when the disk refuses, `JournalError`: `reject` when the segment has not all its lines or was not
    ///   stored as it is, `Stopped`.
    func run(_ segment: Segment, endSeq: Int64) throws -> ManifestEntry {
        let begin = try SegmentIndex(reading: segment).entry(0)?.receivedAt
        let name = try ArchiveName(
            stream: source.stream, begin: begin ?? JournalFile(reading: segment.path).status().modified,
            firstSeq: segment.firstSeq)
        let linesPath = folder + "/" + name.lines(isCompressed: isCompressed)
        let receiptsPath = folder + "/" + name.receipts
        // A crash before the manifest's line may have left it as JOURNAL_COMPRESS was then.
        try JournalFolder.remove(folder + "/" + name.lines(isCompressed: !isCompressed))
        var entry = ManifestEntry(.archived, source: source, seqs: segment.firstSeq...(endSeq - 1))
        entry.file = name.lines(isCompressed: isCompressed)
        let plain = try store(segment, endSeq: endSeq, lines: linesPath, receipts: receiptsPath, entry: &entry)
        let stored = try verify(linesPath + (isCompressed ? Self.aside : ""), holds: plain)
        let receipts = try FileDigest(ofFile: receiptsPath + Self.aside)
        entry.bytes = stored.bytes
        entry.sha256 = stored.sha256
        entry.plainBytes = plain.bytes
        entry.plainSHA256 = plain.sha256
        entry.receipts = .init(file: name.receipts, bytes: receipts.bytes, sha256: receipts.sha256)
        FailPoint.compress.pass()
        if isCompressed { try JournalFolder.move(linesPath + Self.aside, to: linesPath) }
        FailPoint.compress.pass()
        try JournalFolder.move(receiptsPath + Self.aside, to: receiptsPath)
        try JournalFolder.synchronize(folder)
        FailPoint.compress.pass()
        return entry
    }

    /// Writes both files aside; uncompressed lines stay where they are on the disk and get a second name.
    private func store(
        _ segment: Segment, endSeq: Int64, lines: String, receipts: String, entry: inout ManifestEntry
    ) throws -> FileDigest {
        var summary = SegmentSummary()
        var reader = try SegmentReader(segment)
        var receiptsFile = try GzipWriter(creating: receipts + Self.aside)
        if isCompressed {
            var file = try GzipWriter(creating: lines + Self.aside)
            try unsafe summary.read(&reader, endSeq: endSeq, stop: stop, receipts: receiptsFile) {
                FailPoint.compress.pass()
                try unsafe file.append($0)
            }
            try file.finish()
        } else {
            try unsafe summary.read(&reader, endSeq: endSeq, stop: stop, receipts: receiptsFile) { _ in }
            guard try FileDigest(ofFile: segment.path) == summary.digest.result else {
                throw JournalError(
                    .reject, "\(segment.path) is damaged; it stays in place. Check it, then move it away.")
            }
            try JournalFolder.link(segment.path, as: lines)
        }
        try receiptsFile.finish()
        summary.describe(&entry)
        return summary.digest.result
    }

    /// Reads the stored file back.
    private func verify(_ path: String, holds plain: FileDigest) throws -> FileDigest {
        let stored = try FileDigest(ofFile: path)
        guard isCompressed else { return stored }
        var digest = RunningDigest()
        let file = try GzipReader(path)
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            let count = try unsafe buffer.withUnsafeMutableBytes { try unsafe file.read(into: $0) }
            if count == 0 { break }
            unsafe buffer[..<count].withUnsafeBytes { unsafe digest.add($0) }
            if stop.isRaised { throw Stopped() }
            Heartbeat.beat()
        }
        guard digest.result == plain else {
            throw JournalError(.reject, "\(path) does not hold what was written to it. Check the disk.")
        }
        return stored
    }
}

/// The manifest's facts about a segment's lines, gathered in one pass.
private struct SegmentSummary {
    var digest = RunningDigest()
    private var firstPost: [UInt8] = []
    private var lastPost: [UInt8] = []
    private var firstReceivedAt: Timestamp?
    private var damagedLines: Int64 = 0
    private var receipt: Receipt?

    /// Lines one after the other that were received together.
    private struct Receipt {
        var seq: Int64
        var lines: Int64
        var receivedAt: Timestamp
        var connection: Int64

        /// As it stands in the file of receipts.
        var line: String {
            "{\"seq\":\(seq),\"lines\":\(lines),\"received_at\":\"\(receivedAt)\",\"connection\":\"\(connection)\"}\n"
        }
    }

    /// Reads all lines up to `endSeq`; `body` gets pieces of whole lines.
    ///
    /// - Throws: `JournalError`: `reject` when there are fewer lines.
    mutating func read(
        _ reader: inout SegmentReader, endSeq: Int64, stop: Stop, receipts: borrowing GzipWriter,
        _ body: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        let end = JournalTail.End(seq: endSeq, segment: endSeq, offset: 0)
        var piece: [UInt8] = []
        while reader.nextSeq < endSeq {
            if stop.isRaised { throw SegmentArchiving.Stopped() }
            Heartbeat.beat()
            piece.removeAll(keepingCapacity: true)
            let limit = Int(min(1000, endSeq - reader.nextSeq))
            let count = try reader.read(limit: limit, end: end) { line in
                try take(line, receipts: receipts)
                unsafe piece.append(contentsOf: line.bytes)
                piece.append(UInt8(ascii: "\n"))
            }
            guard count > 0 else {
                throw JournalError(
                    .reject,
                    "\(reader.segment.path) ends before line \(reader.nextSeq), the last line should be \(endSeq - 1)."
                        + " It stays in place. Check it, then move it away.")
            }
            try unsafe piece.withUnsafeBytes { bytes in
                unsafe digest.add(bytes)
                try unsafe body(bytes)
            }
        }
        try write(receipt, to: receipts)
    }

    private mutating func take(_ line: JournalLine, receipts: borrowing GzipWriter) throws(FileError) {
        if firstReceivedAt == nil { firstReceivedAt = line.receivedAt }
        if line.isDamaged { damagedLines += 1 }
        if let last = receipt, last.receivedAt == line.receivedAt, last.connection == line.connection {
            receipt?.lines += 1
        } else {
            try write(receipt, to: receipts)
            receipt = Receipt(seq: line.seq, lines: 1, receivedAt: line.receivedAt, connection: line.connection)
        }
        if line.connection != 0, case .post = unsafe StreamMessage(line: line.bytes) {
            lastPost.removeAll(keepingCapacity: true)
            unsafe lastPost.append(contentsOf: line.bytes)
            if firstPost.isEmpty { firstPost = lastPost }
        }
    }

    private func write(_ receipt: Receipt?, to file: borrowing GzipWriter) throws(FileError) {
        guard let receipt else { return }
        try unsafe Array(receipt.line.utf8).withBytes { (bytes) throws(FileError) in try unsafe file.append(bytes) }
    }

    func describe(_ entry: inout ManifestEntry) {
        var ids = TweetKey(findsRules: false)
        entry.firstID = unsafe firstPost.withUnsafeBytes { unsafe ids.id(of: $0) }.map(String.init)
        entry.lastID = unsafe lastPost.withUnsafeBytes { unsafe ids.id(of: $0) }.map(String.init)
        entry.firstReceivedAt = firstReceivedAt?.description
        entry.lastReceivedAt = receipt?.receivedAt.description
        entry.damagedLines = damagedLines > 0 ? damagedLines : nil
    }
}
