import KafkaClient
import Postgres

/// The partitions that this loader holds, each with the fence from PostgreSQL and the offset to continue from.
///
/// Kafka's group decides which loader should load a partition; the fence in `loader_offsets` decides which one can. A loader
/// that was stopped or cut off while another one took over finds a higher fence and cannot commit.
struct PartitionClaims {
    /// One partition's claim.
    struct Claim {
        /// The number of the claim; the partition is ours while `loader_offsets.fence` equals it.
        var fence: Int64
        /// The first offset that is not settled; nil before the first batch: the earliest that Kafka has.
        var nextOffset: Int64?
        /// The log that the offset belongs to.
        var identity = LogIdentity()
        /// Its rate.
        fileprivate var rate = MeanRate()

        fileprivate func rate(at offset: Int64?) -> MeanRate {
            rate.adding(nextOffset.flatMap { next in offset.map { $0 - next } } ?? 0)
        }
    }

    /// What `lock` found.
    struct Locked {
        /// Partitions that another loader has claimed since, with its name.
        var lost: [TopicPartition: String] = [:]
        /// Partitions of which PostgreSQL knows less than it has confirmed to us: it was restored, or a replica that
        /// lagged took over. What it lost has to be loaded again.
        var setBack: Set<TopicPartition> = []
        /// Where each of the others stands.
        var nextOffsets: [TopicPartition: Int64] = [:]

        /// What is not ours to settle now.
        var foreign: Set<TopicPartition> { setBack.union(lost.keys) }
    }

    private(set) var held: [TopicPartition: Claim] = [:]
    /// Assigned by Kafka, not claimed yet.
    private(set) var wanted: Set<TopicPartition> = []
    /// Host, process id and a random part.
    let owner: String

    init(owner: String) {
        self.owner = owner
    }

    /// Follows what the group has assigned and revoked; returns the partitions that are no longer ours.
    mutating func apply(_ changes: [AssignmentChange]) -> Set<TopicPartition> {
        var gone: Set<TopicPartition> = []
        for change in changes {
            switch change {
            case .assigned(let partitions): wanted.formUnion(partitions)
            case .revoked(let partitions, isLost: _):
                gone.formUnion(partitions)
                release(partitions)
            }
        }
        return gone
    }

    /// Forgets claims, because the group or another loader took the partitions.
    mutating func release(_ partitions: some Sequence<TopicPartition>) {
        for partition in partitions {
            held[partition] = nil
            wanted.remove(partition)
        }
    }

    /// Forgets everything, because the group is left.
    mutating func releaseAll() {
        held = [:]
        wanted = []
    }

