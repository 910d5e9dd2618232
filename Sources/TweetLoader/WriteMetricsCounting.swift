import Core
import KafkaClient
import Postgres

extension LoaderMetrics {
    /// Counts a committed transaction.
    ///
    /// - Parameters:
    ///   - batch: what was committed.
    ///   - outcome: what became of it.
    ///   - duration: of the transaction.
    ///   - owner: the writer.
    func committed(
        _ batch: borrowing Batch, _ outcome: TweetWriter.Outcome, in duration: Duration, by owner: String
    ) {
        writing.committed(batch, outcome, in: duration)
        writers.set(owner, received: writing.countDelays(batch))
    }

    /// Counts partitions that a writer cannot settle any more.
    ///
    /// - Parameters:
    ///   - lost: how many another loader has claimed.
    ///   - setBack: of how many PostgreSQL knows less than it has confirmed.
    func gaveUp(lost: Int, setBack: Int) {
        writing.fenceLosses.add(lost)
        if lost > 0 { consuming.rejoins[.fence].add() }
        if setBack > 0 { consuming.rejoins[.setBack].add() }
    }
}

extension WriteMetrics {
    /// Counts an error of PostgreSQL.
    func note(_ error: any Error) {
        if let error = error as? PostgresError { errors[DatabaseReaction(error.disposition)].add() }
    }

    /// Counts a transaction that failed.
    ///
    /// - Parameter error: why.
    /// - Returns: whether it is sent again as it is, or in parts.
    func failed(_ error: any Error) -> TransactionOutcome {
        let outcome: TransactionOutcome = (error as? PostgresError)?.disposition == .split ? .split : .retried
        transactions[outcome].add()
        return outcome
    }

    fileprivate func committed(_ batch: borrowing Batch, _ outcome: TweetWriter.Outcome, in duration: Duration) {
        settled[.inserted].add(outcome.inserted)
        settled[.duplicate].add(outcome.duplicates)
        settled[.repeated].add(batch.repeated)
        settled[.event].add(batch.events.count - outcome.refusedEvents)
        settled[.discarded].add(batch.discarded.count)
        settled[.deletion].add(batch.deletions.count - outcome.refusedDeletions)
        deleted[.tombstone].add(outcome.deletedTweets)
        for (reason, count) in outcome.rejects {
            settled[.reject].add(count)
            rejects[RejectReason(rawValue: reason) ?? .other].add(count)
        }
        transactions[.committed].add()
        durations.observe(duration)
        batches.observe(Double(batch.count))
        lastCommit.set(Timestamp.now())
    }

    /// Counts how old the messages of a batch are.
    ///
    /// - Parameter batch: what was committed.
    /// - Returns: when the last message of each partition was received.
    fileprivate func countDelays(_ batch: borrowing Batch) -> [TopicPartition: Timestamp] {
        let now = Timestamp.now().milliseconds
        var tally = Histogram.Tally(delays)
        var received: [TopicPartition: Timestamp] = [:]
        // Messages of one partition come in long runs: one look into the dictionary for each.
        var run: (partition: TopicPartition, last: Timestamp)?
        batch.eachReceipt { partition, moment in
            tally.observe(Double(now - moment.milliseconds) / 1000)
            if let ended = run, ended.partition != partition { received[ended.partition] = ended.last }
            run = (partition, moment)
        }
        if let run { received[run.partition] = run.last }
        delays.take(&tally)
        return received
    }
}
