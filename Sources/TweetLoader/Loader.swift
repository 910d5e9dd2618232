import Logging
import PipelineKit

/// The loop of the loader: Kafka's messages into PostgreSQL, each batch in one transaction with its offsets.
///
/// One thread does everything: while PostgreSQL works on a batch, the next one is taken from Kafka and decoded, piece by
/// piece between looks at PostgreSQL's socket. So nothing is shared, and nothing has to be handed over.
final class Loader {
    private let settings: LoaderSettings
    private let stop: Stop
    private let logger: Logger
    let session: DatabaseSession
    private var consumer: KafkaConsumer?
    var claims: PartitionClaims
    private var decoder = TweetDecoder()
    /// What is being taken from Kafka.
    var batch = Batch()
    /// What is being written to PostgreSQL.
    private var writing = Batch()
    /// When the first message came into `batch`.
    private var batchBegan: ContinuousClock.Instant?
    private var settled = SettledLines()
    private var mayPrefetch = false
    private var deferredChanges: [AssignmentChange] = []
    private var limits: BatchLimits
    private var tweets = TweetWriter()
    private var unknownKeys = UnknownKeysTable()
    private var ledger = StreamLedger()
    private var progress: LoaderProgress
    private var membership = Membership()

    init(_ settings: LoaderSettings, stop: Stop, logger: Logger) {
        self.settings = settings
        self.stop = stop
        self.logger = logger
        session = DatabaseSession(settings.conninfo, payload: settings.payload, stop: stop)
        claims = PartitionClaims(owner: settings.owner)
        limits = settings.limits
        progress = LoaderProgress(logger: logger)
        session.whileWaiting = { [unowned self] in prefetch() }
    }

    /// Loads until the stop is raised; then finishes the batch in hand and leaves the group.
    ///
    /// - Throws: `Failure` for what waiting cannot heal: wrong settings, and a refusal of PostgreSQL at the start.
    func run() throws {
        do {
            // Only a loader that can store may take partitions from others.
            try persistently { _ in }
            try join()
            defer { consumer?.close() }
            logger.info("loading", metadata: settings.description)
            while !stop.isRaised {
                try fill()
                try settle()
                foldLedger()
                try checkClaims()
                try passHoles()
                try rejoin()
            }
        } catch is Abandoned {
            logger.info(
                "stopped while PostgreSQL is away",
                metadata: ["messages left to Kafka": "\(writing.count + batch.count)"])
        }
        progress.report(isFinal: true)
    }

    /// Polls until the batch is full or old enough, or nothing has come for a while.
    private func fill() throws {
        let idleUntil = ContinuousClock.now + .milliseconds(500)
        while !stop.isRaised, !batch.isFull(limits), !membership.isOver {
            let left = ContinuousClock.now.duration(to: batchBegan.map { $0 + limits.age } ?? idleUntil)
            guard left > .zero else { return }
            // Short enough to notice the stop.
            try poll(min(left, .milliseconds(100)))
            if !claims.wanted.isEmpty { try claimPartitions() }
        }
    }

    /// Takes one message into the batch, if one comes in time, and follows the group's rebalances.
    private func poll(_ timeout: Duration) throws {
        guard let consumer else { return }
        do {
            if let message = try consumer.poll(timeout: timeout) {
                followGroup(consumer)
                take(message)
            } else {
                followGroup(consumer)
            }
        } catch {
            handle(error)
        }
    }

    private func take(_ message: borrowing KafkaMessage) {
        guard let claim = claims.held[message.topicPartition] else { return }
        if let next = claim.nextOffset, message.offset < next { return }
        if batchBegan == nil { batchBegan = .now }
        batch.add(message, decoder: &decoder, payload: settings.payload, settled: &settled)
    }

