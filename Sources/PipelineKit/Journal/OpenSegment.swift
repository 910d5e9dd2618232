import Core
import Digests

/// The segment that is being written: its two files, and how much of them is on the disk.
struct OpenSegment: ~Copyable {
    let segment: Segment
    private let lines: JournalFile
    private let index: SegmentIndex
    /// Bytes of lines that are on the disk.
    private(set) var size: Int64
    private var durableEntries: Int

    /// Opens the files of a segment, or creates them.
    ///
    /// - Parameters:
    ///   - segment: which.
    ///   - endOffset: where its last good line ends.
    /// - Throws: `FileError` when they cannot be opened.
    init(_ segment: Segment, endOffset: Int64) throws(FileError) {
        let lines = try JournalFile(appendingTo: segment.path)
        let index = try SegmentIndex(segment)
        durableEntries = try index.count()
        self.segment = segment
        self.lines = lines
        self.index = index
        size = endOffset
    }

    /// When the first line was received; nil in an empty segment.
    func firstReceivedAt() throws(FileError) -> Timestamp? {
        size > 0 ? try index.entry(0)?.receivedAt : nil
    }

    /// Appends lines; they are on the disk when it returns. The index goes first, so that every line that is durable has its
    /// entry; an entry without its lines is cut off by recovery.
    ///
    /// - Throws: `FileError` when the disk refuses: what of them is there is unknown then, until `cutToDurable()`.
    mutating func append(_ pending: borrowing PendingLines) throws(FileError) {
        let entries = entries(of: pending)
        FailPoint.append.pass()
        try index.append(entries)
        FailPoint.append.pass()
        try unsafe pending.bytes.withBytes { (buffer) throws(FileError) in
            #if FAIL_POINTS
                // A process can die between two parts of one write, too.
                let half = unsafe UnsafeRawBufferPointer(rebasing: buffer[..<(buffer.count / 2)])
                try unsafe lines.append(half)
                try FailPoint.append.pass(on: segment.path)
                try unsafe lines.append(UnsafeRawBufferPointer(rebasing: buffer[half.count...]))
            #else
                try unsafe lines.append(buffer)
            #endif
        }
        FailPoint.append.pass()
        FailPoint.fsync.pass()
        try index.synchronize()
        try FailPoint.fsync.pass(on: lines.path)
        try lines.synchronize()
        FailPoint.fsync.pass()
        size += Int64(pending.bytes.count)
        durableEntries += pending.groups.count
    }

    /// The entries as they stand in the file.
    private func entries(of pending: borrowing PendingLines) -> [UInt8] {
        var encoded: [UInt8] = []
        encoded.reserveCapacity(pending.groups.count * IndexEntry.size)
        unsafe pending.bytes.withUnsafeBytes { bytes in
            for var entry in pending.groups {
                let place = Int(entry.offset)..<Int(entry.endOffset)
                entry.checksum = unsafe crc32(of: UnsafeRawBufferPointer(rebasing: bytes[place]))
                entry.offset += size
                entry.durableOffset = size
                entry.encode(to: &encoded)
            }
        }
        return encoded
    }

    /// Takes back everything that is not durable, after a write or fsync has failed.
    ///
    /// - Throws: `FileError` when the files cannot be cut.
    func cutToDurable() throws(FileError) {
        try lines.truncate(to: size)
        try index.truncate(toCount: durableEntries)
    }
}
