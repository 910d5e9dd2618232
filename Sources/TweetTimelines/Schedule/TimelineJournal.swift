import Core
import Glibc
import Journal
import Logging

/// The journal that all pollers of this process append to; what it has accepted is durable.
final class TimelineJournal: Sendable {
    private let journal: Journal
    private let metrics: TimelineJournalMetrics
    private let logger: Logger
    private let outage = Lasting()

    init(_ journal: Journal, _ metrics: TimelineJournalMetrics, logger: Logger) {
        (self.journal, self.metrics, self.logger) = (journal, metrics, logger)
    }

    /// Appends lines, and waits until they are on the disk.
    ///
    /// - Parameter lines: as the topic gets them.
    /// - Returns: false when the disk or the quota does not accept them: nothing counts as stored.
    func store(_ lines: [[UInt8]]) -> Bool {
        guard !lines.isEmpty else { return true }
        do throws(FileError) {
            let position = try journal.append(JournalChunk(lines: lines))
            guard journal.isDurable(position) else { throw FileError("fsync", journal.source.folder, code: EIO) }
            return true
        } catch {
            guard outage.begin() else { return false }
            metrics.refusedSince.set(Timestamp.now())
            journal.tell(state: "stopped: \(error)")
            logger.error(
                "the journal cannot be written; reading timelines is paused until it can",
                metadata: ["reason": "\(error)"])
            return false
        }
    }

    /// Waits while the journal cannot be written: nothing may be paid that cannot be stored. One thread at a time calls this.
    ///
    /// - Parameter stop: ends the wait.
    /// - Returns: false when the stop was raised.
    func waitUntilWritable(_ stop: Stop) -> Bool {
        while outage.isLasting, !stop.isRaised {
            do throws(FileError) {
                try journal.recover()
                if journal.source.space.hasRoom { break }
            } catch {}
            stop.wait(for: .milliseconds(200))
        }
        guard !stop.isRaised else { return false }
        if outage.end() {
            journal.source.space.holdReserve()
            journal.resume()
            journal.tell(state: "writing")
            metrics.refusedSince.set(nil as Timestamp?)
            logger.info("the journal can be written again; reading timelines continues")
        }
        return true
    }
}
