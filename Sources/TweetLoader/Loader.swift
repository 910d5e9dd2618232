import Logging
import PipelineKit

/// The loop of the loader: Kafka's messages into PostgreSQL, each batch in one transaction with its offsets.
///
/// One thread does everything in turn: while a batch is written, librdkafka's own threads fetch the next messages.
final class Loader {
    private let settings: LoaderSettings
    private let stop: Stop
    private let logger: Logger
    let session: DatabaseSession
    private var consumer: KafkaConsumer?
    var claims: PartitionClaims
    private var decoder = TweetDecoder()
    var batch = Batch()
    private var limits: BatchLimits
    private var tweets = TweetWriter()
    private var ledger = StreamLedger()
    private var progress: LoaderProgress

    init(_ settings: LoaderSettings, stop: Stop, logger: Logger) {
        self.settings = settings
        self.stop = stop
        self.logger = logger
        session = DatabaseSession(settings.conninfo, payload: settings.payload, stop: stop)
        claims = PartitionClaims(owner: settings.owner)
        limits = settings.limits
        progress = LoaderProgress(logger: logger)
    }

    /// Loads until the stop is raised; then finishes the batch in hand and leaves the group.
    ///
    /// - Throws: `Failure` for what waiting cannot heal: wrong settings, and a refusal of PostgreSQL at the start.
    func run() throws {
        do {
            // Only a loader that can store may take partitions from others.
            try persistently { _ in }
            let consumer = try KafkaConsumer(
                settings.kafka, group: settings.group, topics: settings.topics, logger: logger)
            self.consumer = consumer
            defer { consumer.close() }
            logger.info("loading", metadata: settings.description)
            while !stop.isRaised {
                try fill()
                try settle()
                foldLedger()
            }
        } catch is Abandoned {
            logger.info("stopped while PostgreSQL is away", metadata: ["messages left to Kafka": "\(batch.count)"])
        }
        progress.report(isFinal: true)
    }

    /// Polls until the batch is full or old enough, or nothing has come for a while.
    private func fill() throws {
        let idleUntil = ContinuousClock.now + .milliseconds(500)
        var due: ContinuousClock.Instant?
        while !stop.isRaised, !batch.isFull(limits) {
            let left = ContinuousClock.now.duration(to: due ?? idleUntil)
            guard left > .zero else { return }
            // Short enough to notice the stop.
            try poll(min(left, .milliseconds(100)))
            if !claims.wanted.isEmpty { try claimPartitions() }
            if due == nil, !batch.isEmpty { due = .now + limits.age }
        }
    }

    /// Takes one message into the batch, if one comes in time, and follows the group's rebalances.
    private func poll(_ timeout: Duration) throws {
        guard let consumer else { return }
        do {
            if let message = try consumer.poll(timeout: timeout) {
                followGroup(consumer)
                guard let claim = claims.held[message.topicPartition] else { return }
                if let next = claim.nextOffset, message.offset < next { return }
                batch.add(message, decoder: &decoder, payload: settings.payload)
            } else {
                followGroup(consumer)
            }
        } catch {
            try handle(error)
        }
    }

    private func followGroup(_ consumer: KafkaConsumer) {
        let changes = consumer.takeAssignmentChanges()
        guard !changes.isEmpty else { return }
        batch.drop(claims.apply(changes))
        logger.info("Kafka's group changed", metadata: ["partitions": "\(claims.held.count + claims.wanted.count)"])
    }

    /// Claims what the group has given us and starts each partition exactly where PostgreSQL says.
    func claimPartitions() throws {
        let starts = try persistently { connection in try claims.claimWanted(connection) }
        let stillOurs = starts.filter { claims.held[$0.key] != nil }
        do {
            try consumer?.start(stillOurs)
            // A partition that was paused in an outage and has come back since is still paused.
            try consumer?.resume()
        } catch {
            try handle(error)
            claims.want(stillOurs.keys)
        }
    }

    /// Writes the batch, its rejects, events, ledger and offsets in one transaction, then tells Kafka.
    func settle() throws {
        guard !batch.isEmpty else { return }
        let start = ContinuousClock.now
        let outcome = try persistently { connection in
            try tweets.prepare(batch, connection)
            try connection.execute("BEGIN")
            try dropForeign(connection)
            let outcome = try tweets.write(batch, connection)
            try settleOthers(outcome, connection)
            try StreamLedger.append(batch.settledNumbers, connection)
            try PartitionClaims.store(batch.nextOffsets, connection)
            try connection.execute("COMMIT")
            return outcome
        }
        let duration = ContinuousClock.now - start
        limits.transactionTook(duration)
        consumer?.commit(batch.nextOffsets)
        claims.settled(batch.nextOffsets)
        tweets.committed(batch, outcome)
        ledger.committed()
        progress.committed(batch, outcome, in: duration)
        batch.removeAll()
    }

