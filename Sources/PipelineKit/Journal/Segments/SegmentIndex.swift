import Core
import Digests

/// One entry of a segment's index: a group of lines that were received together.
///
/// It holds what the lines do not (when and on which connection they were received), where they are, and the
/// checksum by which recovery distinguishes a group that reached the disk from one that did not.
package struct IndexEntry: Equatable, Sendable {
    /// Sequence number of the group's first line.
    var firstSeq: Int64
    /// Where the group begins in the segment, in bytes.
    var offset: Int64
    var receivedAt: Timestamp
    /// Id of the connection; 0 for lines that came from no connection.
    var connection: Int64
    /// How much of the segment was on the disk when this entry was written: what lies before needs no checking.
    var durableOffset: Int64
    /// Bytes of the group, line ends included.
    var length: UInt32
    var lines: UInt32
    /// CRC-32 (as of gzip) of the group's bytes.
    var checksum: UInt32

    /// The sequence number after the group's last line.
    package var endSeq: Int64 { firstSeq + Int64(lines) }
    /// The byte after the group.
    package var endOffset: Int64 { offset + Int64(length) }

    /// Bytes of an entry in the file: five numbers of 64 bits and four of 32, little-endian, the last one the
    /// entry's own CRC-32, then zeros.
    static let size = 64

    /// Appends the entry as it stands in the file.
    func encode(to bytes: inout [UInt8]) {
        let start = bytes.count
        for number in [firstSeq, offset, receivedAt.milliseconds, connection, durableOffset] {
            unsafe withUnsafeBytes(of: number.littleEndian) { unsafe bytes.append(contentsOf: $0) }
        }
        for number in [length, lines, checksum] {
            unsafe withUnsafeBytes(of: number.littleEndian) { unsafe bytes.append(contentsOf: $0) }
        }
        let own = unsafe bytes[start...].withUnsafeBytes { unsafe crc32(of: $0) }
        unsafe withUnsafeBytes(of: own.littleEndian) { unsafe bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: repeatElement(0, count: start + Self.size - bytes.count))
    }

    /// Reads an entry; nil when its own checksum does not fit.
    init?(_ bytes: ArraySlice<UInt8>) {
        guard bytes.count == Self.size else { return nil }
        let start = bytes.startIndex
        func number<Integer: FixedWidthInteger>(at offset: Int, as type: Integer.Type) -> Integer {
            let range = (start + offset)..<(start + offset + MemoryLayout<Integer>.size)
            return unsafe Integer(littleEndian: bytes[range].withUnsafeBytes { unsafe $0.loadUnaligned(as: type) })
        }
        let own = unsafe bytes[start..<(start + 52)].withUnsafeBytes { unsafe crc32(of: $0) }
        guard own == number(at: 52, as: UInt32.self) else { return nil }
        firstSeq = number(at: 0, as: Int64.self)
        offset = number(at: 8, as: Int64.self)
        receivedAt = Timestamp(milliseconds: number(at: 16, as: Int64.self))
        connection = number(at: 24, as: Int64.self)
        durableOffset = number(at: 32, as: Int64.self)
        length = number(at: 40, as: UInt32.self)
        lines = number(at: 44, as: UInt32.self)
        checksum = number(at: 48, as: UInt32.self)
    }

    init(
        firstSeq: Int64, offset: Int64, receivedAt: Timestamp, connection: Int64, durableOffset: Int64,
        length: UInt32 = 0, lines: UInt32 = 0, checksum: UInt32 = 0
    ) {
        self.firstSeq = firstSeq
        self.offset = offset
        self.receivedAt = receivedAt
        self.connection = connection
        self.durableOffset = durableOffset
        self.length = length
        self.lines = lines
        self.checksum = checksum
    }
}

/// The index file of one segment, read by position.
package struct SegmentIndex: ~Copyable {
    private let file: JournalFile

    init(_ segment: Segment) throws(FileError) {
        file = try JournalFile(appendingTo: segment.indexPath)
    }

    /// Opens it for reading; a missing file counts as one without entries.
    package init(reading segment: Segment) throws(FileError) {
        do { file = try JournalFile(reading: segment.indexPath) } catch {
            guard error.isMissingFile else { throw error }
            file = try JournalFile(reading: "/dev/null")
        }
    }

    /// How many whole entries the file has.
    func count() throws(FileError) -> Int {
        Int(try file.status().size) / IndexEntry.size
    }

    /// The entry at a position; nil past the end or when it is damaged.
    func entry(_ position: Int) throws(FileError) -> IndexEntry? {
        var bytes = [UInt8](repeating: 0, count: IndexEntry.size)
        let count = try unsafe bytes.withMutableBytes { (buffer) throws(FileError) in
            try unsafe file.read(at: Int64(position * IndexEntry.size), into: buffer)
        }
        return count == IndexEntry.size ? IndexEntry(bytes[...]) : nil
    }

    /// The position of the last entry among the first `count` that begins at or before `seq`; 0 when none does.
    func position(of seq: Int64, count: Int) throws(FileError) -> Int {
        var low = 0
        var high = count
        while high - low > 1 {
            let middle = (low + high) / 2
            guard let entry = try entry(middle), entry.firstSeq <= seq else {
                high = middle
                continue
            }
            low = middle
        }
        return low
    }

    /// The last entry whose lines are all within a segment of `size` bytes; nil when there is none.
    package func lastWhole(size: Int64) throws(FileError) -> IndexEntry? {
        var position = try count() - 1
        while position >= 0 {
            if let entry = try entry(position), entry.endOffset <= size { return entry }
            position -= 1
        }
        return nil
    }

    func append(_ bytes: [UInt8]) throws(FileError) {
        try unsafe bytes.withBytes { (buffer) throws(FileError) in try unsafe file.append(buffer) }
    }

    func synchronize() throws(FileError) {
        try file.synchronize()
    }

    /// Keeps only the first `count` entries.
    func truncate(toCount count: Int) throws(FileError) {
        try file.truncate(to: Int64(count * IndexEntry.size))
    }
}
