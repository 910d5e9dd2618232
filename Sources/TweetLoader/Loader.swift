import Core
import KafkaClient
import Logging
import Postgres

/// Writes Kafka's messages into PostgreSQL, each batch in one transaction with its offsets.
///
/// Two threads, each the only owner of what it has: the intake takes the next batch from Kafka and decodes it while the
/// loader's own thread has the connection to PostgreSQL and writes. What passes between them is in the mailbox.
final class Loader {
    private let settings: LoaderSettings
    private let stop: Stop
    private let logger: Logger
    private let mailbox: BatchMailbox
    private let intakeHeart: Heartbeat?
    let session: DatabaseSession
    var claims: PartitionClaims
    /// What is being written.
    private(set) var batch = Batch()
    private var limits: BatchLimits
    private let sharedRows: SharedRows
    private var tweets = TweetWriter()
    private var unknownKeys = UnknownKeysTable()
    private var ledger = StreamLedger()
    private let progress: LoaderProgress
    private var presence: LoaderPresence
    private var nextCheck = ContinuousClock.now + checkInterval
    var metrics: LoaderMetrics { progress.metrics }

    /// How often PostgreSQL is asked whether our claims still hold, while nothing is written.
    private static let checkInterval = Duration.seconds(10)

    /// - Parameters:
    ///   - settings: of this writer.
    ///   - progress: of all writers of the process; nil for the only one.
    ///   - sharedRows: of all writers of the process; nil for the only one.
    ///   - stop: ends it.
    ///   - logger: gets what happens.
    ///   - intakeHeart: by it the watchdog sees that the intake lives.
    init(
        _ settings: LoaderSettings, progress: LoaderProgress? = nil, sharedRows: SharedRows? = nil, stop: Stop,
        logger: Logger, intakeHeart: Heartbeat? = nil
    ) {
        self.settings = settings
        self.intakeHeart = intakeHeart
        self.stop = stop
        self.logger = logger
        mailbox = BatchMailbox(stop: stop)
        session = DatabaseSession(settings.conninfo, payload: settings.payload, stop: stop, logger: logger)
        claims = PartitionClaims(owner: settings.owner)
        limits = settings.limits
        self.sharedRows = sharedRows ?? SharedRows(settings, stop: stop)
        self.progress = progress ?? LoaderProgress(writers: 1, logger: logger)
        presence = LoaderPresence(owner: settings.owner)
    }

    /// Loads until the stop is raised; then finishes the batch in hand and leaves the group.
    ///
    /// - Throws: `DatabaseError` for what waiting cannot heal: wrong settings, and a refusal of PostgreSQL at the start.
    func run() throws {
        let outcome: Result<Void, any Error>
        do {
            // Only a loader that can store may take partitions from others.
            try persistently { _ in }
            metrics.writers.connected(settings.owner)
            let intake = JoinableThread(name: "intake") { [settings, mailbox, stop, logger, intakeHeart, progress] in
                Heartbeat.$current.withValue(intakeHeart) {
                    Intake(settings, mailbox, stop: stop, logger: logger, metrics: progress.metrics.consuming).run()
                }
            }
            outcome = Result { try load() }
            mailbox.finish()
            intake.join()
        } catch {
            outcome = .failure(error)
        }
        do { try outcome.get() } catch is Abandoned {
            logger.info(
                "stopped while PostgreSQL was unreachable; Kafka keeps the messages",
                metadata: ["messages": "\(batch.count)"])
        }
        if session.hasServed { try? session.attempt { connection in try presence.end(connection) } }
        progress.writerEnded()
    }

    private func load() throws {
        while true {
            giveSign()
            var news = mailbox.take(until: .now + .milliseconds(500))
            if let failure = news.failure { throw failure }
            news.takeBatch(&batch)
            follow(news.events)
            if !claims.wanted.isEmpty { try claimPartitions() }
            if !batch.isEmpty { try settle() }
            metrics.writers.set(settings.owner, next: claims.held.mapValues(\.nextOffset))
            foldLedger()
            try checkClaims()
            for hole in news.holes { try pass(hole.partition, hole.kept, isReplaced: hole.isReplaced) }
            if news.isOver { return }
        }
    }

