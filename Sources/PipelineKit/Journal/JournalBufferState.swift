import Core

extension JournalBuffer {
    /// What the lock protects.
    struct State {
        /// Lines of segments that are full, before `pending`.
        private var full: [PendingLines] = []
        private var pending: PendingLines
        /// What was written last, for its memory.
        private var used: PendingLines?
        private(set) var nextSeq: Int64
        private var durableSeq: Int64
        /// Bytes of the segment that `pending` goes to, with `pending`.
        private var segmentBytes: Int64
        /// Whether no segment can be begun for the moment: the open one grows.
        var isRollDelayed = false
        /// Bytes that were appended and are not on the disk.
        private(set) var unsynced: Int64 = 0
        private var pendingBytes = 0
        private var pendingSince: ContinuousClock.Instant?
        /// How the stream stands, and stood when what is durable was appended.
        private(set) var last: LastLine
        private var durableLast: LastLine
        /// Set by a failed write or fsync, until the journal is recovered.
        private(set) var failure: FileError?
        private(set) var lastFailure: FileError?
        /// How many failures there were.
        private(set) var epoch = 0
        /// What was durable at the last failure.
        private var durableAtFailure: Int64 = 0
        /// How many times `sync()` was called, and up to which call it is done.
        var asked = 0
        var served = 0
        var isRecovery = false
        var recoveryFailure: FileError?
        /// Whether the journal was recovered, and nobody has appended or asked for a sync since: the event that ends the
        /// connection, which says when its last line came, stands before the events of dropped lines.
        var isJustRecovered = false
        var errands: [@Sendable () -> Void] = []
        /// Changes whenever the writer has to look.
        var news = 0
        /// What the writer knows of what is pending: 0 nothing, 1 that there is something, 2 that it is enough for a group.
        private var announced = 0
        /// Whether only the stream's own thread may append: the journal has failed or is full, and that is not over.
        var isPaused = false
        var isClosed = false
        var isEnded = false
        #if FAIL_POINTS
            private var fault: FailPoint.Fault?
        #endif

        init(from nextSeq: Int64, size: Int64, last: LastLine) {
            pending = PendingLines(from: nextSeq)
            self.nextSeq = nextSeq
            durableSeq = nextSeq - 1
            segmentBytes = size
            (self.last, durableLast) = (last, last)
        }

        /// Where the last line is.
        var position: JournalPosition { JournalPosition(seq: nextSeq - 1, epoch: epoch) }

        /// Appends a line.
        ///
        /// - Parameters:
        ///   - line: without its line end.
        ///   - receivedAt: when it came.
        ///   - connection: marks it in the index.
        ///   - isOfStream: whether it says how the stream stands.
        ///   - options: tell when a segment is full.
        mutating func place(
            _ line: UnsafeRawBufferPointer, receivedAt: Timestamp, connection: Int64, isOfStream: Bool,
            _ options: JournalOptions
        ) {
            if segmentBytes >= options.segmentBytes, !isRollDelayed { endSegment() }
            unsafe pending.append(line, receivedAt: receivedAt, connection: connection)
            if isOfStream { last = LastLine(connection: connection, receivedAt: receivedAt) }
            pending.last = last
            nextSeq += 1
            pendingBytes += line.count + 1
            segmentBytes += Int64(line.count + 1)
            unsynced += Int64(line.count + 1)
            if pendingSince == nil { pendingSince = .now }
            isJustRecovered = false
            takeFault()
        }

        private mutating func endSegment() {
            if !pending.isEmpty { full.append(pending) }
            pending = PendingLines(from: nextSeq, beginsSegment: true)
            segmentBytes = 0
        }

        /// The writer has begun a segment: what is pending goes there.
        mutating func beginSegment() {
            segmentBytes = Int64(pendingBytes)
            isRollDelayed = false
        }

        /// Whether the writer has to hear of what is pending: once when there is something, once when it is enough for a group.
        mutating func takeNews(_ options: JournalOptions) -> Bool {
            let wanted = pendingBytes >= options.syncBytes ? 2 : pendingBytes > 0 ? 1 : 0
            guard wanted > announced else { return false }
            announced = wanted
            news += 1
            return true
        }

        /// When the writer has something to write; a long time from now when nothing is known.
        func writeDue(_ options: JournalOptions, rollDue: ContinuousClock.Instant?) -> ContinuousClock.Instant {
            if failure != nil { return .now + .seconds(3600) }
            if asked > served || pendingBytes >= options.syncBytes { return .now }
            return [pendingSince.map { $0 + options.syncDelay }, rollDue].compactMap { $0 }.min() ?? .now
                + .seconds(3600)
        }

        mutating func takeTurn(isDue: Bool) -> Turn? {
            guard isDue && !isEnded || isRecovery || !errands.isEmpty else { return nil }
            var turn = Turn()
            (turn.errands, errands) = (errands, [])
            turn.isRecovery = isRecovery
            turn.isWriting = isDue && !isRecovery && !isEnded
            if turn.isWriting { (turn.lines, turn.ticket) = (takeLines(), asked) }
            #if FAIL_POINTS
                if turn.isWriting || turn.isRecovery { (turn.fault, fault) = (fault, nil) }
            #endif
            return turn
        }

        mutating func takeLines() -> [PendingLines] {
            var lines = full
            full = []
            if !pending.isEmpty {
                var next = used.take() ?? PendingLines(from: nextSeq)
                next.reuse(from: nextSeq)
                swap(&next, &pending)
                lines.append(next)
            }
            (pendingBytes, pendingSince) = (0, nil)
            announced = 0
            return lines
        }

        mutating func settle(_ lines: PendingLines) {
            unsynced -= Int64(lines.bytes.count)
            durableSeq = lines.endSeq - 1
            durableLast = lines.last
            used = lines
        }

        mutating func fail(_ failure: FileError) {
            self.failure = failure
            isPaused = true
            lastFailure = failure
            durableAtFailure = durableSeq
            epoch += 1
            _ = takeLines()
            served = asked
        }

        mutating func restart(from seq: Int64) {
            full = []
            pending = PendingLines(from: seq)
            nextSeq = seq
            durableSeq = seq - 1
            (segmentBytes, unsynced) = (0, 0)
            isRollDelayed = false
            last = durableLast
            failure = nil
            isJustRecovered = true
        }

        /// What became of something that was appended: whether it is on the disk; nil while that is open.
        func fate(of position: JournalPosition) -> Bool? {
            if position.epoch < epoch { return position.epoch == epoch - 1 && position.seq <= durableAtFailure }
            if position.seq <= durableSeq { return true }
            return isClosed ? false : nil
        }

        /// A fault that a test has asked for on the calling thread is the writer's.
        mutating func takeFault() {
            #if FAIL_POINTS
                if let wanted = FailPoint.fault { fault = wanted }
            #endif
        }
    }
}
