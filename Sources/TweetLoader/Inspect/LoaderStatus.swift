import Core
import FoundationEssentials
import KafkaClient
import Postgres

/// How far the loader is, as `status` shows it.
struct LoaderStatus: Report {
    struct Partition: Encodable {
        var topic: String
        var partition: Int32
        var nextOffset: Int64?
        /// The offset that Kafka's next message will get; nil when Kafka was not asked or did not answer.
        var endOffset: Int64?
        var lag: Int64?
        /// Messages a second in the last seconds.
        var rate: Double
        /// When the first message was received that is in Kafka and not in PostgreSQL.
        var oldestUnsettledAt: String?
        var secondsUnsettled: Int64?
        var owner: String
        var committedAt: String?
        var secondsSinceCommit: Int64?
    }

    struct Rejects: Encodable {
        var reason: String
        var count: Int64
        var last: String
    }

    /// How much of a journal is settled.
    struct JournalProgress: Encodable {
        var stream: String
        var journal: String
        var settled: Int64
        var last: Int64
        /// Numbers below `last` that are not settled: in flight or missing, as `verify` finds out.
        var unsettled: Int64
    }

    /// A writer of a loader that runs.
    struct LoaderWriter: Encodable {
        /// Host, process and a random part, and the writer's number when its process has several.
        var owner: String
        var partitions: Int64
        var startedAt: String
        /// Why Kafka's group does not accept it, and what to do.
        var problem: String?

        /// The owner without the writer's number.
        var process: String { owner.split(separator: "/").prefix(3).joined(separator: "/") }
    }

    var schemaVersion: Int64
    var tweets: Int64
    /// False when the tweets were estimated because counting would take long.
    var isTweetsExact: Bool
    var partitions: [Partition]
    var rejects: [Rejects]
    var journals: [JournalProgress]
    var events: Int64
    var openGaps: Int64
    /// Partitions that are or were stopped because Kafka had deleted messages before they were loaded.
    var openHoles: Int64
    /// What Kafka did not answer, and why.
    var problems: [String] = []
    /// The writers of the loaders that run: they gave a sign of life or committed within `LoaderPresence.silence`, or commit right now.
    var loaders: [LoaderWriter]
    /// Since any loader was seen; nil when none was.
    var secondsSinceSeen: Int64?

    /// Nil when Kafka was not asked.
    var consumerGroup: KafkaEnds.ConsumerGroup?
    /// Whether the text for a terminal lists the partitions, too, in which nothing happens.
    var listsIdle = false

    /// The sum of all lags; nil when one is not known.
    var lag: Int64? {
        partitions.reduce(0) { sum, partition in sum.flatMap { sum in partition.lag.map { sum + $0 } } }
    }

    /// The sum of all rates.
    var rate: Double { partitions.reduce(0) { $0 + $1.rate } }

    private enum CodingKeys: CodingKey {
        case schemaVersion, tweets, isTweetsExact, partitions, rejects, journals, events, openGaps, openHoles
        case problems, lag, rate, isRunning, loaders, secondsSinceSeen, consumerGroup
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(schemaVersion, forKey: .schemaVersion)
        try container.encode(tweets, forKey: .tweets)
        try container.encode(isTweetsExact, forKey: .isTweetsExact)
        try container.encode(partitions, forKey: .partitions)
        try container.encode(rejects, forKey: .rejects)
        try container.encode(journals, forKey: .journals)
        try container.encode(events, forKey: .events)
        try container.encode(openGaps, forKey: .openGaps)
        try container.encode(openHoles, forKey: .openHoles)
        try container.encode(problems, forKey: .problems)
        try container.encode(!loaders.isEmpty, forKey: .isRunning)
        try container.encode(loaders, forKey: .loaders)
        try container.encode(secondsSinceSeen, forKey: .secondsSinceSeen)
        try container.encode(consumerGroup, forKey: .consumerGroup)
        try container.encode(lag, forKey: .lag)
        try container.encode(rate, forKey: .rate)
    }

    /// Reads everything from PostgreSQL, in one snapshot.
    init(_ connection: borrowing PostgresConnection) throws {
        try connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        schemaVersion = try connection.integer("SELECT max(version) FROM schema_version")
        partitions = try Self.partitions(connection)
        (loaders, secondsSinceSeen) = try Self.loaders(connection)
        problems = try Set(loaders.compactMap(\.problem)).sorted() + ListenerTallies.problems(connection)
        rejects = try Self.rejects(connection)
        events = try connection.integer("SELECT count(*) FROM stream_events")
        openGaps = try connection.integer(
            "SELECT count(*) FROM stream_gaps WHERE \(LedgerFacts.isOpen)")
        openHoles = try connection.integer(
            "SELECT count(*) FROM kafka_holes WHERE status = 'open' AND \(Dismissals.holeCounts)")
        let dismissed = try Dismissals.journals(connection)
        let counted = try StreamLedger.read(connection).filter { !dismissed.contains($0.key.journal) }
        journals = counted.sorted { $0.key < $1.key }.map { name, settled in
            JournalProgress(
                stream: name.stream, journal: name.journal, settled: settled.count, last: settled.last,
                unsettled: settled.missing.count)
        }
        let estimate = try connection.integer(
            """
            SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint
            FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'tweets'::regclass
            """)
        isTweetsExact = estimate < Self.countable
        tweets = isTweetsExact ? try connection.integer("SELECT count(*) FROM tweets") : estimate
        try connection.execute("COMMIT")
    }

    /// Rows that are counted within about a second.
    private static let countable: Int64 = 5_000_000

