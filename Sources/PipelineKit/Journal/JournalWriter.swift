import Core
import Glibc
import TweetFormat

/// Brings what was appended to the disk, and begins segments: the thread `sync`, which owns the files of the open segment.
///
/// One group at a time: what comes meanwhile is the next one. Who appends does not wait for it; a disk takes a third of the
/// time of a busy reader, and now and then seconds.
struct JournalWriter: ~Copyable {
    private let source: JournalSource
    private let buffer: JournalBuffer
    private let lock: JournalLock
    private let options: JournalOptions
    private let observer: JournalObserver
    private var segment: OpenSegment
    /// When the open segment's first line was received; nil while it is empty.
    private var segmentBegan: ContinuousClock.Instant?
    /// No new segment is begun before this time, because there were no file descriptors for one; nil when there were.
    private var rollNotBefore: ContinuousClock.Instant?

    /// - Parameters:
    ///   - source: what others know of the journal.
    ///   - buffer: where lines come from.
    ///   - lock: whose file says how the journal is.
    ///   - segment: to go on with.
    ///   - options: of the journal.
    ///   - observer: hears what the disk does.
    /// - Throws: `FileError` when the index cannot be read.
    init(
        _ source: JournalSource, _ buffer: JournalBuffer, lock: JournalLock, segment: consuming OpenSegment,
        options: JournalOptions, observer: JournalObserver
    ) throws(FileError) {
        segmentBegan = try segment.firstReceivedAt().map { first in
            .now - .milliseconds(max(0, Timestamp.now().milliseconds - first.milliseconds))
        }
        self.segment = segment
        (self.source, self.buffer, self.lock) = (source, buffer, lock)
        (self.options, self.observer) = (options, observer)
    }

    /// Works until the buffer is at its end.
    mutating func run() {
        while let turn = buffer.nextTurn(rollDue: { rollDue }) {
            #if FAIL_POINTS
                FailPoint.$fault.withValue(turn.fault) { serve(turn) }
            #else
                serve(turn)
            #endif
            for errand in turn.errands { errand() }
        }
    }

    private mutating func serve(_ turn: JournalBuffer.Turn) {
        if turn.isRecovery { recover() }
        guard turn.isWriting else { return }
        do throws(FileError) {
            try observer.beforeSync()
            try write(turn.lines)
            try rollIfDue()
            if let seqs = dropRequest { try declareDrop(seqs) }
            buffer.finish(turn.ticket)
        } catch {
            buffer.fail(error)
        }
    }

    private mutating func write(_ lines: [PendingLines]) throws(FileError) {
        for lines in lines {
            if lines.beginsSegment || isOverdue { try roll(before: lines.firstSeq) }
            let begin = ContinuousClock.now
            try segment.append(lines)
            if segmentBegan == nil { segmentBegan = begin }
            source.space.add(lines.diskBytes)
            // First the tail: a line that is reported as durable can be read.
            publish(endSeq: lines.endSeq)
            source.counts.lines.add(lines.endSeq - lines.firstSeq)
            source.counts.bytes.add(lines.diskBytes)
            // The last use of the lines: their memory is used again.
            buffer.settle(lines)
            source.counts.syncs.observe(begin.duration(to: .now))
            observer.afterSync(begin.duration(to: .now))
        }
    }

    private func publish(endSeq: Int64) {
        source.tail.publish(
            JournalTail.End(seq: endSeq, segment: segment.segment.firstSeq, offset: segment.size))
    }

    /// Lines whose loss is to be declared now.
    private var dropRequest: ClosedRange<Int64>? {
        buffer.withState { $0.isJustRecovered } ? nil : source.tail.dropRequest
    }

