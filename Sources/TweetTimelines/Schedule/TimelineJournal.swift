import Core
import Glibc
import Journal
import Logging
import Synchronization

/// The journal that all pollers of this process append to; what it has accepted is durable.
final class TimelineJournal: Sendable {
    private let journal: Journal
    private let logger: Logger
    private let isFailing = Mutex(false)

    init(_ journal: Journal, logger: Logger) { (self.journal, self.logger) = (journal, logger) }

    /// Appends lines, and waits until they are on the disk.
    ///
    /// - Parameter lines: as the topic gets them.
    /// - Returns: false when the disk or the quota refuses: nothing counts as stored, and the next call tries to recover.
    func store(_ lines: [[UInt8]]) -> Bool {
        guard !lines.isEmpty else { return true }
        do throws(FileError) {
            try journal.recover()
            journal.resume()
            let position = try journal.append(JournalChunk(lines: lines))
            guard journal.isDurable(position) else { throw FileError("fsync", journal.source.folder, code: EIO) }
        } catch {
            if isFailing.withLock({ exchange(&$0, true) }) == false {
                logger.error(
                    "the journal cannot be written; reading timelines is paused until it can",
                    metadata: ["reason": "\(error)"])
            }
            return false
        }
        if isFailing.withLock({ exchange(&$0, false) }) {
            logger.info("the journal can be written again; reading timelines continues")
        }
        return true
    }

    private func exchange(_ value: inout Bool, _ new: Bool) -> Bool {
        defer { value = new }
        return value
    }
}