    /// Writes the batch, its rejects, events, ledger and offsets in one transaction, then commits the offsets to Kafka.
    private func settle() throws {
        while !batch.isEmpty {
            guard let part = try settlePart() else { break }
            batch.drop(below: part)
        }
        // Emptied while it has one owner, so that its memory stays and is used again.
        batch.removeAll()
        mailbox.recycle(batch)
        batch = Batch()
    }

    /// Writes a batch.
    func settle(_ batch: Batch) throws {
        self.batch = batch
        try settle()
    }

    /// Settles as much of the batch as PostgreSQL takes at once; returns the offsets it got to, nil when that was all.
    private func settlePart() throws -> [TopicPartition: Int64]? {
        let start = ContinuousClock.now
        let (part, outcome) = try persistently { connection in
            do { return try write(connection) } catch {
                if metrics.writing.failed(error) == .split { limits.transactionWasTooLarge(batch.count) }
                throw error
            }
        }
        let duration = ContinuousClock.now - start
        limits.transactionTook(duration)
        mailbox.committed(part.nextOffsets, age: limits.age)
        claims.settled(part.nextOffsets)
        tweets.committed(part, outcome)
        // What a tombstone deleted may arrive again.
        if !part.deletions.isEmpty { sharedRows.forget() }
        ledger.committed()
        nextCheck = .now + Self.checkInterval
        progress.committed(part, outcome, in: duration, logger)
        metrics.committed(part, outcome, in: duration, by: settings.owner)
        return part.nextOffsets == batch.nextOffsets ? nil : part.nextOffsets
    }

    /// Two transactions: what lines share, then the batch, or as much of it as PostgreSQL takes at once.
    private func write(
        _ connection: borrowing PostgresConnection
    ) throws -> (part: Batch, outcome: TweetWriter.Outcome) {
        try RemovedAccounts.discard(from: &batch, connection)
        try tweets.prepare(batch, connection)
        return try sharedRows.storing(
            batch, limit: limits.portion, claims, rollback: { try connection.execute("ROLLBACK") }
        ) { turn in
            try connection.execute("BEGIN")
            try dropForeign(from: &turn.part, connection)
            let hasDiscarded = try RemovedAccounts.discard(from: &turn.part, locking: true, connection)
            let part = turn.part
            var outcome = try tweets.write(part, turn.outcome, connection)
            // Before anything is locked that other writers lock, too.
            try turn.awaitIncluded()
            try outcome.hours.resolve(connection)
            try settleOthers(part, &outcome, connection)
            try outcome.hours.store(connection)
            try StreamLedger.append(part.settledNumbers, connection)
            try KafkaHole.record(jumps: part.jumps, connection)
            try claims.store(part.nextOffsets, part.identities(part.nextOffsets), connection)
            FailPoint.commit.pass()
            try connection.execute("COMMIT")
            turn.areTweetsStored = outcome.refused.isEmpty && part.deletions.isEmpty && !hasDiscarded
            FailPoint.committed.pass()
            return (part, outcome)
        }
    }

    /// Locks the offsets and takes out what is not ours to settle: partitions that another loader has claimed, and
    /// messages that are settled already, as after a COMMIT whose answer was lost.
    private func dropForeign(from part: inout Batch, _ connection: borrowing PostgresConnection) throws {
        let locked = try claims.lock(batch.nextOffsets.keys, connection)
        part.drop(locked.foreign)
        part.drop(below: locked.nextOffsets)
        giveUp(locked)
        batch.drop(below: locked.nextOffsets)
        claims.settled(locked.nextOffsets)
    }

    /// Removes what we no longer own. Kafka's group then assigns it again, PostgreSQL gives the offset.
    private func giveUp(_ locked: PartitionClaims.Locked) {
        metrics.gaveUp(lost: locked.lost.count, setBack: locked.setBack.count)
        mailbox.leave(locked, logger)
        claims.release(locked.foreign)
        batch.drop(locked.foreign)
    }

    /// Checks periodically whether PostgreSQL is reachable and has what it confirmed, also without messages.
    private func checkClaims() throws {
        guard ContinuousClock.now >= nextCheck else { return }
        giveUp(try persistently { connection in try claims.check(connection) })
        nextCheck = .now + Self.checkInterval
    }

