/// The segment that is being written: its file, its index, and what is not yet on the disk.
///
/// The index goes to the disk first, so that every line that is durable has its entry; an entry without its lines
/// is cut off by recovery.
struct OpenSegment: ~Copyable {
    let segment: Segment
    private let file: JournalFile
    private let index: SegmentIndex
    /// Bytes handed to the system so far.
    private var written: Int64
    private var durable: Int64
    private var lines: [UInt8] = []
    private var entries: [UInt8] = []
    /// The group that is being filled, and where its bytes begin in `lines`.
    private var group: IndexEntry?
    private var groupStart = 0

    init(_ segment: Segment, endOffset: Int64) throws(FileError) {
        let file = try JournalFile(appendingTo: segment.path)
        let index = try SegmentIndex(segment)
        self.segment = segment
        self.file = file
        self.index = index
        written = endOffset
        durable = endOffset
    }

    /// The segment's size with what is still pending.
    var size: Int64 { written + Int64(lines.count) }
    /// Bytes not yet handed to the system.
    var pendingBytes: Int { lines.count }
    /// Bytes not yet on the disk.
    var unsyncedBytes: Int64 { size - durable }

    mutating func append(_ line: UnsafeRawBufferPointer, seq: Int64, receivedAt: Timestamp, connection: Int64) {
        if group?.receivedAt != receivedAt || group?.connection != connection {
            closeGroup()
            groupStart = lines.count
            group = IndexEntry(
                firstSeq: seq, offset: size, receivedAt: receivedAt, connection: connection, durableOffset: durable)
        }
        unsafe lines.append(contentsOf: line)
        lines.append(UInt8(ascii: "\n"))
        group?.lines += 1
    }

    private mutating func closeGroup() {
        guard var closed = group else { return }
        closed.length = UInt32(lines.count - groupStart)
        closed.checksum = unsafe lines[groupStart...].withUnsafeBytes { unsafe crc32(of: $0) }
        closed.encode(to: &entries)
        group = nil
    }

    /// Hands what is pending to the system, without waiting for the disk.
    mutating func write() throws(FileError) {
        closeGroup()
        guard !lines.isEmpty else { return }
        try index.append(entries)
        try unsafe lines.withBytes { (buffer) throws(FileError) in try unsafe file.append(buffer) }
        written += Int64(lines.count)
        entries.removeAll(keepingCapacity: true)
        lines.removeAll(keepingCapacity: true)
    }

    /// Returns when everything appended is on the disk.
    mutating func synchronize() throws(FileError) {
        try write()
        try index.synchronize()
        try file.synchronize()
        durable = written
    }
}
