import FoundationEssentials
import PipelineKit

/// How far the loader is, as `status` shows it.
struct LoaderStatus: Codable {
    struct Partition: Codable {
        var topic: String
        var partition: Int32
        var nextOffset: Int64?
        /// The offset that Kafka's next message will get; nil when Kafka was not asked or did not answer.
        var endOffset: Int64?
        var lag: Int64?
        var owner: String
        var committedAt: String?
        var secondsSinceCommit: Int64?
    }

    struct Rejects: Codable {
        var reason: String
        var count: Int64
        var last: String
    }

    struct Journal: Codable {
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
    /// Why Kafka did not say where its partitions end.
    var kafkaProblem: String?

    /// The sum of all lags; nil when one is not known.
    var lag: Int64? {
        partitions.reduce(0) { sum, partition in sum.flatMap { sum in partition.lag.map { sum + $0 } } }
    }

    /// Reads everything from PostgreSQL, in one snapshot.
    init(_ connection: borrowing PostgresConnection) throws {
        try connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        schemaVersion = try connection.integer("SELECT max(version) FROM schema_version")
        partitions = try Self.partitions(connection)
        rejects = try Self.rejects(connection)
        events = try connection.integer("SELECT count(*) FROM stream_events")
        openGaps = try connection.integer("SELECT count(*) FROM stream_gaps WHERE status = 'open'")
        journals = try StreamLedger.read(connection).sorted { $0.key < $1.key }.map { name, settled in
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
            SELECT topic, partition, next_offset, owner, to_char(committed_at AT TIME ZONE 'UTC',
                'YYYY-MM-DD"T"HH24:MI:SS"Z"'), extract(epoch FROM clock_timestamp() - committed_at)::bigint
            FROM loader_offsets ORDER BY topic, partition
            """, doing: "read offsets")
        return (0..<answer.rowCount).map { row in
            Partition(
                topic: answer.text(row, 0) ?? "", partition: Int32(clamping: answer.integer(row, 1) ?? 0),
                nextOffset: answer.integer(row, 2), owner: answer.text(row, 3) ?? "", committedAt: answer.text(row, 4),
                secondsSinceCommit: answer.integer(row, 5))
        }
    }

    private static func rejects(_ connection: borrowing PostgresConnection) throws -> [Rejects] {
        let answer = try connection.query(
            """
            SELECT reason || coalesce(' ' || sqlstate, ''), count(*),
                to_char(max(rejected_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
            FROM rejects GROUP BY 1 ORDER BY 2 DESC
            """, doing: "count rejects")
        return (0..<answer.rowCount).map { row in
            Rejects(
                reason: answer.text(row, 0) ?? "", count: answer.integer(row, 1) ?? 0, last: answer.text(row, 2) ?? "")
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
    /// One JSON object.
    var json: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }

    /// A few tables for people.
    var text: String {
        let age = partitions.compactMap(\.secondsSinceCommit).min()
        let facts = [
            ["tweets", "\(isTweetsExact ? "" : "about ")\(tweets)"],
            ["lag", lag.map(String.init) ?? "unknown: \(kafkaProblem ?? "Kafka was not asked")"],
            ["last commit", age.map { "\($0) s ago" } ?? "never"],
            ["rejects", "\(rejects.reduce(0) { $0 + $1.count })"],
            ["events", "\(events), gaps open \(openGaps)"],
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
            header: ["partition", "next offset", "Kafka's end", "lag", "last commit", "owner"],
            partitions.map { partition in
                [
                    "\(partition.topic)-\(partition.partition)", partition.nextOffset.map(String.init) ?? "-",
                    partition.endOffset.map(String.init) ?? "?", partition.lag.map(String.init) ?? "?",
                    partition.committedAt ?? "-", partition.owner,
                ]
            })
    }

    private var journalsTable: String {
        TextTable.render(
            header: ["stream", "journal", "settled", "last", "missing"],
            journals.map { [$0.stream, $0.journal, "\($0.settled)", "\($0.last)", "\($0.missing)"] })
    }
}
