import Core

/// Reads the journal in order, never past what is durable.
///
/// Owned by one thread. To read a line again, make a new reader that begins there.
package struct JournalReader: ~Copyable {
    private let source: JournalSource
    private var segment: SegmentReader
    private(set) var segments: SegmentList
    /// The number of the line that comes next.
    package private(set) var nextSeq: Int64
    /// Lines that were dropped to make room, and passed over since `takeSkipped()`.
    private var skipped: [ClosedRange<Int64>] = []

    /// Begins at a line, which need not be there yet.
    ///
    /// - Parameters:
    ///   - source: the journal.
    ///   - seq: the first line to read.
    /// - Throws: `JournalError`: `operator` when the segment that holds the line is not there or cannot be read; 75 when only
    ///   file descriptors are lacking.
    package init(_ source: JournalSource, from seq: Int64) throws(JournalError) {
        var segments = SegmentList(folder: source.folder)
        let segment = try Self.find(seq, source, &segments)
        if segment.nextSeq > seq { skipped = [seq...(segment.nextSeq - 1)] }
        nextSeq = segment.nextSeq
        self.segment = segment
        self.segments = segments
        self.source = source
    }

    /// Begins at most `count` lines before the durable end, as far back as the last segment goes.
    ///
    /// - Throws: `JournalError`: `operator` when that segment cannot be read.
    package init(_ source: JournalSource, lastLines count: Int64) throws(JournalError) {
        let end = source.tail.end
        try self.init(source, from: max(end.segment, end.seq - count))
    }

    /// Lines that will never come, because they were dropped to make room (JOURNAL_FULL=drop-oldest).
    package mutating func takeSkipped() -> [ClosedRange<Int64>] {
        defer { skipped = [] }
        return skipped
    }

    /// Goes to a line, or to the first one after it that was not dropped.
    private static func find(
        _ seq: Int64, _ source: JournalSource, _ segments: inout SegmentList
    ) throws(JournalError) -> SegmentReader {
        do {
            if let reader = try open(seq, source, &segments) { return reader }
            guard let next = try afterDropped(seq, source) else { throw hole(seq, source) }
            return try find(next, source, &segments)
        } catch {
            throw JournalError(error)
        }
    }

    /// Opens the segment with a line and goes there; nil when there is none.
    private static func open(
        _ seq: Int64, _ source: JournalSource, _ segments: inout SegmentList
    ) throws -> SegmentReader? {
        // Known segments may have been dropped meanwhile: the second attempt lists the folder again.
        for _ in 0..<2 {
            do {
                guard let found = try segments.segment(of: seq) else { return nil }
                let end = source.tail.end
                var reader = try SegmentReader(found)
                try close(&reader, end, &segments)
                try reader.seek(to: seq, end: end)
                if reader.nextSeq == seq { return reader }
            } catch let error as FileError where error.isMissingFile {}
            segments.forget()
        }
        return nil
    }

    /// Gives the reader of a segment that is no longer written its end.
    private static func close(
        _ reader: inout SegmentReader, _ end: JournalTail.End, _ segments: inout SegmentList
    ) throws(FileError) {
        guard end.segment > reader.segment.firstSeq, !reader.isClosed else { return }
        try reader.close(before: segments.following(reader.segment)?.firstSeq ?? end.seq)
    }

    private static func afterDropped(_ seq: Int64, _ source: JournalSource) throws -> Int64? {
        var next: Int64?
        try Manifest.read(folder: source.archive) { _, entry in
            if let entry, entry.event == .dropped, (entry.firstSeq...entry.lastSeq).contains(seq) {
                next = entry.lastSeq + 1
            }
        }
        return next
    }

    private static func hole(_ seq: Int64, _ source: JournalSource) -> JournalError {
        JournalError(
            .operator(.disk),
            "\(source.folder) has no segment with line \(seq), which Kafka has not acknowledged yet."
                + " Bring the segment back; nothing is skipped on its own.")
    }

    /// Hands out durable lines.
    ///
    /// - Parameters:
    ///   - limit: how many at most.
    ///   - bytes: limit of the total size of the lines.
    ///   - body: gets one after the other.
    /// - Returns: how many there were.
    /// - Throws: `JournalError`: `operator` when lines are missing, 75 when there is no file descriptor, `FileError`, or what `body`
    ///   throws; lines that were handed out before are not handed out again.
    package mutating func read(
        limit: Int, bytes: Int = .max, _ body: (JournalLine) throws -> Void
    ) throws -> Int {
        var (count, room) = (0, bytes)
        while count < limit, room > 0 {
            let end = source.tail.end
            guard nextSeq < end.seq else { break }
            try Self.close(&segment, end, &segments)
            if try segment.isAtEnd(of: end) {
                guard segment.segment.firstSeq != end.segment else { break }
                segment = try Self.find(nextSeq, source, &segments)
                if segment.nextSeq > nextSeq {
                    skipped.append(nextSeq...(segment.nextSeq - 1))
                    nextSeq = segment.nextSeq
                    continue
                }
            }
            let read = try segment.read(limit: limit - count, bytes: room, end: end) { line in
                room -= unsafe line.bytes.count
                try body(line)
            }
            count += read
            nextSeq = segment.nextSeq
            guard read > 0 else { throw Self.hole(nextSeq, source) }
        }
        return count
    }
}
