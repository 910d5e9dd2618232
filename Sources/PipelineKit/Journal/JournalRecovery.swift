import Core
import Digests

/// What opening a journal found, after a clean end or a crash.
package struct JournalRecovery: Sendable {
    /// The segment to continue with.
    let segment: Segment
    /// Where its last good line ends.
    let endOffset: Int64
    let nextSeq: Int64
    /// The end of what is durable.
    var end: JournalTail.End { JournalTail.End(seq: nextSeq, segment: segment.firstSeq, offset: endOffset) }
    /// Bytes behind the last good line that were cut off: they were never durable.
    package let tornBytes: Int64
    /// The connection that the last line came on; 0 when the last line came from none, as after a clean end.
    package let openConnection: Int64
    /// When the last line was received; nil in a new journal.
    package let lastReceivedAt: Timestamp?

    /// Finds the end of the journal, cuts what was never durable, and reads only the last segment's last part.
    ///
    /// - Parameters:
    ///   - folder: the stream's folder.
    ///   - acknowledged: the checkpoint; the next number is always greater, even when segments were taken away.
    /// - Returns: where to continue, and what was found.
    /// - Throws: `FileError` when the folder or its last segment cannot be read or cut.
    static func run(folder: String, acknowledged: Int64) throws(FileError) -> JournalRecovery {
        let segments = try Segment.list(folder)
        guard let last = segments.last else {
            return try begin(folder: folder, seq: acknowledged + 1)
        }
        var check = try SegmentCheck(last)
        var end = try check.run()
        // A crash right after a new segment was begun: the previous one has the state of the stream.
        if end.last == nil, let before = segments.dropLast().last { end.last = try lastEntry(of: before) }
        if end.nextSeq <= acknowledged {
            let found = try begin(folder: folder, seq: acknowledged + 1)
            return JournalRecovery(
                segment: found.segment, endOffset: 0, nextSeq: found.nextSeq, tornBytes: end.tornBytes,
                openConnection: end.last?.connection ?? 0, lastReceivedAt: end.last?.receivedAt)
        }
        return JournalRecovery(
            segment: last, endOffset: end.offset, nextSeq: end.nextSeq, tornBytes: end.tornBytes,
            openConnection: end.last?.connection ?? 0, lastReceivedAt: end.last?.receivedAt)
    }

    private static func lastEntry(of segment: Segment) throws(FileError) -> IndexEntry? {
        let index = try SegmentIndex(segment)
        let count = try index.count()
        return count > 0 ? try index.entry(count - 1) : nil
    }

    private static func begin(folder: String, seq: Int64) throws(FileError) -> JournalRecovery {
        let segment = Segment(folder: folder, firstSeq: seq)
        _ = try OpenSegment(segment, endOffset: 0)
        try JournalFolder.synchronize(folder)
        return JournalRecovery(
            segment: segment, endOffset: 0, nextSeq: seq, tornBytes: 0, openConnection: 0, lastReceivedAt: nil)
    }
}

/// Checks the end of one segment against its index.
private struct SegmentCheck: ~Copyable {
    struct End {
        var offset: Int64 = 0
        var nextSeq: Int64
        var last: IndexEntry?
        var tornBytes: Int64 = 0
    }

    private let segment: Segment
    private let file: JournalFile
    private let index: SegmentIndex

    init(_ segment: Segment) throws(FileError) {
        let file = try JournalFile(appendingTo: segment.path)
        let index = try SegmentIndex(segment)
        self.segment = segment
        self.file = file
        self.index = index
    }

    mutating func run() throws(FileError) -> End {
        let size = try file.status().size
        var kept = try readableEntries()
        if kept == 0, size > 0 {
            try rebuildIndex(size: size)
            kept = try index.count()
        }
        kept = try goodEntries(among: kept, size: size)
        var end = End(nextSeq: segment.firstSeq)
        if kept > 0, let entry = try index.entry(kept - 1) {
            end = End(offset: entry.endOffset, nextSeq: entry.endSeq, last: entry)
        }
        end.tornBytes = size - end.offset
        try index.truncate(toCount: kept)
        try file.truncate(to: end.offset)
        try index.synchronize()
        try file.synchronize()
        return end
    }

    /// The number of entries up to the last one that can be read.
    private func readableEntries() throws(FileError) -> Int {
        var count = try index.count()
        while count > 0, try index.entry(count - 1) == nil { count -= 1 }
        return count
    }

    /// The number of entries whose lines are all there. What was durable before the last entry is not read again.
    private func goodEntries(among count: Int, size: Int64) throws(FileError) -> Int {
        guard count > 0, let last = try index.entry(count - 1) else { return 0 }
        var first = count - 1
        while first > 0, let before = try index.entry(first - 1), before.endOffset > last.durableOffset { first -= 1 }
        for position in first..<count {
            guard let entry = try index.entry(position), entry.endOffset <= size,
                try checksum(of: entry) == entry.checksum
            else { return position }
        }
        return count
    }

    private func checksum(of entry: IndexEntry) throws(FileError) -> UInt32 {
        var result: UInt32 = 0
        var buffer = [UInt8](repeating: 0, count: min(Int(entry.length), 1 << 20))
        var done = 0
        while done < Int(entry.length) {
            let want = min(buffer.count, Int(entry.length) - done)
            try unsafe buffer.withMutableBytes { (bytes) throws(FileError) in
                let part = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[..<want])
                let count = try unsafe file.read(at: entry.offset + Int64(done), into: part)
                unsafe result = crc32(
                    of: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(part)[..<count]), from: result)
            }
            done += want
        }
        return result
    }

    /// Makes entries for a segment whose index is missing: when the lines were received is then only roughly known.
    private func rebuildIndex(size: Int64) throws(FileError) {
        let modified = try file.status().modified
        var made: [UInt8] = []
        var nextSeq = segment.firstSeq
        var offset: Int64 = 0
        var length = Self.rebuiltGroup
        while offset < size {
            var buffer = [UInt8](repeating: 0, count: Int(min(Int64(length), size - offset)))
            let count = try unsafe buffer.withMutableBytes { (bytes) throws(FileError) in
                try unsafe file.read(at: offset, into: bytes)
            }
            guard let last = buffer[..<count].lastIndex(of: UInt8(ascii: "\n")) else {
                guard count == length else { break }
                length *= 2
                continue
            }
            let whole = buffer[...last]
            let entry = IndexEntry(
                firstSeq: nextSeq, offset: offset, receivedAt: modified, connection: 0, durableOffset: 0,
                length: UInt32(whole.count),
                lines: whole.reduce(0) { $0 + ($1 == UInt8(ascii: "\n") ? 1 : 0) },
                checksum: unsafe whole.withUnsafeBytes { unsafe crc32(of: $0) })
            entry.encode(to: &made)
            nextSeq = entry.endSeq
            offset = entry.endOffset
        }
        try index.truncate(toCount: 0)
        try index.append(made)
    }

    /// Bytes that one entry of a rebuilt index stands for: readers load a group as a whole.
    private static let rebuiltGroup = 1 << 20
}
