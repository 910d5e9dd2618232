import Glibc

/// One durable line of the journal with what its index knows of it.
@safe
package struct JournalLine {
    /// Its number, dense per stream and journal, from 1.
    package let seq: Int64
    /// The bytes without the line end, valid only during the call that hands them out.
    package let bytes: UnsafeRawBufferPointer
    package let receivedAt: Timestamp
    /// Id of the connection it came on; 0 for none.
    package let connection: Int64
}

/// Reads the journal in order, never past what is durable.
///
/// Owned by one thread. To read a line again, make a new reader that begins there.
package struct JournalReader: ~Copyable {
    private let source: JournalSource
    private var segment: SegmentReader
    /// The number of the line that comes next.
    package private(set) var nextSeq: Int64

    /// Begins at a line, which need not be there yet.
    ///
    /// - Parameters:
    ///   - source: the journal.
    ///   - seq: the first line to read.
    /// - Throws: `Failure` (74) when the segment that holds the line is not there or cannot be read.
    package init(_ source: JournalSource, from seq: Int64) throws(Failure) {
        segment = try Self.find(seq, source)
        self.source = source
        nextSeq = seq
    }

    private static func find(_ seq: Int64, _ source: JournalSource) throws(Failure) -> SegmentReader {
        do {
            guard let first = try Segment.list(source.folder).last(where: { $0.firstSeq <= seq }) else {
                throw Failure(
                    .disk,
                    "\(source.folder) has no segment with line \(seq), which Kafka has not acknowledged yet."
                        + " Bring the segment back; nothing is skipped on its own.")
            }
            var reader = try SegmentReader(first)
            try reader.seek(to: seq, end: source.tail.end)
            return reader
        } catch let error as FileError {
            throw Failure(.disk, "journal: \(error)")
        } catch {
            throw error as? Failure ?? Failure(.disk, "journal: \(error)")
        }
    }

    /// Hands out up to `limit` durable lines; returns how many there were.
    package mutating func read(limit: Int, _ body: (JournalLine) throws -> Void) throws -> Int {
        var count = 0
        while count < limit {
            let end = source.tail.end
            guard nextSeq < end.seq else { break }
            if segment.isAtEnd(of: end) {
                guard segment.segment.firstSeq != end.segment else { break }
                segment = try SegmentReader(Segment(folder: source.folder, firstSeq: nextSeq))
            }
            count += try segment.read(limit: limit - count, end: end, body)
            nextSeq = segment.nextSeq
        }
        return count
    }
}

/// Reads one segment and its index side by side.
private struct SegmentReader: ~Copyable {
    let segment: Segment
    private let file: JournalFile
    private let index: SegmentIndex
    /// Bytes of a segment that is no longer written; asked for once.
    private let closedSize: Int64
    private(set) var nextSeq: Int64
    /// Where the next line begins in the file.
    private var offset: Int64 = 0
    private var entry: IndexEntry
    private var entryPosition = -1
    private var buffer: [UInt8] = []
    /// The part of `buffer` that holds bytes not handed out yet; its first byte stands at `offset` in the file.
    private var window = 0..<0

    private static let chunk = 1 << 18

    init(_ segment: Segment) throws(FileError) {
        let file = try JournalFile(reading: segment.path)
        let index = try SegmentIndex(segment)
        let status = try file.status()
        self.segment = segment
        self.file = file
        self.index = index
        closedSize = status.size
        nextSeq = segment.firstSeq
        entry = IndexEntry(
            firstSeq: segment.firstSeq, offset: 0, receivedAt: status.modified, connection: 0, durableOffset: 0)
    }

    private func endOffset(_ end: JournalTail.End) -> Int64 {
        end.segment == segment.firstSeq ? end.offset : closedSize
    }

    func isAtEnd(of end: JournalTail.End) -> Bool {
        offset >= endOffset(end)
    }

    /// Goes to a line of this segment, by the index and then line by line.
    mutating func seek(to seq: Int64, end: JournalTail.End) throws {
        let count = try index.count()
        let position = try index.position(of: seq, count: count)
        if let found = try index.entry(position), found.firstSeq <= seq {
            entryPosition = position
            entry = found
            nextSeq = found.firstSeq
            offset = found.offset
        }
        while nextSeq < seq, !isAtEnd(of: end) {
            _ = try read(limit: Int(min(seq - nextSeq, 10_000)), end: end) { _ in }
        }
    }

    mutating func read(limit: Int, end: JournalTail.End, _ body: (JournalLine) throws -> Void) throws -> Int {
        var count = 0
        while count < limit {
            guard let length = try nextLineLength(upTo: endOffset(end)) else { break }
            try advanceEntry()
            let start = window.lowerBound
            let line = start..<(start + length)
            try unsafe buffer.withUnsafeBytes { bytes in
                try body(
                    unsafe JournalLine(
                        seq: nextSeq, bytes: UnsafeRawBufferPointer(rebasing: bytes[line]),
                        receivedAt: entry.receivedAt, connection: entry.connection))
            }
            window = (start + length + 1)..<window.upperBound
            offset += Int64(length) + 1
            nextSeq += 1
            count += 1
        }
        return count
    }

    /// The length of the line at `offset` without its end; nil when no whole line lies before `limit`.
    private mutating func nextLineLength(upTo limit: Int64) throws(FileError) -> Int? {
        var searched = 0
        while true {
            let fresh = (window.lowerBound + searched)..<window.upperBound
            if let found = unsafe buffer.withUnsafeBytes({ unsafe firstLineFeed(in: $0, range: fresh) }) {
                return found - window.lowerBound
            }
            searched = window.count
            guard try fill(upTo: limit) else { return nil }
        }
    }

    /// Reads on behind the window; false when nothing is left before `limit`.
    private mutating func fill(upTo limit: Int64) throws(FileError) -> Bool {
        let filled = offset + Int64(window.count)
        let want = min(Int64(max(Self.chunk, window.count)), limit - filled)
        guard want > 0 else { return false }
        moveWindowToFront()
        if buffer.count < window.count + Int(want) {
            buffer.append(contentsOf: repeatElement(0, count: window.count + Int(want) - buffer.count))
        }
        let target = window.upperBound..<(window.upperBound + Int(want))
        let count = try unsafe buffer.withMutableBytes { (bytes) throws(FileError) in
            try unsafe file.read(at: filled, into: UnsafeMutableRawBufferPointer(rebasing: bytes[target]))
        }
        window = window.lowerBound..<(window.upperBound + count)
        return count > 0
    }

    private mutating func moveWindowToFront() {
        let window = window
        guard window.lowerBound > 0 else { return }
        unsafe buffer.withUnsafeMutableBytes { bytes in
            unsafe bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[window]))
        }
        self.window = 0..<window.count
    }

    /// Goes to the index entry that the next line belongs to. A damaged entry is passed over: the lines count, not it.
    private mutating func advanceEntry() throws(FileError) {
        guard entryPosition < 0 || nextSeq >= entry.endSeq else { return }
        while let count = try Optional(index.count()), entryPosition + 1 < count {
            entryPosition += 1
            guard let following = try index.entry(entryPosition) else { continue }
            entry = following
            if following.endSeq > nextSeq { return }
        }
    }
}

private func firstLineFeed(in bytes: UnsafeRawBufferPointer, range: Range<Int>) -> Int? {
    guard !range.isEmpty, let base = bytes.baseAddress,
        let found = unsafe memchr(base + range.lowerBound, 10, range.count)
    else { return nil }
    return unsafe UnsafeRawPointer(found) - base
}