    /// Takes a few messages of the next batch while PostgreSQL works on this one; answers whether there were any.
    ///
    /// Runs inside of a statement: it reads the claims, and leaves to `followGroup` what would change them.
    private func prefetch() -> Bool {
        guard mayPrefetch, deferredChanges.isEmpty, !stop.isRaised, let consumer else { return false }
        for count in 0..<8 {
            guard !batch.isFull(limits) else { return count > 0 }
            let hasTaken = takeNext(from: consumer)
            deferredChanges += consumer.takeAssignmentChanges()
            guard hasTaken, deferredChanges.isEmpty else { return count > 0 }
        }
        return true
    }

    /// Takes the next message if there is one; answers whether there was.
    private func takeNext(from consumer: KafkaConsumer) -> Bool {
        do {
            if let message = try consumer.poll(timeout: .zero) {
                take(message)
                return true
            }
        } catch {
            handle(error)
        }
        return false
    }

    private func followGroup(_ consumer: KafkaConsumer) {
        let changes = deferredChanges + consumer.takeAssignmentChanges()
        guard !changes.isEmpty else { return }
        deferredChanges = []
        let gone = claims.apply(changes)
        batch.drop(gone)
        // In an outage the group goes on while the batch waits to be written.
        writing.drop(gone)
        logger.info("Kafka's group changed", metadata: ["partitions": "\(claims.held.count + claims.wanted.count)"])
    }

    /// Claims what the group has given us and starts each partition exactly where PostgreSQL says.
    func claimPartitions() throws {
        let starts = try persistently { connection in try claim(connection) }
        let stillOurs = starts.filter { claims.held[$0.key] != nil }
        do {
            try consumer?.start(stillOurs)
            // A partition that was paused in an outage and has come back since is still paused.
            try consumer?.resume()
        } catch {
            membership.end("\(error)")
        }
    }

    private func claim(_ connection: borrowing PostgresConnection) throws -> [TopicPartition: Int64] {
        let starts = try claims.claimWanted(connection)
        // No earlier owner can settle anything of these partitions any more.
        settled = try SettledLines(connection)
        return starts
    }

    /// Writes the batch, its rejects, events, ledger and offsets in one transaction, then tells Kafka.
    func settle() throws {
        swap(&batch, &writing)
        batchBegan = nil
        mayPrefetch = true
        defer { mayPrefetch = false }
        while !writing.isEmpty {
            guard let part = try settlePart() else { break }
            writing.drop(below: part)
        }
        writing.removeAll()
    }

    /// Settles as much of the batch as PostgreSQL takes at once; returns the offsets it got to, nil when that was all.
    private func settlePart() throws -> [TopicPartition: Int64]? {
        let start = ContinuousClock.now
        let (part, outcome) = try persistently { connection in
            do { return try write(connection) } catch let error as PostgresError where error.disposition == .split {
                limits.transactionWasTooLarge(writing.count)
                throw error
            }
        }
        let duration = ContinuousClock.now - start
        limits.transactionTook(duration)
        consumer?.commit(part.nextOffsets)
        claims.settled(part.nextOffsets)
        tweets.committed(part, outcome)
        ledger.committed()
        membership.committed()
        progress.committed(part, outcome, in: duration)
        return part.nextOffsets == writing.nextOffsets ? nil : part.nextOffsets
    }

    /// One transaction: the batch, or as much of it as PostgreSQL takes at once.
    private func write(
        _ connection: borrowing PostgresConnection
    ) throws -> (part: Batch, outcome: TweetWriter.Outcome) {
        try tweets.prepare(writing, connection)
        try connection.execute("BEGIN")
        try dropForeign(connection)
        let part = writing.first(limits.portion)
        let outcome = try tweets.write(part, connection)
        try settleOthers(part, outcome, connection)
        try StreamLedger.append(part.settledNumbers, connection)
        try claims.store(part.nextOffsets, connection)
        FailPoint.commit.pass()
        try connection.execute("COMMIT")
        FailPoint.committed.pass()
        return (part, outcome)
    }

    /// Locks the offsets and takes out what is not ours to settle: partitions that another loader has claimed, and
    /// messages that are settled already, as after a COMMIT whose answer was lost.
    private func dropForeign(_ connection: borrowing PostgresConnection) throws {
        let locked = try claims.lock(writing.nextOffsets.keys, connection)
        giveUp(locked)
        writing.drop(below: locked.nextOffsets)
        claims.settled(locked.nextOffsets)
    }

