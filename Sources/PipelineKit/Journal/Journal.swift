import Glibc

/// The append side of the journal: every line of one stream, in the order received, as plain JSON Lines.
///
/// A line counts as received when `sync()` has returned. Owned by the thread that reads the stream; the publisher
/// follows through `source` and a `JournalReader`.
package final class Journal {
    /// When pending lines are made durable, and when a new segment begins.
    package struct Options: Sendable {
        /// The longest a line waits for its fsync.
        package var syncDelay: Duration = .milliseconds(10)
        /// Pending bytes that are made durable without waiting.
        package var syncBytes = 1 << 20
        /// A segment that has grown to this many bytes is followed by a new one.
        package var segmentBytes: Int64 = 64 << 20

        package init() {}
    }

    /// How another thread follows this journal.
    package let source: JournalSource
    /// What recovery found when the journal was opened.
    package let recovery: JournalRecovery

    private let options: Options
    private let lock: JournalFile
    private var segment: OpenSegment
    private var nextSeq: Int64
    private var pendingSince: ContinuousClock.Instant?
    /// Set by a failed write or fsync: what the disk holds is unknown from then on, so nothing is acknowledged any more.
    private var failure: FileError?

    /// Opens or creates the journal of a stream below `folder`, and recovers it after a crash.
    ///
    /// - Throws: `Failure` 74 when the folder cannot be used, 75 when another process has it, 78 for a bad stream name.
    package static func open(folder: String, stream: String, options: Options = Options()) throws(Failure) -> Journal {
        let isPlain = stream.utf8.allSatisfy { byte in
            (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                || [45, 46, 95].contains(byte)
        }
        guard isPlain, (1...64).contains(stream.utf8.count), !stream.hasPrefix(".") else {
            throw Failure(
                .badSettings, "STREAM_NAME (--stream): '\(stream)' must be 1 to 64 letters, digits, '-', '_' or '.'")
        }
        do {
            return try Journal(path: folder + "/" + stream, stream: stream, options: options)
        } catch let error as FileError {
            throw Failure(
                .disk, "journal folder \(folder): \(error). Choose a writable folder with JOURNAL_DIR (--journal).")
        } catch {
            throw error as? Failure ?? Failure(.disk, "journal folder \(folder): \(error)")
        }
    }

    private init(path: String, stream: String, options: Options) throws {
        try JournalFolder.create(path)
        lock = try JournalFile(appendingTo: path + "/lock")
        guard try lock.lock() else {
            let holder = try readTextFile(path + "/lock").split(separator: "\n").last.map { " (\($0))" } ?? ""
            throw Failure(.tryAgain, "another tweet-producer\(holder) holds the journal \(path); stop it first")
        }
        try lock.truncate(to: 0)
        try lock.append(text: "pid \(getpid()) since \(Timestamp.now())\n")
        let identity = try JournalIdentity.readOrCreate(folder: path, stream: stream)
        let checkpoint = try Checkpoint.read(from: path, journal: identity.journal)
        recovery = try JournalRecovery.run(folder: path, acknowledged: checkpoint?.acknowledged ?? 0)
        segment = try OpenSegment(recovery.segment, endOffset: recovery.endOffset)
        nextSeq = recovery.nextSeq
        self.options = options
        let end = JournalTail.End(seq: nextSeq, segment: recovery.segment.firstSeq, offset: recovery.endOffset)
        source = JournalSource(stream: stream, journal: identity.journal, folder: path, tail: JournalTail(end))
    }

    /// Appends one line, given without its line end. It is not durable before `sync()`.
    ///
    /// - Parameters:
    ///   - line: the bytes as they came; they must not hold a line feed.
    ///   - receivedAt: when they came.
    ///   - connection: id of the connection they came on, 0 for none.
    /// - Throws: `FileError` when the disk refuses; nothing appended since the last `sync()` counts as received then.
    package func append(
        _ line: UnsafeRawBufferPointer, receivedAt: Timestamp, connection: Int64
    ) throws(FileError) {
        if let failure { throw failure }
        if segment.size >= options.segmentBytes { try roll() }
        if pendingSince == nil { pendingSince = .now }
        unsafe segment.append(line, seq: nextSeq, receivedAt: receivedAt, connection: connection)
        nextSeq += 1
        if segment.pendingBytes >= options.syncBytes {
            try guarded { (segment) throws(FileError) in try segment.write() }
        }
    }

    /// Appends an event in its place among the lines.
    package func append(_ event: PipelineEvent, connection: Int64 = 0) throws(FileError) {
        let line = event.line
        try unsafe line.withBytes { (bytes) throws(FileError) in
            try unsafe append(bytes, receivedAt: .now(), connection: connection)
        }
    }

    /// How long pending lines may still wait for `sync()`: nil when there are none, zero or less when it is due.
    package var timeToSync: Duration? {
        guard let pendingSince else { return nil }
        if segment.unsyncedBytes >= options.syncBytes { return .zero }
        return options.syncDelay - pendingSince.duration(to: .now)
    }

    /// Makes everything appended durable, and shows it to the publisher.
    ///
    /// - Throws: `FileError` when the disk refuses. After that the journal takes nothing more: which part of the group
    ///   reached the disk is unknown, and only a new start, with its recovery, can tell.
    package func sync() throws(FileError) {
        if let failure { throw failure }
        guard pendingSince != nil else { return }
        try guarded { (segment) throws(FileError) in try segment.synchronize() }
        pendingSince = nil
        source.tail.publish(JournalTail.End(seq: nextSeq, segment: segment.segment.firstSeq, offset: segment.size))
    }

    private func roll() throws(FileError) {
        guard segment.segment.firstSeq != nextSeq else { return }
        try sync()
        let following = Segment(folder: source.folder, firstSeq: nextSeq)
        try guarded { (segment) throws(FileError) in
            segment = try OpenSegment(following, endOffset: 0)
            try JournalFolder.synchronize(following.folder)
        }
    }

    private func guarded(_ work: (inout OpenSegment) throws(FileError) -> Void) throws(FileError) {
        do { try work(&segment) } catch {
            failure = error
            throw error
        }
    }
}
