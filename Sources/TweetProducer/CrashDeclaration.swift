import Logging
import PipelineKit

extension Journal {
    /// Declares what a crash has left: bytes that never became durable, and a connection that was open.
    ///
    /// - Parameter logger: is told of cut bytes.
    /// - Throws: `FileError` or `Failure` when the journal cannot be read or written.
    func declareCrash(_ logger: Logger) throws {
        if recovery.tornBytes > 0 {
            logger.warning(
                "cut what had not reached the disk off the journal", metadata: ["bytes": "\(recovery.tornBytes)"])
            var event = PipelineEvent(.tornTail)
            event.bytes = recovery.tornBytes
            try append(event)
        }
        guard recovery.openConnection != 0 else { return }
        var event = PipelineEvent(.disconnected, connection: recovery.openConnection, cause: "crash")
        event.lastReceivedAt = recovery.lastReceivedAt?.description
        event.newestID = try newestID(from: JournalReader(source, lastLines: Self.lookBack)).map(String.init)
        try append(event)
        if let gap = StreamGap(event, seq: lastSeq) { GapBook(folder: source.folder).open(gap) }
    }

    /// What the journal declares after the disk has refused, with the newest post that it has kept: a reader that the disk
    /// held up was behind.
    func interruptionWithNewestID(cause: String) -> PipelineEvent? {
        guard var event = interruption(cause: cause) else { return nil }
        // A new segment may have begun, so they are in the one before; without them the gap begins at its time.
        let first = max(1, source.tail.lastSeq - Self.lookBack)
        event.newestID = (try? newestID(from: JournalReader(source, from: first))).flatMap { $0 }.map(String.init)
        return event
    }

    /// Posts come a little out of order.
    private static var lookBack: Int64 { 500 }

    /// The greatest id among the journal's last lines. Ids grow with time, so a gap begins there on X's own clock.
    private func newestID(from reader: consuming JournalReader) throws -> Int64? {
        var ids = TweetKey()
        var newest: Int64?
        while try reader.read(
            limit: 500, { line in newest = [newest, unsafe ids.id(of: line.bytes)].compactMap { $0 }.max() }) > 0
        {}
        return newest
    }
}
