import Core
import Logging
import Synchronization

/// Counts what the writers of a process have loaded, and logs it.
final class LoaderProgress: Sendable {
    private struct Counts {
        var messages = 0
        var inserted = 0
        var duplicates = 0
        var repeated = 0
        var rejects = 0
        var events = 0
        var deletions = 0
        var batches = 0

        static func += (sum: inout Counts, other: Counts) {
            sum.messages += other.messages
            sum.inserted += other.inserted
            sum.duplicates += other.duplicates
            sum.repeated += other.repeated
            sum.rejects += other.rejects
            sum.events += other.events
            sum.deletions += other.deletions
            sum.batches += other.batches
        }
    }

    private struct State {
        var counts = Counts()
        var lastReport = ContinuousClock.now
        var pace = Periodic(every: .seconds(10))
        /// How many have not ended.
        var writers: Int
    }

    let metrics: LoaderMetrics
    private let logger: Logger
    private let state: Mutex<State>

    /// - Parameters:
    ///   - writers: how many there are.
    ///   - logger: gets the sum of what they have loaded.
    ///   - metrics: of the process.
    init(writers: Int, logger: Logger, metrics: LoaderMetrics = LoaderMetrics()) {
        self.metrics = metrics
        self.logger = logger
        state = Mutex(State(writers: writers))
    }

    /// Adds a committed batch; logs the sum at most every 10 s.
    ///
    /// - Parameters:
    ///   - batch: what was committed.
    ///   - outcome: what became of its rows.
    ///   - duration: of the transaction.
    ///   - logger: the writer's.
    func committed(
        _ batch: borrowing Batch, _ outcome: TweetWriter.Outcome, in duration: Duration, _ logger: Logger
    ) {
        logger.debug(
            "committed",
            metadata: [
                "messages": .stringConvertible(batch.count), "milliseconds": .stringConvertible(duration.milliseconds),
            ])
        var counts = Counts()
        counts.batches = 1
        counts.messages = batch.count + batch.repeated
        counts.repeated = batch.repeated
        counts.inserted = outcome.inserted
        counts.duplicates = outcome.duplicates
        counts.rejects = batch.rejects.count + outcome.refused.count
        counts.events = batch.events.count
        counts.deletions = batch.deletions.count
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
        state.withLock { [counts] state in
            state.counts += counts
            if state.pace.isDue() { report(isLast: false, &state) }
        }
    }

    /// Logs what is left to log when the last writer has ended.
    func writerEnded() {
        state.withLock { state in
            state.writers -= 1
            if state.writers == 0 { report(isLast: true, &state) }
        }
    }

    /// Logs the sum since the last report.
    private func report(isLast: Bool, _ state: inout State) {
        let (counts, now) = (state.counts, ContinuousClock.now)
        let seconds = max(Double((now - state.lastReport).milliseconds) / 1000, 0.001)
        logger.info(
            isLast ? "stopped" : "loaded",
            metadata: [
                "messages": .stringConvertible(counts.messages), "inserted": .stringConvertible(counts.inserted),
                "duplicates": .stringConvertible(counts.duplicates),
                "settled_before": .stringConvertible(counts.repeated), "rejects": .stringConvertible(counts.rejects),
                "events": .stringConvertible(counts.events),
                "deleted": .stringConvertible(counts.deletions), "batches": .stringConvertible(counts.batches),
                "per_second": .stringConvertible(Int(Double(counts.messages) / seconds)),
            ])
        state.counts = Counts()
        state.lastReport = now
    }
}