    /// Takes out what we do not hold any more. Kafka's group then says anew who holds it, PostgreSQL from where.
    private func giveUp(_ locked: PartitionClaims.Locked) {
        for (partition, owner) in locked.lost {
            logger.warning(
                "another loader has claimed a partition", metadata: ["partition": "\(partition)", "owner": "\(owner)"])
            membership.end("another loader has claimed a partition")
        }
        for partition in locked.setBack.sorted() {
            logger.warning(
                "PostgreSQL knows less than it had confirmed; what it has lost is loaded again",
                metadata: ["partition": "\(partition)"])
            membership.end("PostgreSQL was set back")
        }
        let gone = locked.setBack.union(locked.lost.keys)
        claims.release(gone)
        writing.drop(gone)
        batch.drop(gone)
    }

    /// Looks now and then whether PostgreSQL is there and knows what it has confirmed, also while nothing comes.
    private func checkClaims() throws {
        guard membership.isCheckDue else { return }
        giveUp(try persistently { connection in try claims.check(connection) })
        membership.checked()
    }

    /// Deletions, events and rejects, among them the rows that PostgreSQL refused.
    private func settleOthers(
        _ batch: borrowing Batch, _ outcome: TweetWriter.Outcome, _ connection: borrowing PostgresConnection
    ) throws {
        try TweetDeletions.apply(of: batch, connection)
        let refusedEvents = try StreamEventsTable.insert(of: batch, connection)
        let refusedRows = outcome.refused.map { line, error in
            Batch.Reject(
                message: line.message, reason: "database", sqlstate: error.sqlstate, detail: error.serverMessage)
        }
        try RejectsTable.insert(batch.rejects + refusedEvents + refusedRows, of: batch, connection)
        try unknownKeys.count(batch.rows.unknownKeys, connection)
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
                // Behind a fail-over the ledger may know less.
                settled = SettledLines()
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

    private func handle(_ error: KafkaError) {
        if let partition = error.offsetGone {
            membership.holes.insert(partition)
        } else if [.rebuild, .settings].contains(error.disposition) {
            membership.end("\(error)")
        } else {
            logger.error("\(error)")
        }
    }

    /// Joins Kafka's group.
    private func join() throws {
        consumer = try KafkaConsumer(settings.kafka, group: settings.group, topics: settings.topics, logger: logger)
    }

    /// Leaves Kafka's group and joins it anew, if our membership is of no use any more.
    private func rejoin() throws {
        guard let (reason, delay) = membership.takeEnd() else { return }
        logger.warning("joining Kafka's group anew", metadata: ["reason": "\(reason)"])
        batch.removeAll()
        batchBegan = nil
        deferredChanges = []
        claims.releaseAll()
        consumer?.close()
        consumer = nil
        if !stop.wait(for: delay) { try join() }
    }

    /// Records what Kafka has deleted before it was loaded, and goes on behind it if that is the policy.
    private func passHoles() throws {
        guard let consumer else { return }
        // What was taken already comes first: the hole begins behind it.
        for partition in membership.holes where batch.nextOffsets[partition] == nil {
            guard let wanted = claims.held[partition]?.nextOffset else {
                membership.holes.remove(partition)
                continue
            }
            do {
                let hole = KafkaHole(
                    partition, wanted: wanted, in: try consumer.watermarks(partition, timeout: .seconds(2)))
                try persistently { connection in
                    try hole.record(claims, settings.onHole, connection)
                }
                hole.tell(settings.onHole, logger)
                membership.holes.remove(partition)
                if hole.isGone(under: settings.onHole) { membership.end("there was a hole in \(partition)") }
            } catch let error as KafkaError {
                logger.debug("\(error)")
            }
        }
    }
}

/// The stop was raised while PostgreSQL was away: Kafka brings the batch again.
private struct Abandoned: Error {}
