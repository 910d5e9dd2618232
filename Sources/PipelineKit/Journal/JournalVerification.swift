import Core
import Digests
import FoundationEssentials
import Glibc

/// Whether a journal and its archive have every line, unchanged: what was checked, and the problems found.
///
/// A producer may be writing meanwhile: lines that are not durable when the check begins are not checked.
package struct JournalVerification: Encodable, Sendable {
    package var stream: String
    package var journal = ""
    /// Files with lines that were read to their end.
    package var files = 0
    package var lines: Int64 = 0
    /// Bytes of those lines, uncompressed.
    package var bytes: Int64 = 0
    /// Lines that the manifest says were removed after Kafka had them.
    package var removedLines: Int64 = 0
    /// Lines that were dropped to make room, according to the manifest.
    package var droppedLines: Int64 = 0
    /// What is wrong, a sentence each, with the file or the numbers; empty when nothing is.
    package var problems: [String] = []

    private let folder: String
    /// Numbers that are accounted for.
    private var accounted = RangeSet<Int64>()

    private enum CodingKeys: String, CodingKey {
        case stream, journal, files, lines, bytes, removedLines, droppedLines, problems
    }

    /// Looks at every line of one stream's journal.
    ///
    /// - Parameters:
    ///   - folder: the folder of all journals.
    ///   - stream: one of `JournalStatus.streams(in:)`.
    /// - Throws: `JournalError`: `operator` when the disk cannot be read.
    package init(folder: String, stream: String) throws(JournalError) {
        self.stream = stream
        self.folder = folder + "/" + stream
        do { try run() } catch {
            throw JournalError(error)
        }
    }

    private var archive: String { folder + "/" + JournalSource.archiveName }

    private mutating func run() throws {
        var acknowledged: Int64 = 0
        guard try JournalIdentity.exists(in: folder) else {
            throw FileError("open", folder + "/journal.json", code: ENOENT)
        }
        do throws(JournalError) {
            journal = try JournalIdentity.read(folder: folder, stream: stream).journal
            acknowledged = try Checkpoint.read(from: folder, journal: journal)?.acknowledged ?? 0
        } catch {
            problems.append(error.description)
        }
        // What is archived meanwhile is in the manifest, which comes last; what is removed meanwhile is not there any more.
        let present = try ArchivedSegment.list(archive)
        let plain = try verifySegments()
        let listed = try verifyManifest()
        for segment in present
        where !listed.contains(segment.file) && !plain.contains(segment.name.firstSeq) {
            guard try JournalFolder.size(archive + "/" + segment.file) != nil else { continue }
            problems.append("\(archive)/\(segment.file) is not in the manifest")
        }
        findHoles(acknowledged: acknowledged)
    }

    // MARK: Segments

    /// Reads every segment that is not archived; returns their first numbers.
    private mutating func verifySegments() throws -> Set<Int64> {
        let segments = try Segment.list(folder)
        for (position, segment) in segments.enumerated() {
            do {
                let following = position + 1 < segments.count ? segments[position + 1].firstSeq : nil
                try verify(segment, endSeq: following)
            } catch let error as FileError where error.isMissingFile {
                continue
            }
        }
        return Set(segments.map(\.firstSeq))
    }

    private mutating func verify(_ segment: Segment, endSeq: Int64?) throws {
        let size = try JournalFolder.size(segment.path) ?? 0
        let last = try SegmentIndex(reading: segment).lastWhole(size: size)
        var end = JournalTail.End(seq: endSeq ?? 0, segment: endSeq ?? 0, offset: 0)
        if endSeq == nil {
            end = JournalTail.End(
                seq: last?.endSeq ?? segment.firstSeq, segment: segment.firstSeq, offset: last?.endOffset ?? 0)
        }
        let (damaged, nextSeq) = try read(segment, end: end)
        if let first = damaged.first, let last = damaged.last {
            problems.append(
                "\(segment.path) is damaged: \(damaged.count) of the lines \(first) to \(last) have a different checksum"
            )
        }
        if let endSeq, nextSeq < endSeq {
            problems.append("\(segment.path) ends before line \(nextSeq), the last line should be \(endSeq - 1)")
        }
        account(segment.firstSeq, nextSeq - 1)
    }

    /// Counts the lines of a segment; returns the numbers of the damaged ones, and the number after the last.
    private mutating func read(
        _ segment: Segment, end: JournalTail.End
    ) throws -> (damaged: [Int64], nextSeq: Int64) {
        var reader = try SegmentReader(segment)
        var damaged: [Int64] = []
        var (count, size): (Int64, Int64) = (0, 0)
        while try reader.read(
            limit: 1000, end: end,
            { line in
                count += 1
                size += unsafe Int64(line.bytes.count) + 1
                if line.isDamaged { damaged.append(line.seq) }
            }) > 0
        {}
        files += 1
        lines += count
        bytes += size
        return (damaged, reader.nextSeq)
    }

    // MARK: Archive

    /// Checks every entry of the manifest; returns the files that it names.
    private mutating func verifyManifest() throws -> Set<String> {
        let (listed, archived) = try readManifest()
        try compareUploads(archived)
        for (file, entry) in archived.sorted(by: { $0.value.firstSeq < $1.value.firstSeq }) {
            do { try verify(file, entry) } catch let error as FileError where error.isMissingFile {
                if try ManifestSummary(folder: archive).archived[file] == nil {
                    // Removed meanwhile, as the manifest says by now.
                    removedLines += entry.lines
                    continue
                }
                problems.append("\(error.path), with the lines \(entry.firstSeq) to \(entry.lastSeq), is missing")
            } catch let error where Self.isBadData(error) {
                problems.append("\(error) (lines \(entry.firstSeq) to \(entry.lastSeq))")
            }
        }
        return listed
    }

    /// Accounts for the numbers of the manifest; returns all files that it names, and the entries of those that it says are here.
    private mutating func readManifest() throws -> (listed: Set<String>, archived: [String: ManifestEntry]) {
        var archived: [String: ManifestEntry] = [:]
        var listed: Set<String> = []
        var found: [String] = []
        let path = archive + "/" + Manifest.fileName
        try Manifest.read(folder: archive) { number, entry in
            guard let entry, entry.stream == stream, entry.journal == journal || journal.isEmpty else {
                return found.append("\(path):\(number) is not an entry of this journal's manifest")
            }
            account(entry.firstSeq, entry.lastSeq)
            switch entry.event {
            case .archived:
                guard let file = entry.file else { return found.append("\(path):\(number) names no file") }
                listed.insert(file)
                archived[file] = entry
            case .removed:
                removedLines += entry.lines
                entry.file.map { archived[$0] = nil }
            case .dropped: droppedLines += entry.lines
            }
        }
        problems += found
        return (listed, archived)
    }

    /// Whether a file's content is wrong, not the reading of it.
    private static func isBadData(_ error: any Error) -> Bool {
        (error as? any DisposedError)?.disposition == .reject
    }

    private mutating func verify(_ file: String, _ entry: ManifestEntry) throws {
        let path = archive + "/" + file
        try compare(path, bytes: entry.bytes, sha256: entry.sha256)
        let content = try ArchivedFile.read(path)
        guard content.digest == FileDigest(bytes: entry.plainBytes ?? 0, sha256: entry.plainSHA256 ?? "") else {
            throw JournalError(.reject, "\(path) differs from its entry in the manifest")
        }
        guard content.lines == entry.lines else {
            throw JournalError(.reject, "\(path) has \(content.lines) lines instead of \(entry.lines)")
        }
        if let damaged = entry.damagedLines {
            problems.append("\(path) was archived with \(damaged) damaged lines")
        }
        if let receipts = entry.receipts {
            let path = archive + "/" + receipts.file
            try compare(path, bytes: receipts.bytes, sha256: receipts.sha256)
            guard try ReceiptBook(path).covers(entry.firstSeq...entry.lastSeq) else {
                throw JournalError(.reject, "\(path) lacks the time of receipt of some lines")
            }
        }
        files += 1
        lines += content.lines
        bytes += content.digest.bytes
    }

    /// Uploaded files must match the manifest, because the local copy may then be removed.
    private mutating func compareUploads(_ archived: [String: ManifestEntry]) throws {
        for record in try UploadList(folder: archive).records {
            guard let entry = archived[record.file], entry.sha256 != record.sha256 else { continue }
            problems.append(
                "\(record.url) was uploaded with SHA-256 \(record.sha256), the manifest has \(entry.sha256 ?? "none")"
            )
        }
    }

    private func compare(_ path: String, bytes: Int64?, sha256: String?) throws {
        let digest = try FileDigest(ofFile: path)
        guard digest.bytes == bytes, digest.sha256 == sha256 else {
            throw JournalError(
                .reject,
                "\(path) was changed: \(digest.bytes) bytes with SHA-256 \(digest.sha256),"
                    + " the manifest has \(bytes ?? 0) with \(sha256 ?? "none")")
        }
    }

    // MARK: Numbers

    private mutating func account(_ first: Int64, _ last: Int64) {
        if first <= last { accounted.insert(contentsOf: first..<(last + 1)) }
    }

    private mutating func findHoles(acknowledged: Int64) {
        let end = max(accounted.ranges.last?.upperBound ?? 1, 1)
        for hole in RangeSet(1..<end).subtracting(accounted).ranges {
            problems.append(
                "the lines \(hole.lowerBound) to \(hole.upperBound - 1) are in no file, and the manifest does not say why"
            )
        }
        if acknowledged >= end {
            problems.append(
                "Kafka has acknowledged the lines up to \(acknowledged), but \(end) and what follows are in no file")
        }
    }
}

/// What a file of the archive holds, compressed or not.
struct ArchivedFile {
    let digest: FileDigest
    let lines: Int64

    /// Reads the whole file.
    ///
    /// - Throws: `GzipError` when it is cut short or damaged, `FileError` when it cannot be read.
    static func read(_ path: String) throws -> ArchivedFile {
        var digest = RunningDigest()
        var lines: Int64 = 0
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        func take(_ count: Int) {
            lines += buffer[..<count].reduce(0) { $0 + ($1 == UInt8(ascii: "\n") ? 1 : 0) }
            unsafe buffer[..<count].withUnsafeBytes { unsafe digest.add($0) }
        }
        if path.hasSuffix(".gz") {
            let file = try GzipReader(path)
            while case let count = try unsafe buffer.withUnsafeMutableBytes({ try unsafe file.read(into: $0) }),
                count > 0
            {
                take(count)
            }
        } else {
            let file = try JournalFile(reading: path)
            while case let count = try unsafe buffer.withUnsafeMutableBytes({
                try unsafe file.read(at: digest.bytes, into: $0)
            }), count > 0 {
                take(count)
            }
        }
        return ArchivedFile(digest: digest.result, lines: lines)
    }
}
