import Logging

/// Counts what was loaded, and logs the counts.
struct LoaderProgress {
    private let logger: Logger
    private var lastReport = ContinuousClock.now
    private var messages = 0
    private var inserted = 0
    private var duplicates = 0
    private var repeated = 0
    private var rejects = 0
    private var events = 0
    private var deletions = 0
    private var batches = 0

    init(logger: Logger) {
        self.logger = logger
    }

    /// Counts a committed batch; logs at most every 10 s.
    mutating func committed(_ batch: borrowing Batch, _ outcome: TweetWriter.Outcome, in duration: Duration) {
        logger.debug(
            "committed",
            metadata: [
                "messages": .stringConvertible(batch.count), "milliseconds": .stringConvertible(duration.milliseconds),
            ])
        batches += 1
        messages += batch.count + batch.repeated
        repeated += batch.repeated
        inserted += outcome.inserted
        duplicates += outcome.duplicates
        rejects += batch.rejects.count + outcome.refused.count
        events += batch.events.count
        deletions += batch.deletions.count
        if let first = outcome.refused.first {
            let message = batch.messages[first.line.message]
            logger.warning(
                "PostgreSQL rejected rows; they are stored in the table rejects",
                metadata: [
                    "rows": .stringConvertible(outcome.refused.count),
                    "partition": .stringConvertible(message.partition),
                    "first_offset": .stringConvertible(message.offset), "reason": "\(first.error)",
                ])
        }
        if ContinuousClock.now - lastReport >= .seconds(10) { report() }
    }

    /// Logs the counts since the last report.
    mutating func report(isFinal: Bool = false) {
        guard messages > 0 || isFinal else { return }
        let seconds = max(Double((ContinuousClock.now - lastReport).milliseconds) / 1000, 0.001)
        logger.info(
            isFinal ? "stopped" : "loaded",
            metadata: [
                "messages": .stringConvertible(messages), "inserted": .stringConvertible(inserted),
                "duplicates": .stringConvertible(duplicates),
                "settled_before": .stringConvertible(repeated),
                "rejects": .stringConvertible(rejects), "events": .stringConvertible(events),
                "deleted": .stringConvertible(deletions), "batches": .stringConvertible(batches),
                "per_second": .stringConvertible(Int(Double(messages) / seconds)),
            ])
        self = LoaderProgress(logger: logger)
    }
}
