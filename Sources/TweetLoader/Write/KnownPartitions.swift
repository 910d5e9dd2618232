import Postgres

/// The monthly partitions of `tweets` that are known to exist.
struct KnownPartitions {
    private var names: Set<String> = []
    /// The partition that the last id was in: tweets come in the order of time.
    private var current: TweetPartition?
    private var isFresh = false
    /// When to look after the partitions of the near future again.
    private var aheadDue = ContinuousClock.now

    /// Two loaders that create at once wait for each other; the number is arbitrary but must not change.
    private static let advisoryLock: Int64 = 7_205_759_403_792_794

    /// Forgets everything: the next call looks again.
    mutating func forget() {
        names = []
        current = nil
        aheadDue = .now
    }

    /// Creates the partitions that the ids need, and occasionally those of this month and the next.
    mutating func ensure(for ids: [Int64], _ connection: borrowing PostgresConnection) throws(PostgresError) {
        isFresh = names.isEmpty
        if isFresh { names = try Self.existing(connection) }
        var needed: Set<TweetPartition> = []
        for id in ids where !(current?.contains(id) ?? false) {
            let partition = TweetPartition(containing: id)
            current = partition
            needed.insert(partition)
        }
        for partition in needed { try create(partition, connection) }
        guard ContinuousClock.now >= aheadDue else { return }
        aheadDue = .now + .seconds(60)
        for partition in Self.ahead() {
            do { try create(partition, connection) } catch {
                // Somebody holds a lock: there is a month's time to try again.
                guard error.sqlstate == "55P03" else { throw error }
                try connection.execute("ROLLBACK")
            }
        }
    }

    /// A missing partition looks like a bad row (23514 without a constraint): when what we know is old, look again.
    ///
    /// - Throws: `error`, so that the batch is tried again with what is found.
    mutating func recheck(after error: PostgresError) throws(PostgresError) {
        guard error.isPartitionMissing, !isFresh else { return }
        forget()
        throw error
    }

    private static func ahead() -> [TweetPartition] {
        let current = TweetPartition(at: .now())
        return [current] + [current.next].compactMap { $0 }
    }

    private static func existing(_ connection: borrowing PostgresConnection) throws(PostgresError) -> Set<String> {
        let answer = try connection.query(
            """
            SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            WHERE i.inhparent = 'tweets'::regclass AND EXISTS (
                SELECT FROM pg_inherits r JOIN pg_class p ON p.oid = r.inhrelid
                WHERE r.inhparent = 'tweet_rules'::regclass AND p.relname = replace(c.relname, 'tweets_', 'tweet_rules_'))
            """, doing: "look for partitions")
        return Set((0..<answer.rowCount).compactMap { answer.text($0, 0) })
    }

    private mutating func create(
        _ partition: TweetPartition, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        guard !names.contains(partition.name) else { return }
        try connection.execute(
            """
            BEGIN; SET LOCAL lock_timeout = '5s'; SELECT pg_advisory_xact_lock(\(Self.advisoryLock));
            \(partition.createSQL); COMMIT
            """, doing: "create the partition \(partition.name)")
        names.insert(partition.name)
    }
}

extension PostgresError {
    /// Whether no partition takes the row: a check violation (23514) that names no constraint.
    var isPartitionMissing: Bool { sqlstate == "23514" && constraint == nil }
}
