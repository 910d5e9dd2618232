import Core
import Glibc
import TweetFormat

/// The append side of the journal: every line of one stream, in the order received, as plain JSON Lines.
///
/// A line counts as received when the disk has it: when `sync()` has returned, or a sync in the background is done. Owned by
/// the thread that reads the stream; the publisher follows through `source` and a `JournalReader`.
package final class Journal {
    /// How another thread follows this journal.
    package let source: JournalSource
    /// What recovery found when the journal was opened.
    package let recovery: JournalRecovery

    private let options: JournalOptions
    private let lock: JournalLock
    private var segment: OpenSegment
    private var nextSeq: Int64
    private var pendingSince: ContinuousClock.Instant?
    /// When the open segment's first line was received; nil while it is empty.
    private var segmentBegan: ContinuousClock.Instant?
    /// No new segment is begun before this moment, because there were no file descriptors for one; nil when there were.
    private var rollNotBefore: ContinuousClock.Instant?
    /// Told when a new segment has to wait for file descriptors; the open one grows meanwhile.
    package var onDelayedRoll: (FileError) -> Void = { _ in }
    /// Set by a failed write or fsync: what the disk holds is unknown from then on, so nothing is acknowledged any more.
    private var failure: FileError?
    /// What is durable, for the note of an interruption: connection and time of the last line.
    private var durableLast: LastLine
    private var last: LastLine
    /// Gives the signs of life of the thread that waits for the disk.
    package let syncHeart = Heartbeat()
    private let groupSync: GroupSync
    /// What is durable when the sync in the background is done; nil while there is none.
    private var inBackground: (mark: OpenSegment.Mark, last: LastLine)?

    private struct LastLine {
        var connection: Int64
        var receivedAt: Timestamp?
    }

    /// So many times the bytes of a group may wait for a slow disk before the reader waits, too.
    private static let mostGroups: Int64 = 8

    /// Opens or creates the journal of a stream below `folder`, and recovers it after a crash.
    ///
    /// - Throws: `Failure` 74 when the folder cannot be used, 75 when another process has it, 78 for a bad stream name.
    package static func open(
        folder: String, stream: String, options: JournalOptions = JournalOptions()
    ) throws(Failure) -> Journal {
        guard StreamName.isValid(stream) else {
            throw Failure(.badSettings, "STREAM_NAME (--stream): '\(stream)' is not \(StreamName.rule)")
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

    private init(path: String, stream: String, options: JournalOptions) throws {
        try JournalFolder.create(path)
        lock = try JournalLock(folder: path)
        let identity = try JournalIdentity.readOrCreate(folder: path, stream: stream)
        let acknowledged = try Checkpoint.read(from: path, journal: identity.journal)?.acknowledged ?? 0
        recovery = try JournalRecovery.run(folder: path, acknowledged: acknowledged)
        segment = try OpenSegment(recovery.segment, endOffset: recovery.endOffset)
        nextSeq = recovery.nextSeq
        self.options = options
        last = LastLine(connection: recovery.openConnection, receivedAt: recovery.lastReceivedAt)
        durableLast = last
        if let first = try segment.firstReceivedAt() {
            segmentBegan = .now - .milliseconds(max(0, Timestamp.now().milliseconds - first.milliseconds))
        }
        let end = JournalTail.End(seq: nextSeq, segment: recovery.segment.firstSeq, offset: recovery.endOffset)
        source = JournalSource(
            stream: stream, journal: identity.journal, folder: path,
            tail: JournalTail(end, acknowledged: acknowledged),
            space: try JournalSpace(folder: path, quota: options.quota, reserve: options.reserve))
        groupSync = GroupSync(source.tail, heart: syncHeart)
        source.space.holdReserve()
    }

    deinit {
        groupSync.end()
    }

    /// Appends one line, given without its line end. It is not durable before `sync()`.
    ///
    /// - Parameters:
    ///   - line: the bytes as they came; they must not hold a line feed.
    ///   - receivedAt: when they came.
    ///   - connection: id of the connection they came on, 0 for none.
    /// - Throws: `FileError` when the disk refuses; nothing appended since the last `sync()` counts as received then.
    ///   With code `EDQUOT` the line is beyond JOURNAL_QUOTA, and what was appended before it is well. Both times
    ///   `recover()` makes the journal usable again.
    package func append(
        _ line: UnsafeRawBufferPointer, receivedAt: Timestamp, connection: Int64
    ) throws(FileError) {
        guard source.space.canTake(segment.unsyncedBytes + Int64(line.count)) else {
            throw FileError("append within JOURNAL_QUOTA", source.folder, code: EDQUOT)
        }
        try unsafe place(line, receivedAt: receivedAt, connection: connection)
    }

    private func place(
        _ line: UnsafeRawBufferPointer, receivedAt: Timestamp, connection: Int64
    ) throws(FileError) {
        if let failure { throw failure }
        if segment.size >= options.segmentBytes, rollNotBefore.map({ $0 <= .now }) ?? true { try roll() }
        // Whatever is handed to the system or taken back ends a group, so that only a group's first line can be the first.
        if unsafe segment.append(line, seq: nextSeq, receivedAt: receivedAt, connection: connection) {
            if pendingSince == nil { pendingSince = .now }
            if segmentBegan == nil { segmentBegan = pendingSince }
        }
        nextSeq += 1
        last = LastLine(connection: connection, receivedAt: receivedAt)
        if segment.pendingBytes >= options.syncBytes {
            try guarded { (segment) throws(FileError) in try segment.write() }
        }
    }

    /// Appends an event in its place among the lines; it may use the reserve.
    ///
    /// - Throws: `FileError` as for a line, but never for the quota.
    package func append(_ event: PipelineEvent, connection: Int64 = 0) throws(FileError) {
        let line = event.line
        try unsafe line.withBytes { (bytes) throws(FileError) in
            try unsafe place(bytes, receivedAt: .now(), connection: connection)
        }
    }

    /// Does something small that waits for a disk, on the thread that waits for the journal's; in order.
    package func later(_ errand: @escaping @Sendable () -> Void) { groupSync.later(errand) }

    /// The number of the line appended last; it counts once `sync()` has returned.
    package var lastSeq: Int64 { nextSeq - 1 }

    /// How long `sync()` may still wait: nil when there is nothing for it to do, zero or less when it is due.
    ///
    /// Beside pending lines it counts the open segment's age and a new segment that was asked for, so a stream that is
    /// idle has to look at it, too.
    package var timeToSync: Duration? {
        if source.tail.dropRequest != nil || groupSync.isDone { return .zero }
        let age = timeToRoll
        guard let pendingSince else { return age }
        if inBackground != nil { return isTooMuchUnsynced ? .zero : age }
        if segment.unsyncedBytes >= options.syncBytes { return .zero }
        let delay = options.syncDelay - pendingSince.duration(to: .now)
        return age.map { min($0, delay) } ?? delay
    }

    private var timeToRoll: Duration? {
        let due =
            source.tail.isRollRequested
            ? Duration.zero : segmentBegan.map { options.segmentAge - $0.duration(to: .now) }
        guard let rollNotBefore else { return due }
        return due.map { max($0, ContinuousClock.now.duration(to: rollNotBefore)) }
    }

    private var isTooMuchUnsynced: Bool { segment.unsyncedBytes >= Self.mostGroups * Int64(options.syncBytes) }

    /// Begins to make everything appended durable; the publisher sees it when it is. Waits for the disk only when a new
    /// segment is due, or so much is not durable that it has to be bounded.
    ///
    /// - Returns: how long the disk took for the group before, if that is done by now.
    /// - Throws: `FileError` when the disk has refused that one, or refuses now; as `sync()`.
    package func syncInBackground() throws(FileError) -> Duration? {
        if let failure { throw failure }
        let took = try settleBackground(waiting: isTooMuchUnsynced)
        if source.tail.dropRequest != nil || timeToRoll.map({ $0 <= .zero }) ?? false {
            try sync()
        } else if inBackground == nil, let since = pendingSince, took == nil || isDue(since) {
            try guarded { (segment) throws(FileError) in try segment.write() }
            inBackground = (segment.mark, last)
            pendingSince = nil
            groupSync.begin(segment.files, until: end)
        }
        return took
    }

    /// Whether what came while the disk was busy need wait no longer for more.
    private func isDue(_ since: ContinuousClock.Instant) -> Bool {
        segment.unsyncedBytes >= options.syncBytes || since.duration(to: .now) >= options.syncDelay
    }

    /// Takes note of what became of the sync in the background; nil while it is not done, and when there is none.
    private func settleBackground(waiting isWaiting: Bool) throws(FileError) -> Duration? {
        guard let group = inBackground, let outcome = groupSync.takeOutcome(waiting: isWaiting) else { return nil }
        inBackground = nil
        if let failure = outcome.failure {
            self.failure = failure
            throw failure
        }
        let before = segment.durableBytes
        segment.settle(written: group.mark)
        source.space.add(segment.durableBytes - before)
        durableLast = group.last
        return outcome.duration
    }

    /// Makes everything appended durable, shows it to the publisher, and begins a new segment when that is due.
    ///
    /// - Throws: `FileError` when the disk refuses. After that the journal takes nothing more: which part of the group
    ///   reached the disk is unknown, and only a new start, with its recovery, can tell.
    package func sync() throws(FileError) {
        if let failure { throw failure }
        try syncPending()
        if let due = timeToRoll, due <= .zero {
            try roll()
            if rollNotBefore == nil { source.tail.settleRollRequest() }
        }
        if let seqs = source.tail.dropRequest { try declareDrop(seqs) }
    }

    private func declareDrop(_ seqs: ClosedRange<Int64>) throws(FileError) {
        var event = PipelineEvent(.dropped, cause: "journal_full")
        event.seq = seqs.lowerBound
        event.lines = Int64(seqs.count)
        event.detail = "lines \(seqs.lowerBound) to \(seqs.upperBound)"
        // The connection stays open: a crash after this event must remain distinguishable from an orderly end.
        try append(event, connection: last.connection)
        try syncPending()
        source.tail.settleDropRequest(seqs)
    }

    private func syncPending() throws(FileError) {
        _ = try settleBackground(waiting: true)
        guard pendingSince != nil else { return }
        let before = segment.durableBytes
        try guarded { (segment) throws(FileError) in try segment.synchronize() }
        source.space.add(segment.durableBytes - before)
        pendingSince = nil
        durableLast = last
        publishEnd()
    }

    private func publishEnd() { source.tail.publish(end) }

    private var end: JournalTail.End {
        JournalTail.End(seq: nextSeq, segment: segment.segment.firstSeq, offset: segment.size)
    }

    private func roll() throws(FileError) {
        guard segment.segment.firstSeq != nextSeq else { return }
        try syncPending()
        let following = Segment(folder: source.folder, firstSeq: nextSeq)
        var delay: FileError?
        try guarded { (segment) throws(FileError) in
            do throws(FileError) {
                FailPoint.roll.pass()
                let opened = try OpenSegment(following, endOffset: 0)
                FailPoint.roll.pass()
                try JournalFolder.synchronize(following.folder)
                FailPoint.roll.pass()
                segment = opened
            } catch {
                guard error.isOutOfDescriptors else { throw error }
                // The open segment is as good as ever. What there is of the new one must not be taken for the last.
                try JournalFolder.remove(following.path)
                try JournalFolder.remove(following.indexPath)
                delay = error
            }
        }
        if let delay { return delayRoll(delay) }
        if rollNotBefore != nil { tell(state: "writing") }
        rollNotBefore = nil
        segmentBegan = nil
        publishEnd()
    }

    private func delayRoll(_ error: FileError) {
        if rollNotBefore == nil {
            onDelayedRoll(error)
            tell(state: "writing, but no new file can be begun: \(error)")
        }
        rollNotBefore = .now + .seconds(1)
    }

    // MARK: Trouble

    /// Makes the journal usable again after a call has thrown.
    ///
    /// What a failed write or fsync may have left of the group is taken back: it never counted as received, and its
    /// numbers are given again. The segment is not written any more; a new one follows. On a full disk the reserve is
    /// given up for that, and for the events that tell it.
    ///
    /// - Throws: `FileError` while the disk still refuses; call it again later.
    package func recover() throws(FileError) {
        guard let failure else { return }
        // What it brings to the disk is shown to the publisher at once, and must not be taken back.
        _ = try? settleBackground(waiting: true)
        if failure.code == ENOSPC || failure.code == EDQUOT { source.space.releaseReserve() }
        let end = source.tail.end
        try segment.cutToDurable()
        let following = Segment(folder: source.folder, firstSeq: end.seq)
        if segment.segment.firstSeq == end.seq {
            try JournalFolder.remove(following.path)
            try JournalFolder.remove(following.indexPath)
        }
        segment = try OpenSegment(following, endOffset: 0)
        try JournalFolder.synchronize(source.folder)
        nextSeq = end.seq
        pendingSince = nil
        segmentBegan = nil
        last = durableLast
        self.failure = nil
        publishEnd()
    }

    /// How the connection ended when the journal could not be written.
    ///
    /// - Parameter cause: why, in one word.
    /// - Returns: the event to append; nil when no connection was open.
    package func interruption(cause: String) -> PipelineEvent? {
        guard last.connection != 0 else { return nil }
        var event = PipelineEvent(.disconnected, connection: last.connection, cause: cause)
        event.lastReceivedAt = last.receivedAt?.description
        return event
    }

    /// Tells other processes, through `journal status`, how the journal is: one line.
    package func tell(state: String) {
        lock.tell(state: state)
    }

    private func guarded(_ work: (inout OpenSegment) throws(FileError) -> Void) throws(FileError) {
        do { try work(&segment) } catch {
            failure = error
            throw error
        }
    }
}
