import Journal
import Logging
import TweetFormat

extension Journal {
    /// Declares what a crash has left: bytes that never became durable, and a connection that was open.
    ///
    /// - Parameters:
    ///   - logger: warns of cut bytes.
    ///   - metrics: what is counted of gaps.
    /// - Throws: `FileError` or `JournalError` when the journal cannot be read or written.
    func declareCrash(_ logger: Logger, metrics: GapMetrics = GapMetrics()) throws {
        let last = try lastEvent()
        if recovery.tornBytes > 0 {
            logger.warning(
                "removed bytes from the journal's end that were never durable",
                metadata: ["bytes": .stringConvertible(recovery.tornBytes)])
            var event = PipelineEvent(.tornTail)
            event.bytes = recovery.tornBytes
            try append(event)
        }
        let gaps = OpenGaps(folder: source.folder, metrics: metrics)
        let wasConnected = recovery.openConnection != 0
        guard wasConnected || mayHaveLostFirstLines(gaps, last) else { return }
        var event = PipelineEvent(.disconnected, connection: recovery.openConnection, cause: "crash")
        // A heartbeat is no line of X: it has when the last one came, keep-alives included.
        let isHeartbeat = last?.type == .alive
        let known = wasConnected ? (isHeartbeat ? last?.lastReceivedAt : nil) : try? startOfRun()
        event.lastReceivedAt = known ?? recovery.lastReceivedAt?.description
        event.newestID = try newestID().map(String.init)
        let seq = try append(event).seq
        if let gap = StreamGap(event, seq: seq) { gaps.open(gap) }
    }

    /// Whether the run before may have been killed after X had sent it lines, but before the first connection of all was
    /// durable. After a later connection a gap is open that has all of that.
    private func mayHaveLostFirstLines(_ gaps: OpenGaps, _ last: PipelineEvent?) -> Bool {
        guard gaps.gaps.last.map({ $0.ended != nil }) ?? true else { return false }
        return last.map { $0.type.comesBeforeConnection } ?? false
    }

    /// When the last run began: other threads journal beside a connection that is not durable yet. Nil when no line of that can
    /// be read.
    private func startOfRun() throws -> String? {
        var found: String?
        var reader = try JournalReader(source, from: max(1, lastSeq - Self.lookBack))
        while try reader.read(limit: 500, { found = unsafe start(in: Array($0.bytes)) ?? found }) > 0 {}
        return found
    }

    private func start(in line: [UInt8]) -> String? {
        guard let event = PipelineEvent(line: line), event.type == .started else { return nil }
        return event.at
    }

    /// The journal's last line, when it is an event.
    private func lastEvent() throws -> PipelineEvent? {
        guard lastSeq > 0 else { return nil }
        if let found = try line(of: JournalReader(source, lastLines: 1)) { return PipelineEvent(line: found) }
        // A segment has just begun. The one before may be damaged or gone.
        let before = (try? line(of: JournalReader(source, from: lastSeq))).flatMap { $0 }
        return before.flatMap { PipelineEvent(line: $0) }
    }

    private func line(of reader: consuming JournalReader) throws -> [UInt8]? {
        var last: [UInt8]?
        _ = try reader.read(limit: 1) { last = unsafe Array($0.bytes) }
        return last
    }

    /// What the journal declares after the disk has refused, with the newest post that it has kept: a reader that the disk
    /// held up was behind.
    func interruptionWithNewestID(cause: String) -> PipelineEvent? {
        guard var event = interruption(cause: cause) else { return nil }
        event.newestID = (try? newestID()).flatMap { $0 }.map(String.init)
        return event
    }

    /// Posts come a little out of order.
    private static var lookBack: Int64 { 500 }

    /// The greatest id among the journal's last lines. Ids grow with time, so a gap begins there on X's own clock.
    private func newestID() throws -> Int64? {
        if let newest = try newestID(from: JournalReader(source, lastLines: Self.lookBack)) { return newest }
        // A segment has just begun. The one before may be damaged or gone: then the gap begins at its time.
        let first = max(1, source.tail.lastSeq - Self.lookBack)
        return (try? newestID(from: JournalReader(source, from: first))).flatMap { $0 }
    }

    private func newestID(from reader: consuming JournalReader) throws -> Int64? {
        var ids = TweetKey()
        var newest: Int64?
        while try reader.read(
            limit: 500, { line in newest = [newest, unsafe ids.id(of: line.bytes)].compactMap { $0 }.max() }) > 0
        {}
        return newest
    }
}

extension PipelineEvent.Kind {
    /// Whether a run that was killed before its first connection was durable may have left this as the journal's last line:
    /// `started`, or what the other threads of a producer journal meanwhile.
    fileprivate var comesBeforeConnection: Bool {
        switch self {
        case .started, .connectFailed, .alive, .tornTail, .rejected, .dropped, .rules, .rulesDiffer, .rulesAgree,
            .rulesSilent, .rulesHeard:
            true
        case .connected, .disconnected, .quiet, .lively, .repaired, .repairFailed, .handedOver, .passive, .tally,
            .applied, .stopped, .gapClosed, .journalForgotten, .unknown:
            false
        }
    }
}
