import Core
import Glibc
import Journal
import Logging

/// Waits until the journal can be written again; reading from X continues after the disk or the quota has refused them.
///
/// X is not read meanwhile: what cannot be made durable must not count as received. The interruption is journalled as
/// soon as the journal accepts that much, and everything continues without a restart.
struct JournalOutage {
    private let stop: Stop
    private let logger: Logger

    private static let glance = Duration.milliseconds(200)
    private static let reminder = Duration.seconds(300)

    init(stop: Stop, logger: Logger) {
        self.stop = stop
        self.logger = logger
    }

    /// Waits for the disk.
    ///
    /// - Parameters:
    ///   - error: with which the journal refused.
    ///   - journal: the journal.
    ///   - gaps: where the interruption is noted as well.
    /// - Returns: true when the journal can be appended to again, false when the stop was raised before.
    func waitOut(_ error: FileError, in journal: Journal, _ gaps: OpenGaps? = nil) -> Bool {
        let begin = ContinuousClock.now
        let cause = Self.cause(of: error)
        journal.pause()
        tell(error, cause: cause, in: journal)
        var lastLogged = begin
        var declared = false
        while true {
            do throws(FileError) {
                try journal.recover()
                let event = declared ? nil : journal.interruptionWithNewestID(cause: cause)
                let seq = try event.map { (event) throws(FileError) in try journal.append(event).seq } ?? 0
                try journal.sync()
                if let gap = event.flatMap({ StreamGap($0, seq: seq) }) { gaps?.open(gap) }
                declared = true
            } catch {}
            if declared, stop.isRaised || journal.source.space.hasRoom { break }
            if stop.wait(for: Self.glance), !declared { return false }
            if lastLogged.duration(to: .now) >= Self.reminder {
                lastLogged = .now
                tell(error, cause: cause, in: journal)
            }
        }
        journal.source.space.holdReserve()
        journal.resume()
        journal.tell(state: "writing")
        logger.info(
            "the journal can be written again; reading from X continues",
            metadata: ["after": "\(begin.duration(to: .now).short)"])
        return true
    }

    private func tell(_ error: FileError, cause: String, in journal: Journal) {
        journal.tell(state: "stopped: \(error)")
        logger.error(
            "the journal cannot be written; reading from X is paused until it can",
            metadata: [
                "cause": "\(cause)", "reason": "\(error)",
                "waiting": .stringConvertible(journal.source.tail.lastSeq - journal.source.tail.acknowledged),
            ])
    }

    private static func cause(of error: FileError) -> String {
        switch error.code {
        case ENOSPC: "disk_full"
        case EDQUOT: "journal_full"
        default: "disk_error"
        }
    }
}
