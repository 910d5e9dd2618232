import FoundationEssentials
import PipelineKit

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

    struct Journal: Encodable {
        var stream: String
        var journal: String
        var settled: Int64
        var last: Int64
        var missing: Int64
    }

    var schemaVersion: Int64
    var tweets: Int64
    /// False when the tweets were estimated because counting would take long.
    var isTweetsExact: Bool
    var partitions: [Partition]
    var rejects: [Rejects]
    var journals: [Journal]
    var events: Int64
    var openGaps: Int64
    /// Partitions that stand still, or did, because Kafka had deleted messages before they were loaded.
    var openHoles: Int64
    /// Why Kafka did not say where its partitions end.
    var kafkaProblem: String?

    /// The sum of all lags; nil when one is not known.
    var lag: Int64? {
        partitions.reduce(0) { sum, partition in sum.flatMap { sum in partition.lag.map { sum + $0 } } }
    }

    /// The sum of all rates.
    var rate: Double { partitions.reduce(0) { $0 + $1.rate } }

    private enum CodingKeys: CodingKey {
        case schemaVersion, tweets, isTweetsExact, partitions, rejects, journals, events, openGaps, openHoles
        case kafkaProblem, lag, rate
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
        try container.encode(kafkaProblem, forKey: .kafkaProblem)
        try container.encode(lag, forKey: .lag)
        try container.encode(rate, forKey: .rate)
    }

    /// Reads everything from PostgreSQL, in one snapshot.
    init(_ connection: borrowing PostgresConnection) throws {
        try connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        schemaVersion = try connection.integer("SELECT max(version) FROM schema_version")
        partitions = try Self.partitions(connection)
        rejects = try Self.rejects(connection)
        events = try connection.integer("SELECT count(*) FROM stream_events")
        openGaps = try connection.integer(
            "SELECT count(*) FROM stream_gaps WHERE status = 'open' AND \(Dismissals.gapCounts)")
        openHoles = try connection.integer(
            "SELECT count(*) FROM kafka_holes WHERE status = 'open' AND \(Dismissals.holeCounts)")
        let dismissed = try Dismissals.journals(connection)
        let counted = try StreamLedger.read(connection).filter { !dismissed.contains($0.key.journal) }
        journals = counted.sorted { $0.key < $1.key }.map { name, settled in
            Journal(
                stream: name.stream, journal: name.journal, settled: settled.count, last: settled.last,
                missing: settled.missing.count)
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
                coalesce(rate * exp(-least(greatest(seconds - 1, 0), 1000)::double precision / 10), 0)
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

    /// Adds since when messages wait.
    mutating func add(_ times: [TopicPartition: Timestamp], now: Timestamp) {
        for index in partitions.indices {
            let name = TopicPartition(partitions[index].topic, partitions[index].partition)
            guard let time = times[name] else { continue }
            partitions[index].oldestUnsettledAt = time.description
            partitions[index].secondsUnsettled = max(0, (now.milliseconds - time.milliseconds) / 1000)
        }
    }

    /// Adds where Kafka's partitions end.
    mutating func add(_ ends: [TopicPartition: (low: Int64, high: Int64)]) {
        for index in partitions.indices {
            let name = TopicPartition(partitions[index].topic, partitions[index].partition)
            guard let end = ends[name] else { continue }
            partitions[index].endOffset = end.high
            let next = partitions[index].nextOffset ?? end.low
            if (end.low...max(end.low, end.high)).contains(next) {
                partitions[index].lag = end.high - next
            } else {
                kafkaProblem = "\(name): Kafka has the offsets from \(end.low) to \(end.high), not \(next)"
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

extension LoaderStatus {
    /// A few tables for people.
    var text: String {
        let committed = partitions.compactMap(\.secondsSinceCommit).min()
        let oldest = partitions.compactMap(\.secondsUnsettled).max()
        let unsettled = oldest.map { "\(age($0)) old" } ?? (lag == 0 ? "none" : "unknown")
        let facts: [[String]] = [
            ["tweets", "\(isTweetsExact ? "" : "about ")\(tweets)"],
            ["lag", lag.map { "\($0)" } ?? "unknown: \(kafkaProblem ?? "Kafka was not asked")"],
            ["rate", "\(Int(rate.rounded())) messages a second"],
            ["oldest unsettled", unsettled],
            ["last commit", committed.map { "\(age($0)) ago" } ?? "never"],
            ["rejects", "\(rejects.reduce(0) { $0 + $1.count })"],
            ["events", "\(events), gaps open \(openGaps), holes in Kafka open \(openHoles)"],
            ["schema", "version \(schemaVersion)"],
        ]
        var sections = [TextTable.render(header: nil, facts)]
        if !partitions.isEmpty { sections.append(partitionsTable) }
        if !journals.isEmpty { sections.append(journalsTable) }
        if !rejects.isEmpty {
            sections.append(
                TextTable.render(
                    header: ["reject", "count", "last"], rejects.map { [$0.reason, "\($0.count)", $0.last] }))
        }
        return sections.joined(separator: "\n\n")
    }

    private var partitionsTable: String {
        TextTable.render(
            header: [
                "partition", "next offset", "Kafka's end", "lag", "rate", "oldest unsettled", "last commit", "owner",
            ],
            partitions.map(\.row))
    }

    private var journalsTable: String {
        TextTable.render(
            header: ["stream", "journal", "settled", "last", "missing"],
            journals.map { [$0.stream, $0.journal, "\($0.settled)", "\($0.last)", "\($0.missing)"] })
    }
}

extension LoaderStatus.Partition {
    /// A line of the table.
    fileprivate var row: [String] {
        func text(_ number: Int64?, _ unknown: String) -> String { number.map { "\($0)" } ?? unknown }
        let waiting = secondsUnsettled.map { age($0) } ?? "-"
        let committed = secondsSinceCommit.map { age($0) + " ago" } ?? "-"
        return [
            "\(topic)-\(partition)", text(nextOffset, "-"), text(endOffset, "?"), text(lag, "?"),
            "\(Int(rate.rounded()))/s", waiting, committed, owner,
        ]
    }
}