    private static func partitions(_ connection: borrowing PostgresConnection) throws -> [Partition] {
        let answer = try connection.query(
            """
            SELECT topic, partition, next_offset, owner, \(rfc3339("committed_at")), seconds::bigint,
                CASE WHEN seconds <= 10 THEN rate * exp(-greatest(seconds - 1, 0)::double precision / 10) ELSE 0 END
            FROM loader_offsets,
                LATERAL (SELECT extract(epoch FROM clock_timestamp() - committed_at)) AS since (seconds)
            WHERE \(Dismissals.partitionCounts) ORDER BY topic, partition
            """, doing: "read offsets")
        return (0..<answer.rowCount).map { row in
            Partition(
                topic: answer.text(row, 0) ?? "", partition: Int32(clamping: answer.integer(row, 1) ?? 0),
                nextOffset: answer.integer(row, 2), rate: answer.text(row, 6).flatMap { Double($0) } ?? 0,
                owner: answer.text(row, 3) ?? "", committedAt: answer.text(row, 4),
                secondsSinceCommit: answer.integer(row, 5))
        }
    }

    /// The loaders that run, and since when none was seen.
    private static func loaders(
        _ connection: borrowing PostgresConnection
    ) throws -> (running: [LoaderWriter], secondsSinceSeen: Int64?) {
        let answer = try connection.query(
            """
            SELECT l.owner, held.partitions, \(rfc3339("l.started_at")), since.seconds::bigint,
                l.ended_at IS NULL AND (since.seconds <= \(LoaderPresence.silence.milliseconds / 1000)
                    OR since.seconds <= 600 AND held.partitions > 0 AND (\(isWritingSQL))), l.problem
            FROM loaders l,
                LATERAL (SELECT count(*) AS partitions, max(committed_at) AS committed_at
                    FROM loader_offsets o WHERE o.owner = l.owner) AS held,
                LATERAL (SELECT extract(epoch FROM clock_timestamp() - greatest(l.seen_at, held.committed_at)))
                    AS since (seconds)
            ORDER BY l.owner
            """, doing: "read loaders")
        let rows = 0..<answer.rowCount
        let running = rows.filter { answer.text($0, 4) == "t" }.map { row in
            LoaderWriter(
                owner: answer.text(row, 0) ?? "", partitions: answer.integer(row, 1) ?? 0,
                startedAt: answer.text(row, 2) ?? "", problem: answer.text(row, 5))
        }
        return (running, rows.compactMap { answer.integer($0, 3) }.min().map { max(0, $0) })
    }

    /// Whether a loader is in a transaction, which may take longer than the silence that counts as an end.
    private static let isWritingSQL = """
        SELECT count(*) > 0 FROM pg_locks WHERE relation = 'loader_offsets'::regclass AND granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND mode IN ('RowShareLock', 'RowExclusiveLock')
        """

    private static func rejects(_ connection: borrowing PostgresConnection) throws -> [Rejects] {
        let answer = try connection.query(
            """
            SELECT reason || coalesce(' ' || sqlstate, ''), count(*),
                \(rfc3339("max(rejected_at)"))
            FROM rejects GROUP BY 1 ORDER BY 2 DESC
            """, doing: "count rejects")
        return (0..<answer.rowCount).map { row in
            Rejects(
                reason: answer.text(row, 0) ?? "", count: answer.integer(row, 1) ?? 0, last: answer.text(row, 2) ?? "")
        }
    }

    /// Where the partitions stand that have messages to come.
    var waiting: [TopicPartition: Int64] {
        let late = partitions.filter { ($0.lag ?? 0) > 0 }
        return Dictionary(
            uniqueKeysWithValues: late.map { partition in
                (TopicPartition(partition.topic, partition.partition), partition.nextOffset ?? KafkaConsumer.earliest)
            })
    }

    /// Adds since when messages wait, and takes out of the lag what is no message: markers of transactions, records of
    /// aborted ones, and offsets that compaction emptied.
    mutating func add(_ first: [TopicPartition: KafkaEnds.First], now: Timestamp) {
        for index in partitions.indices {
            let name = TopicPartition(partitions[index].topic, partitions[index].partition)
            guard let first = first[name], let end = partitions[index].endOffset else { continue }
            partitions[index].lag = max(0, end - first.offset)
            guard partitions[index].lag != 0, let time = first.at else { continue }
            partitions[index].oldestUnsettledAt = time.description
            partitions[index].secondsUnsettled = max(0, (now.milliseconds - time.milliseconds) / 1000)
        }
    }

    /// Adds where Kafka's partitions end, those that no loader has claimed yet included.
    mutating func add(_ answer: KafkaEnds.Answer) {
        problems += answer.problems
        let known = Set(partitions.map { TopicPartition($0.topic, $0.partition) })
        for new in answer.ends.keys where !known.contains(new) {
            partitions.append(Partition(topic: new.topic, partition: new.partition, rate: 0, owner: ""))
        }
        partitions.sort { ($0.topic, $0.partition) < ($1.topic, $1.partition) }
        for index in partitions.indices {
            let name = TopicPartition(partitions[index].topic, partitions[index].partition)
            guard let end = answer.ends[name] else { continue }
            partitions[index].endOffset = end.high
            let next = partitions[index].nextOffset ?? end.low
            if (end.low...max(end.low, end.high)).contains(next) {
                partitions[index].lag = end.high - next
            } else {
                problems.append("\(name): Kafka has the offsets from \(end.low) to \(end.high), not \(next)")
            }
        }
    }
}

extension PostgresConnection {
    /// The one number that a statement answers.
    fileprivate func integer(_ sql: String) throws(PostgresError) -> Int64 {
        let answer = try query(sql, doing: "read the status")
        return answer.rowCount == 1 ? answer.integer(0, 0) ?? 0 : 0
    }
}
