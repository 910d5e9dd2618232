import Core
import Digests

/// Reads one segment, group by group according to its index, and checks every group's checksum.
///
/// Numbers come from the index, so that a damaged group changes the numbers of no other line. Where the index itself
/// is damaged or gone, lines are counted.
package struct SegmentReader: ~Copyable {
    let segment: Segment
    private let file: JournalFile
    private let index: SegmentIndex
    /// Where the segment ends, once it is no longer written.
    private var closedEnd: End?
    private(set) var nextSeq: Int64
    /// Where the next group begins in the file.
    private var offset: Int64 = 0
    /// Position of the next group's entry in the index.
    private var position = 0
    private var group: Group
    /// The bytes that were read last; it grows to the longest group.
    private var buffer: [UInt8] = []

    /// What can be read: before this byte and before this number.
    private struct End {
        var offset: Int64
        var seq: Int64
    }

    /// The group whose lines are being handed out; they stand in `buffer`.
    private struct Group {
        var entry: IndexEntry
        var isDamaged = false
        var linesLeft: UInt32 = 0
        /// The bytes of `buffer` not handed out yet.
        var bytes = 0..<0
    }

    private static let chunk = 1 << 20

    /// - Parameter segment: what to read.
    /// - Throws: `FileError` when the segment or its index cannot be opened.
    package init(_ segment: Segment) throws(FileError) {
        let file = try JournalFile(reading: segment.path)
        let index = try SegmentIndex(reading: segment)
        let modified = try file.status().modified
        self.segment = segment
        self.file = file
        self.index = index
        nextSeq = segment.firstSeq
        group = Group(
            entry: IndexEntry(
                firstSeq: segment.firstSeq, offset: 0, receivedAt: modified, connection: 0, durableOffset: 0))
    }

    /// Whether every line before `end` was handed out.
    mutating func isAtEnd(of end: JournalTail.End) throws(FileError) -> Bool {
        let end = try readableEnd(end)
        return group.linesLeft == 0 && (offset >= end.offset || nextSeq >= end.seq)
    }

    /// A segment that was followed while it was written may have grown since, so its end is asked for when it is closed.
    private mutating func readableEnd(_ end: JournalTail.End) throws(FileError) -> End {
        if end.segment == segment.firstSeq { return End(offset: end.offset, seq: end.seq) }
        if let closedEnd { return closedEnd }
        // The writer has made this segment, and not yet published a line of it.
        if end.segment < segment.firstSeq { return End(offset: 0, seq: segment.firstSeq) }
        let found = End(offset: try file.status().size, seq: end.seq)
        closedEnd = found
        return found
    }

    /// Whether it is known where the segment ends.
    var isClosed: Bool { closedEnd != nil }

    /// Takes note that the segment is written no more.
    ///
    /// After a failed write it may hold bytes behind its last good line: the number of the next one's first line is the
    /// limit.
    mutating func close(before seq: Int64) throws(FileError) {
        closedEnd = End(offset: try file.status().size, seq: seq)
    }

    /// Goes to a line of this segment, by the index and then line by line.
    mutating func seek(to seq: Int64, end: JournalTail.End) throws {
        let count = try index.count()
        let place = try index.position(of: seq, count: count)
        if let found = try index.entry(place), found.firstSeq <= seq {
            position = place
            nextSeq = found.firstSeq
            offset = found.offset
        }
        while nextSeq < seq, try read(limit: Int(min(seq - nextSeq, 10_000)), end: end, { _ in }) > 0 {}
    }

    /// Returns up to `limit` lines before `end`, at most the given number of bytes in all; returns their number.
    package mutating func read(
        limit: Int, bytes: Int = .max, end: JournalTail.End, _ body: (JournalLine) throws -> Void
    ) throws -> Int {
        var (count, room) = (0, bytes)
        while count < limit, room > 0 {
            if group.linesLeft == 0 {
                guard try loadGroup(before: readableEnd(end)) else { break }
            }
            let line = cutLine()
            try unsafe buffer.withUnsafeBytes { bytes in
                try body(
                    unsafe JournalLine(
                        seq: nextSeq, bytes: UnsafeRawBufferPointer(rebasing: bytes[line]),
                        receivedAt: group.entry.receivedAt, connection: group.entry.connection,
                        isDamaged: group.isDamaged))
            }
            nextSeq += 1
            count += 1
            room -= line.count
        }
        return count
    }

    /// The next line's place in the buffer. A damaged group is cut into as many lines as it had, whatever it holds.
    private mutating func cutLine() -> Range<Int> {
        let bytes = group.bytes
        group.linesLeft -= 1
        let found =
            group.linesLeft == 0 && group.isDamaged
            ? nil
            : unsafe buffer.withUnsafeBytes { buffer in
                unsafe UnsafeRawBufferPointer(rebasing: buffer[bytes]).firstLineFeed.map { bytes.lowerBound + $0 }
            }
        guard let end = found else {
            group.bytes = bytes.upperBound..<bytes.upperBound
            let hasLineEnd = buffer[bytes].last == UInt8(ascii: "\n")
            return bytes.lowerBound..<(bytes.upperBound - (hasLineEnd ? 1 : 0))
        }
        group.bytes = (end + 1)..<bytes.upperBound
        return bytes.lowerBound..<end
    }

    /// Loads the next group; false when there is none before `end`.
    private mutating func loadGroup(before end: End) throws(FileError) -> Bool {
        guard offset < end.offset, nextSeq < end.seq else { return false }
        guard var entry = try nextEntry() else { return try loadUnindexed(before: end) }
        if entry.firstSeq > nextSeq || entry.offset > offset {
            // An entry between is damaged: what lies before the next good one is known, but not its checksum.
            entry = IndexEntry(
                firstSeq: nextSeq, offset: offset, receivedAt: group.entry.receivedAt,
                connection: group.entry.connection, durableOffset: 0,
                length: UInt32(clamping: entry.offset - offset), lines: UInt32(clamping: entry.firstSeq - nextSeq))
            try load(entry, length: Int(entry.length), isChecked: false)
        } else {
            position += 1
            let length = min(Int64(entry.length), end.offset - entry.offset)
            try load(entry, length: Int(length), isChecked: true)
        }
        return group.linesLeft > 0
    }

    /// The next entry that can be read and is not behind us.
    private mutating func nextEntry() throws(FileError) -> IndexEntry? {
        let count = try index.count()
        while position < count {
            if let entry = try index.entry(position), entry.firstSeq >= nextSeq, entry.offset >= offset, entry.lines > 0
            {
                return entry
            }
            position += 1
        }
        return nil
    }

    private mutating func load(_ entry: IndexEntry, length: Int, isChecked: Bool) throws(FileError) {
        let bytes = try fill(length, at: entry.offset)
        let isIntact = unsafe !isChecked || buffer[bytes].withUnsafeBytes { unsafe crc32(of: $0) } == entry.checksum
        let isDamaged = bytes.count < Int(entry.length) || !isIntact
        group = Group(entry: entry, isDamaged: isDamaged, linesLeft: entry.lines, bytes: bytes)
        offset = entry.endOffset
    }

    /// Loads whole lines that no entry covers.
    private mutating func loadUnindexed(before end: End) throws(FileError) -> Bool {
        var length = Self.chunk
        while true {
            let place = try fill(Int(min(Int64(length), end.offset - offset)), at: offset)
            let bytes = buffer[place]
            let whole = bytes.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
            if whole == 0, place.count == length {
                length *= 2
                continue
            }
            let lines = bytes[..<whole].reduce(0) { $0 + ($1 == UInt8(ascii: "\n") ? 1 : 0) }
            group.entry.firstSeq = nextSeq
            group.isDamaged = false
            group.linesLeft = UInt32(min(Int64(lines), end.seq - nextSeq))
            group.bytes = place.prefix(whole)
            offset += Int64(whole)
            return lines > 0
        }
    }

    /// Reads up to `length` bytes; returns where in `buffer` they stand.
    private mutating func fill(_ length: Int, at offset: Int64) throws(FileError) -> Range<Int> {
        let length = max(0, length)
        if buffer.count < length { buffer = [UInt8](repeating: 0, count: max(length, Self.chunk)) }
        let count = try unsafe buffer.withMutableBytes { (bytes) throws(FileError) in
            try unsafe file.read(at: offset, into: UnsafeMutableRawBufferPointer(rebasing: bytes[..<length]))
        }
        return 0..<count
    }
}
