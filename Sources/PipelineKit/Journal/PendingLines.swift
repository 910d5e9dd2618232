import Core

/// Lines that have their numbers and are not on the disk yet, as they are to stand in a segment.
struct PendingLines {
    /// The number of the first line.
    private(set) var firstSeq: Int64
    /// The number after the last line.
    private(set) var endSeq: Int64
    /// Whether a new segment begins with them, because the one before is full.
    private(set) var beginsSegment: Bool
    /// The lines with their line ends.
    private(set) var bytes: [UInt8]
    /// One entry for lines in a row that were received at the same time on the same connection. Offsets count from the first
    /// of `bytes`; `OpenSegment` knows the place in the file, and the checksums.
    private(set) var groups: [IndexEntry]
    /// How the stream stood behind the last line.
    var last = LastLine()

    /// - Parameters:
    ///   - firstSeq: the number of the line that comes first.
    ///   - beginsSegment: whether it is the first of its segment.
    init(from firstSeq: Int64, beginsSegment: Bool = false) {
        self.firstSeq = firstSeq
        self.beginsSegment = beginsSegment
        endSeq = firstSeq
        (bytes, groups) = ([], [])
    }

    /// Forgets its lines, which are on the disk, and keeps their memory for others; nobody else may hold them.
    mutating func reuse(from seq: Int64) {
        bytes.removeAll(keepingCapacity: true)
        groups.removeAll(keepingCapacity: true)
        (firstSeq, endSeq, beginsSegment, last) = (seq, seq, false, LastLine())
    }

    var isEmpty: Bool { groups.isEmpty }

    /// Bytes that lines and index will have on the disk.
    var diskBytes: Int64 { Int64(bytes.count + groups.count * IndexEntry.size) }

    /// Adds a line, given without its line end.
    mutating func append(_ line: UnsafeRawBufferPointer, receivedAt: Timestamp, connection: Int64) {
        if groups.last?.receivedAt != receivedAt || groups.last?.connection != connection {
            groups.append(
                IndexEntry(
                    firstSeq: endSeq, offset: Int64(bytes.count), receivedAt: receivedAt, connection: connection,
                    durableOffset: 0))
        }
        unsafe bytes.append(contentsOf: line)
        bytes.append(UInt8(ascii: "\n"))
        groups[groups.count - 1].length += UInt32(line.count + 1)
        groups[groups.count - 1].lines += 1
        endSeq += 1
    }
}

/// How the stream stood behind a line: what the note of an interruption needs.
struct LastLine: Sendable {
    /// The connection that was open; 0 for none.
    var connection: Int64 = 0
    var receivedAt: Timestamp?
}