    private mutating func declareDrop(_ seqs: ClosedRange<Int64>) throws(FileError) {
        var event = PipelineEvent(.dropped, cause: "journal_full")
        event.seq = seqs.lowerBound
        event.lines = Int64(seqs.count)
        event.detail = "lines \(seqs.lowerBound) to \(seqs.upperBound)"
        let line = event.line
        let options = options
        buffer.withState { state in
            // The connection stays open: a crash after this event must still be distinguished from an orderly end.
            unsafe line.withBytes { line in
                unsafe state.place(
                    line, receivedAt: .now(), connection: state.last.connection, isOfStream: true, options)
            }
        }
        try write(buffer.take())
        source.tail.settleDropRequest(seqs)
        source.counts.dropped.add(seqs.count)
    }

    // MARK: Segments

    /// When a new segment is due, or the loss of lines is to be declared; nil for never.
    private var rollDue: ContinuousClock.Instant? {
        if dropRequest != nil { return .now }
        let due = source.tail.isRollRequested ? .now : segmentBegan.map { $0 + options.segmentAge }
        guard let rollNotBefore else { return due }
        return due.map { max($0, rollNotBefore) }
    }

    /// Begins a segment when the open one is old enough, or one was asked for.
    private mutating func rollIfDue() throws(FileError) {
        guard source.tail.isRollRequested || segmentBegan.map({ $0 + options.segmentAge <= .now }) ?? false,
            rollNotBefore.map({ $0 <= .now }) ?? true
        else { return }
        try roll(before: source.tail.end.seq)
        if rollNotBefore == nil { source.tail.settleRollRequest() }
    }

    /// Whether a segment should have ended that could not.
    private var isOverdue: Bool {
        rollNotBefore.map { $0 <= .now } ?? false && segment.size >= options.segmentBytes
    }

    /// Begins a segment; everything before is on the disk. Without file descriptors the open segment goes on.
    private mutating func roll(before seq: Int64) throws(FileError) {
        guard segment.segment.firstSeq != seq else { return }
        let following = Segment(folder: source.folder, firstSeq: seq)
        do throws(FileError) {
            FailPoint.roll.pass()
            let opened = try OpenSegment(following, endOffset: 0)
            FailPoint.roll.pass()
            try JournalFolder.synchronize(following.folder)
            FailPoint.roll.pass()
            begin(opened)
        } catch {
            guard error.isOutOfDescriptors else { throw error }
            // The open segment is still valid. Recovery must not take the incomplete new one for the last.
            try JournalFolder.remove(following.path)
            try JournalFolder.remove(following.indexPath)
            return delayRoll(error)
        }
        if rollNotBefore != nil { lock.tell(state: "writing") }
        rollNotBefore = nil
        publish(endSeq: seq)
    }

    private mutating func begin(_ opened: consuming OpenSegment) {
        segment = opened
        segmentBegan = nil
        buffer.withState { $0.beginSegment() }
    }

    private mutating func delayRoll(_ error: FileError) {
        if rollNotBefore == nil {
            observer.delayedRoll(error)
            lock.tell(state: "writing, but no new file can be begun: \(error)")
        }
        rollNotBefore = .now + .seconds(1)
        buffer.withState { $0.isRollDelayed = true }
    }

    // MARK: After a failure

    private mutating func recover() {
        do throws(FileError) { buffer.finishRecovery(.success(try takeBack())) } catch {
            buffer.finishRecovery(.failure(error))
        }
    }

    /// Takes back what is not durable, and begins a segment; the one before is not written any more.
    ///
    /// - Returns: the number of the line that comes next.
    private mutating func takeBack() throws(FileError) -> Int64 {
        let code = buffer.withState { $0.failure?.code }
        if code == ENOSPC || code == EDQUOT { source.space.releaseReserve() }
        let end = source.tail.end
        try segment.cutToDurable()
        let following = Segment(folder: source.folder, firstSeq: end.seq)
        if segment.segment.firstSeq == end.seq {
            try JournalFolder.remove(following.path)
            try JournalFolder.remove(following.indexPath)
        }
        segment = try OpenSegment(following, endOffset: 0)
        try JournalFolder.synchronize(source.folder)
        segmentBegan = nil
        rollNotBefore = nil
        publish(endSeq: end.seq)
        return end.seq
    }
}