    /// Claims what is wanted, after which no earlier owner can commit; returns where to start each partition.
    mutating func claimWanted(
        _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> [TopicPartition: Int64] {
        let partitions = wanted.sorted()
        let answer = try connection.query(
            """
            INSERT INTO loader_offsets AS o (topic, partition, fence, owner)
            SELECT topic, partition, 1, $3 FROM unnest($1::text[], $2::integer[]) AS wanted (topic, partition)
            ORDER BY topic, partition
            ON CONFLICT (topic, partition) DO UPDATE SET fence = o.fence + 1, owner = $3, claimed_at = now()
            RETURNING topic, partition, fence, next_offset, mark_offset, mark_time, mark_digest, cluster_id
            """, Self.columns(partitions) + [owner], doing: "claim partitions")
        var starts: [TopicPartition: Int64] = [:]
        for row in 0..<answer.rowCount {
            guard let partition = Self.partition(answer.text(row, 0), answer.integer(row, 1)) else { continue }
            let nextOffset = answer.integer(row, 3)
            var claim = Claim(fence: answer.integer(row, 2) ?? 0, nextOffset: nextOffset)
            claim.identity.cluster = answer.text(row, 7)
            if let offset = answer.integer(row, 4), let digest = answer.integer(row, 6) {
                claim.identity.mark = LogMark(offset: offset, time: answer.integer(row, 5), digest: digest)
            }
            held[partition] = claim
            starts[partition] = nextOffset ?? KafkaConsumer.earliest
        }
        wanted.subtract(partitions)
        return starts
    }

    /// Locks the offset rows for this transaction and compares the fences.
    ///
    /// A transaction of ours whose outcome is unknown ends before the lock is granted: the offset read here reveals it.
    func lock(
        _ partitions: some Collection<TopicPartition>, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Locked {
        try compare(partitions, "FOR UPDATE OF o", connection)
    }

    /// The same comparison for everything that is held, without a lock: what a fail-over has changed while nothing came.
    func check(_ connection: borrowing PostgresConnection) throws(PostgresError) -> Locked {
        try compare(held.keys, "", connection)
    }

    private func compare(
        _ partitions: some Collection<TopicPartition>, _ lock: String, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Locked {
        let answer = try connection.query(
            """
            SELECT o.topic, o.partition, o.fence, o.next_offset, o.owner
            FROM loader_offsets o JOIN unnest($1::text[], $2::integer[]) AS wanted (topic, partition)
                USING (topic, partition)
            ORDER BY o.topic, o.partition \(lock)
            """, Self.columns(partitions.sorted()), doing: "compare offsets")
        var locked = Locked()
        locked.setBack = Set(partitions)
        for row in 0..<answer.rowCount {
            guard let partition = Self.partition(answer.text(row, 0), answer.integer(row, 1)) else { continue }
            let (fence, nextOffset) = (answer.integer(row, 2) ?? 0, answer.integer(row, 3))
            let owner = answer.text(row, 4) ?? ""
            guard let claim = held[partition], fence <= claim.fence, owner == self.owner || fence < claim.fence else {
                locked.setBack.remove(partition)
                locked.lost[partition] = owner
                continue
            }
            // Nil is less than any offset: nothing is settled.
            guard fence == claim.fence, (nextOffset ?? -1) >= (claim.nextOffset ?? -1) else { continue }
            locked.setBack.remove(partition)
            locked.nextOffsets[partition] = nextOffset
        }
        return locked
    }

    /// Writes how far the partitions are settled, in the transaction that locked them.
    ///
    /// - Parameters:
    ///   - offsets: the next offset of each partition.
    ///   - identities: what identifies their logs now; what is nil in it stays as it is.
    ///   - connection: that of the transaction.
    /// - Throws: `PostgresError`.
    func store(
        _ offsets: [TopicPartition: Int64], _ identities: [TopicPartition: LogIdentity],
        _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        let partitions = offsets.keys.sorted()
        let marks = partitions.map { identities[$0]?.mark }
        let rates = partitions.map { held[$0]?.rate(at: offsets[$0]).perSecond.description }
        _ = try connection.query(
            """
            UPDATE loader_offsets o
            SET next_offset = settled.next_offset, committed_at = clock_timestamp(), rate = coalesce(settled.rate, o.rate),
                cluster_id = coalesce(settled.cluster, o.cluster_id),
                mark_offset = coalesce(settled.mark, o.mark_offset), mark_digest = coalesce(settled.digest, o.mark_digest),
                mark_time = CASE WHEN settled.mark IS NULL THEN o.mark_time ELSE settled.time END
            FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::double precision[], $5::bigint[], $6::bigint[],
                $7::bigint[], $8::text[]) AS settled (topic, partition, next_offset, rate, mark, digest, time, cluster)
            WHERE o.topic = settled.topic AND o.partition = settled.partition
            """,
            Self.columns(partitions) + [
                arrayLiteral(partitions.map { offsets[$0] }), arrayLiteral(rates),
                arrayLiteral(marks.map { $0?.offset }),
                arrayLiteral(marks.map { $0?.digest }), arrayLiteral(marks.map { $0?.time }),
                arrayLiteral(partitions.map { identities[$0]?.cluster }),
            ],
            doing: "store offsets")
    }

    /// Forgets what identified a partition's log, because it cannot be read there any more.
    func forgetIdentity(
        of partition: TopicPartition, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        guard let claim = held[partition] else { return }
        _ = try connection.query(
            """
            UPDATE loader_offsets SET cluster_id = NULL, mark_offset = NULL, mark_time = NULL, mark_digest = NULL
            WHERE topic = $1 AND partition = $2::integer AND fence = $3::bigint
            """, [partition.topic, "\(partition.partition)", "\(claim.fence)"], doing: "forget a log")
    }

    /// Takes note of offsets that were committed.
    mutating func settled(_ offsets: [TopicPartition: Int64]) {
        for (partition, offset) in offsets {
            guard let claim = held[partition], claim.nextOffset != offset else { continue }
            held[partition]?.rate = claim.rate(at: offset)
            held[partition]?.nextOffset = offset
        }
    }

    private static func columns(_ partitions: [TopicPartition]) -> [String?] {
        [arrayLiteral(partitions.map(\.topic)), arrayLiteral(partitions.map { Int64($0.partition) })]
    }

    private static func partition(_ topic: String?, _ number: Int64?) -> TopicPartition? {
        guard let topic, let number else { return nil }
        return TopicPartition(topic, Int32(truncatingIfNeeded: number))
    }
}