    /// Locks the offsets and takes out what is not ours to settle: partitions that another loader has claimed, and
    /// messages that are settled already, as after a COMMIT whose answer was lost.
    private func dropForeign(_ connection: borrowing PostgresConnection) throws {
        let locked = try claims.lock(batch.nextOffsets.keys, connection)
        for (partition, owner) in locked.lost {
            logger.warning(
                "another loader has claimed a partition", metadata: ["partition": "\(partition)", "owner": "\(owner)"])
        }
        claims.release(locked.lost.keys)
        batch.drop(locked.lost.keys)
        batch.drop(below: locked.nextOffsets)
        claims.settled(locked.nextOffsets)
    }

    /// Deletions, events and rejects, among them the rows that PostgreSQL refused.
    private func settleOthers(_ outcome: TweetWriter.Outcome, _ connection: borrowing PostgresConnection) throws {
        if !batch.deletions.isEmpty {
            _ = try connection.query(
                "DELETE FROM tweets WHERE id = ANY ($1::bigint[])", [arrayLiteral(batch.deletions.map { $0.id })],
                doing: "delete tweets")
        }
        let refusedEvents = try StreamEventsTable.insert(of: batch, connection)
        let refusedRows = outcome.refused.map { row, error in
            Batch.Reject(
                message: row.message, reason: "database", sqlstate: error.sqlstate, detail: error.serverMessage)
        }
        try RejectsTable.insert(batch.rejects + refusedEvents + refusedRows, of: batch, connection)
    }

    /// Tidies the ledger; what fails here is tried again, and counts already from where it is.
    func foldLedger() {
        guard ledger.isDue else { return }
        do { try session.attempt { connection in try ledger.fold(connection) } } catch {
            logger.debug("the ledger was not folded", metadata: ["reason": "\(error)"])
        }
    }

    /// Runs `work` until it succeeds, however long PostgreSQL is away; keeps our membership of the group meanwhile.
    ///
    /// - Throws: `Abandoned` when the stop is raised during an outage; `Failure` at the start.
    private func persistently<Result>(_ work: (borrowing PostgresConnection) throws -> Result) throws -> Result {
        var outage: Outage?
        while true {
            do {
                let result = try session.attempt(work)
                if let outage {
                    outage.end()
                    try consumer?.resume()
                }
                return result
            } catch {
                if !session.hasServed, let failure = error as? Failure { throw failure }
                tweets.forgetTable()
                guard !stop.isRaised else { throw Abandoned() }
                if outage == nil { try consumer?.pause() }
                outage = outage ?? Outage(logger: logger)
                try keepMembership(for: outage?.next(after: error) ?? .zero)
            }
        }
    }

    /// Polls without taking messages, as they are paused, so that Kafka does not give our partitions away.
    private func keepMembership(for delay: Duration) throws {
        let end = ContinuousClock.now + delay
        while !stop.isRaised, ContinuousClock.now < end {
            let left = min(ContinuousClock.now.duration(to: end), .milliseconds(100))
            if consumer == nil { stop.wait(for: left) } else { try poll(left) }
        }
    }

    private func handle(_ error: KafkaError) throws {
        switch error.disposition {
        case .rebuild, .settings: throw Failure(.unavailable, "\(error)")
        case _ where error.isOffsetGone:
            // To jump is to lose messages without a word: a person decides.
            logger.error(
                "\(error): this partition stands still",
                metadata: [
                    "why": "the topic was created anew, or its retention has overtaken the loader",
                    "remedy": """
                    to begin with the oldest message that Kafka has: UPDATE loader_offsets SET next_offset = NULL \
                    WHERE topic = '...' AND partition = ...; then start the loader again
                    """,
                ])
        case .retry, .queueFull, .rejectRecord: logger.error("\(error)")
        }
    }
}

extension KafkaError {
    /// Whether Kafka does not have the offset that it was asked for.
    fileprivate var isOffsetGone: Bool { ["_AUTO_OFFSET_RESET", "OFFSET_OUT_OF_RANGE"].contains(name) }
}

/// The stop was raised while PostgreSQL was away: Kafka brings the batch again.
private struct Abandoned: Error {}
