import Core
import Digests

/// The segment that is being written: its files, and what is not yet on the disk.
struct OpenSegment: ~Copyable {
    let segment: Segment
    let files: SegmentFiles
    /// Bytes handed to the system so far.
    private var written: Int64
    private var durable: Int64
    private var entriesWritten: Int
    private var durableEntries: Int
    private var lines: [UInt8] = []
    private var entries: [UInt8] = []
    /// The group that is being filled, and where its bytes begin in `lines`.
    private var group: IndexEntry?
    private var groupStart = 0

    init(_ segment: Segment, endOffset: Int64) throws(FileError) {
        let files = try SegmentFiles(segment)
        let count = try files.index.count()
        self.segment = segment
        self.files = files
        written = endOffset
        durable = endOffset
        entriesWritten = count
        durableEntries = count
    }

    /// The segment's size with what is still pending.
    var size: Int64 { written + Int64(lines.count) }
    /// Bytes not yet handed to the system.
    var pendingBytes: Int { lines.count }
    /// Bytes not yet on the disk.
    var unsyncedBytes: Int64 { size - durable }
    /// Bytes of lines and index that are on the disk.
    var durableBytes: Int64 { durable + Int64(durableEntries * IndexEntry.size) }

    /// When the first line was received; nil in an empty segment.
    func firstReceivedAt() throws(FileError) -> Timestamp? {
        size > 0 ? try files.index.entry(0)?.receivedAt : nil
    }

    /// Adds a line to what is pending; returns whether it begins a group.
    mutating func append(
        _ line: UnsafeRawBufferPointer, seq: Int64, receivedAt: Timestamp, connection: Int64
    ) -> Bool {
        let beginsGroup = group?.receivedAt != receivedAt || group?.connection != connection
        if beginsGroup {
            closeGroup()
            groupStart = lines.count
            group = IndexEntry(
                firstSeq: seq, offset: size, receivedAt: receivedAt, connection: connection, durableOffset: durable)
        }
        unsafe lines.append(contentsOf: line)
        lines.append(UInt8(ascii: "\n"))
        group?.lines += 1
        return beginsGroup
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
        FailPoint.append.pass()
        try files.index.append(entries)
        FailPoint.append.pass()
        try unsafe lines.withBytes { (buffer) throws(FileError) in
            #if DEBUG
                // A process can die between two parts of one write, too.
                let half = unsafe UnsafeRawBufferPointer(rebasing: buffer[..<(buffer.count / 2)])
                try unsafe files.lines.append(half)
                try FailPoint.append.pass(on: segment.path)
                try unsafe files.lines.append(UnsafeRawBufferPointer(rebasing: buffer[half.count...]))
            #else
                try unsafe files.lines.append(buffer)
            #endif
        }
        FailPoint.append.pass()
        written += Int64(lines.count)
        entriesWritten += entries.count / IndexEntry.size
        entries.removeAll(keepingCapacity: true)
        lines.removeAll(keepingCapacity: true)
    }

    /// Returns when everything appended is on the disk.
    mutating func synchronize() throws(FileError) {
        try write()
        try files.synchronize()
        settle(written: mark)
    }

    /// What was handed to the system so far.
    struct Mark {
        fileprivate var bytes: Int64
        fileprivate var entries: Int
    }

    var mark: Mark { Mark(bytes: written, entries: entriesWritten) }

    /// Takes note that what had been written at a mark is on the disk.
    mutating func settle(written mark: Mark) {
        durable = mark.bytes
        durableEntries = mark.entries
    }

    /// Takes back everything that is not durable, after a write or fsync has failed.
    ///
    /// - Throws: `FileError` when the files cannot be cut.
    mutating func cutToDurable() throws(FileError) {
        group = nil
        entries.removeAll()
        lines.removeAll()
        try files.lines.truncate(to: durable)
        try files.index.truncate(toCount: durableEntries)
        written = durable
        entriesWritten = durableEntries
    }
}
