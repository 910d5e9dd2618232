import Core
import Glibc
import Synchronization
import TweetFormat

/// The append side of the journal: every line of one stream, in the order received, as plain JSON Lines.
///
/// One locked object. Any thread appends; that is a copy in memory, under a lock that is never held for a disk. A thread of
/// the journal's own (`JournalWriter`) brings what was appended to the disk, `syncDelay` or `syncBytes` after the first line
/// of a group. A line counts as received when the disk has it: when `sync()` has returned, or `isDurable` says so. The
/// publisher follows through `source` and a `JournalReader`.
///
/// The folder of a stream, in short (`docs/journal.md` has every byte):
///
///     journal.json                 8 hexadecimal digits that name the journal for ever; its stream; when it was made
///     00000000000000000001.jsonl   a segment, named by its first line's number: lines, each with a line feed
///     00000000000000000001.idx     its index: 64 bytes for each group of lines received together (`IndexEntry`)
///     checkpoint.json              up to which number Kafka has acknowledged
///     lock                         held by the process that writes; which that is, and how the journal is
///     reserve                      room on the disk for what must be written when it is full
///     archive/                     closed and acknowledged segments, and `manifest.jsonl`, which lists them
///
/// Numbers are dense: a line's number is its segment's name plus its place in it. An index entry reaches the disk before the
/// lines that it describes, so recovery cuts what is no whole group (`JournalRecovery`). A failed write or fsync leaves unknown
/// what the disk holds, so nothing is accepted until `recover()` has taken the group back.
package final class Journal: Sendable {
    /// How another thread follows this journal.
    package let source: JournalSource
    /// What recovery found when the journal was opened.
    package let recovery: JournalRecovery
    /// Gives the signs of life of the thread that waits for the disk.
    package let syncHeart = Heartbeat()
    /// Hears what the disk does.
    package let observer = JournalObserver()

    private let lock: JournalLock
    private let buffer: JournalBuffer
    private let writer: Mutex<JoinableThread?>
    /// Wakes the writer when something is asked for through the tail.
    private let requests: Registration

    /// Opens or creates the journal of a stream below `folder`, and recovers it after a crash.
    ///
    /// - Parameters:
    ///   - folder: of all journals.
    ///   - stream: the stream's name.
    ///   - options: how lines are made durable and kept.
    ///   - counts: what is counted.
    /// - Returns: the journal.
    /// - Throws: `JournalError`: `operator` when the folder cannot be used or the stream's name is not one, `retry` when another
    ///   process has it.
    package static func open(
        folder: String, stream: String, options: JournalOptions = JournalOptions(),
        counts: JournalCounts = JournalCounts()
    ) throws(JournalError) -> Journal {
        guard StreamName.isValid(stream) else {
            throw JournalError(.operator(.settings), "STREAM_NAME (--stream): '\(stream)' is not \(StreamName.rule)")
        }
        do {
            return try Journal(path: folder + "/" + stream, stream: stream, options: options, counts: counts)
        } catch let error as FileError {
            throw JournalError(
                .operator(.disk),
                "journal folder \(folder): \(error). Choose a writable folder with JOURNAL_DIR (--journal).")
        } catch {
            throw JournalError(error)
        }
    }

    private init(path: String, stream: String, options: JournalOptions, counts: JournalCounts) throws {
        try JournalFolder.create(path)
        lock = try JournalLock(folder: path)
        let identity = try JournalIdentity.readOrCreate(folder: path, stream: stream)
        let acknowledged = try Checkpoint.read(from: path, journal: identity.journal)?.acknowledged ?? 0
        recovery = try JournalRecovery.run(folder: path, acknowledged: acknowledged)
        source = JournalSource(
            stream: stream, journal: identity.journal, folder: path,
            tail: JournalTail(recovery.end, acknowledged: acknowledged),
            space: try JournalSpace(folder: path, quota: options.quota, reserve: options.reserve), counts: counts)
        buffer = JournalBuffer(
            from: recovery.nextSeq, size: recovery.endOffset,
            last: LastLine(connection: recovery.openConnection, receivedAt: recovery.lastReceivedAt), options: options)
        requests = source.tail.onRequest { [buffer] in buffer.wakeWriter() }
        let owned = try JournalWriter(
            source, buffer, lock: lock, segment: OpenSegment(recovery.segment, endOffset: recovery.endOffset),
            options: options, observer: observer)
        source.space.holdReserve()
        writer = Mutex(
            JoinableThread(name: "sync", owning: owned) { [syncHeart] writer in
                var writer = writer
                Heartbeat.$current.withValue(syncHeart) { writer.run() }
            })
    }

    deinit {
        buffer.end()
        if let thread = writer.withLock({ $0.take() }) { thread.join() }
    }

    // MARK: Appending

    /// Appends one line, given without its line end. It waits only while the disk is eight groups (`syncBytes`) behind.
    ///
    /// - Parameters:
    ///   - line: the bytes as they came; they must not hold a line feed.
    ///   - receivedAt: when they came.
    ///   - connection: id of the connection they came on, 0 for none.
    /// - Returns: its place.
    /// - Throws: `FileError` when the disk has refused; nothing that is not durable counts as received then, and `recover()`
    ///   makes the journal usable again. With code `EDQUOT` the line is beyond JOURNAL_QUOTA, and what was appended before
    ///   it is well.
    @discardableResult
    package func append(
        _ line: UnsafeRawBufferPointer, receivedAt: Timestamp, connection: Int64
    ) throws(FileError) -> JournalPosition {
        try buffer.append { (state, options) throws(FileError) in
            try checkQuota(state.unsynced + Int64(line.count))
            unsafe state.place(line, receivedAt: receivedAt, connection: connection, isOfStream: true, options)
        }
    }

    /// Appends an event in its place among the lines; it may use the reserve.
    ///
    /// - Parameters:
    ///   - event: what happened.
    ///   - connection: that is open behind it, 0 for none.
    /// - Returns: its place.
    /// - Throws: `FileError` as for a line, but never for the quota.
    @discardableResult
    package func append(_ event: PipelineEvent, connection: Int64 = 0) throws(FileError) -> JournalPosition {
        let line = event.line
        return try buffer.append { (state, options) throws(FileError) in
            unsafe line.withBytes { line in
                unsafe state.place(line, receivedAt: .now(), connection: connection, isOfStream: true, options)
            }
        }
    }

    /// Appends lines and events together, beside what the stream brings: its connection stays as it is.
    ///
    /// - Parameter chunk: at least one line or event.
    /// - Returns: the place of the last of them.
    /// - Throws: `FileError` as for a line; with code `EAGAIN` while the journal is paused. None of them is there then.
    @discardableResult
    package func append(_ chunk: JournalChunk) throws(FileError) -> JournalPosition {
        let now = Timestamp.now()
        let events = chunk.events.map(\.line)
        return try buffer.append { (state, options) throws(FileError) in
            if state.isPaused { throw FileError("append", source.folder, code: EAGAIN) }
            if !chunk.lines.isEmpty {
                try checkQuota(state.unsynced + chunk.lines.reduce(0) { $0 + Int64($1.count) })
            }
            for (lines, connection) in [(chunk.lines, chunk.connection), (events, state.last.connection)] {
                for line in lines {
                    unsafe line.withBytes { line in
                        unsafe state.place(line, receivedAt: now, connection: connection, isOfStream: false, options)
                    }
                }
            }
        }
    }

    private func checkQuota(_ bytes: Int64) throws(FileError) {
        guard source.space.canTake(bytes) else {
            throw FileError("append within JOURNAL_QUOTA", source.folder, code: EDQUOT)
        }
    }

    /// The number of the line appended last.
    package var lastSeq: Int64 { buffer.withState { $0.position.seq } }

    /// Bytes that were appended and are not on the disk yet.
    package var unsyncedBytes: Int64 { buffer.withState { $0.unsynced } }

    // MARK: Waiting for the disk

    /// Makes everything appended durable, shows it to the publisher, and begins a new segment when that is due.
    ///
    /// - Throws: `FileError` when the disk refuses: which part of the group reached it is unknown, and nothing is accepted
    ///   before `recover()`.
    package func sync() throws(FileError) { try buffer.sync() }

    /// Waits until something that was appended is on the disk; who waits gives signs of life (`Heartbeat`).
    ///
    /// - Returns: false when the journal has lost it to a failure, or was closed before.
    package func isDurable(_ position: JournalPosition) -> Bool { buffer.isDurable(position) }

    /// Looks whether the disk has refused what was appended.
    ///
    /// - Throws: `FileError` when it has.
    package func check() throws(FileError) {
        if let failure = buffer.withState({ $0.failure }) { throw failure }
    }

    /// Does something small that waits for a disk, on the thread that waits for the journal's; in order.
    package func later(_ errand: @escaping @Sendable () -> Void) { buffer.later(errand) }

    /// Nothing will be appended any more; call it after `sync()`.
    package func close() {
        buffer.close()
        source.tail.close()
    }

    // MARK: After a failure

    /// Makes the journal usable again after a call has thrown.
    ///
    /// What a failed write or fsync may have left of the group is taken back: it never counted as received, and its
    /// numbers are given again. The segment is not written any more; a new one follows. On a full disk the reserve is
    /// given up for that, and for the events that record it.
    ///
    /// - Throws: `FileError` while the disk still refuses; call it again later.
    package func recover() throws(FileError) {
        guard buffer.withState({ $0.failure }) != nil else { return }
        try buffer.recover()
    }

    /// Accepts no chunks until `resume()`; a failure does the same. What room there is, is for what the stream's own thread
    /// has to record.
    package func pause() { buffer.setPaused(true) }

    /// Accepts chunks again.
    package func resume() { buffer.setPaused(false) }

    /// Whether chunks are accepted.
    package var isPaused: Bool { buffer.withState { $0.isPaused } }

    /// Waits while chunks are not accepted; who waits gives signs of life.
    ///
    /// - Returns: false when the journal is closed, and never will accept them again.
    package func waitUntilResumed() -> Bool { buffer.waitUntilResumed() }

    /// How the connection ended when the journal accepted no more.
    ///
    /// - Parameter cause: why, in one word.
    /// - Returns: the event to append; nil when no connection was open.
    package func interruption(cause: String) -> PipelineEvent? {
        let last = buffer.withState { $0.last }
        guard last.connection != 0 else { return nil }
        var event = PipelineEvent(.disconnected, connection: last.connection, cause: cause)
        event.lastReceivedAt = last.receivedAt?.description
        return event
    }

    /// Shows other processes, through `journal status`, how the journal is: one line.
    package func tell(state: String) {
        lock.tell(state: state)
    }
}