    /// Deletions, events and rejects, among them the rows that PostgreSQL refused.
    private func settleOthers(
        _ batch: borrowing Batch, _ outcome: inout TweetWriter.Outcome, _ connection: borrowing PostgresConnection
    ) throws {
        let refusedDeletions = try TweetDeletions.apply(of: batch, &outcome, connection)
        let refusedEvents = try StreamEventsTable.insert(of: batch, connection)
        let rejects = batch.rejects + refusedDeletions + refusedEvents + outcome.refusedRows
        outcome.note(rejects, events: refusedEvents.count, deletions: refusedDeletions.count)
        try RejectsTable.insert(rejects, of: batch, connection)
        try unknownKeys.count(batch.rows.unknownKeys, connection)
    }

    /// Tidies the ledger; what fails here is tried again, and counts already from where it is.
    func foldLedger() {
        guard ledger.isDue else { return }
        do { try session.attempt { connection in try ledger.fold(connection) } } catch {
            logger.debug("the ledger was not folded", metadata: ["reason": "\(error)"])
        }
    }

    /// Shows that this loader runs; a sign that fails is given later, as loading itself notices an outage.
    private func giveSign() {
        guard presence.takeTurn(problem: mailbox.groupProblem) else { return }
        do { try session.attempt { connection in try presence.sign(connection) } } catch {
            logger.debug("no sign of life was given", metadata: ["reason": "\(error)"])
        }
    }

    /// Runs `work` until it succeeds, however long PostgreSQL is unreachable; the intake keeps our membership of the group.
    ///
    /// - Throws: `Abandoned` when the stop is raised during an outage; `DatabaseError` at the start.
    private func persistently<Result>(_ work: (borrowing PostgresConnection) throws -> Result) throws -> Result {
        var outage: Outage?
        while true {
            do {
                let result = try session.attempt(work)
                if let outage {
                    outage.end()
                    mailbox.setOutage(false)
                    metrics.writers.connected(settings.owner)
                }
                return result
            } catch {
                metrics.writing.note(error)
                if !session.hasServed, let error = error as? DatabaseError { throw error }
                tweets.forgetTable()
                guard !stop.isRaised else { throw Abandoned() }
                if outage == nil { mailbox.setOutage(true) }
                metrics.writers.failed(settings.owner, isRefused: (error as? PostgresError)?.disposition == .refused)
                outage = outage ?? Outage(logger: logger)
                wait(for: outage?.next(after: error) ?? .zero)
            }
        }
    }

    /// Waits, and follows the group meanwhile: the batch in hand may not be ours any more.
    private func wait(for delay: Duration) {
        let end = ContinuousClock.now + delay
        while !stop.isRaised, ContinuousClock.now < end { follow(mailbox.takeEvents(until: end, stop)) }
    }
}

/// Kafka's group.
extension Loader {
    private func follow(_ events: [BatchMailbox.GroupEvent]) {
        for event in events {
            switch event {
            case .changed(let change):
                batch.drop(claims.apply([change]))
                metrics.writers.joined(settings.owner)
            case .left:
                claims.releaseAll()
                batch.removeAll()
            }
        }
    }

    /// Claims what the group has given us and has each partition started exactly where PostgreSQL says.
    func claimPartitions() throws {
        let (starts, settled) = try persistently { connection in
            // No earlier owner can settle anything of these partitions once they are claimed.
            let starts = try claims.claimWanted(connection)
            return (starts, try SettledLines(connection))
        }
        mailbox.start(starts, of: claims.held.mapValues(\.identity), settled: settled)
    }

    /// Records what Kafka deleted before it was loaded, and continues after it if that is the policy.
    private func pass(_ partition: TopicPartition, _ kept: (low: Int64, high: Int64), isReplaced: Bool) throws {
        guard let wanted = claims.held[partition]?.nextOffset else { return }
        let hole = KafkaHole(partition, wanted: wanted, in: kept, isReplaced: isReplaced)
        try persistently { connection in try hole.record(claims, settings.onHole, connection) }
        hole.tell(settings.onHole, logger)
        guard hole.isGone(under: settings.onHole) else { return }
        metrics.consuming.rejoins[.hole].add()
        mailbox.leave("start \(partition) at what Kafka has now")
    }
}

/// The stop was raised while PostgreSQL was away: Kafka brings the batch again.
private struct Abandoned: Error {}
