import Core
import FoundationEssentials
import Journal
import KafkaClient
import Postgres

/// One look at where the numbered lines are: PostgreSQL, Kafka and the journal.
///
/// The order makes it right beside services that run: a line that the journal counts as acknowledged was in Kafka before
/// Kafka's ends were read, and a line below these ends is either settled in the ledger, which is read after them, or still
/// in Kafka. Without a journal a single look cannot distinguish a line that never reached Kafka from one that was
/// published after the ends were read; `Verification` looks again.
struct LedgerLook {
    /// What is settled as row, event or reject.
    var settled: [JournalName: RangeSet<Int64>] = [:]
    /// What the journals hold that Kafka has not acknowledged.
    var unpublished: [JournalName: RangeSet<Int64>] = [:]
    var facts = LedgerFacts()
    /// The offsets that Kafka has and PostgreSQL has not settled.
    var unsettled: [TopicPartition: Range<Int64>] = [:]
    /// What producers had to drop, because their disk was full.
    var dropped: [JournalName: RangeSet<Int64>] = [:]
    /// The ids of the journals that an operator dismissed: nothing of them counts.
    var forgotten: Set<String> = []
    /// What could not be checked, and why.
    var problems: [String] = []

    /// Looks at everything but Kafka's messages.
    ///
    /// - Throws: `DatabaseError` when PostgreSQL does not answer.
    init(_ settings: LoaderSettings, journals: String?, _ kafka: KafkaEnds) throws {
        if let journals { readJournals(journals) }
        let known = try onDatabase(settings.conninfo, role: .writer) { connection in
            try LoaderOffsets.read(connection)
        }
        let answer = kafka.read(topics: settings.topics, known: known.keys.sorted())
        problems += answer.problems
        try onDatabase(settings.conninfo, role: .writer) { connection in
            try connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            forgotten = try Dismissals.journals(connection)
            settled = try StreamLedger.read(connection)
            dropped = try Self.dropped(connection)
            compare(answer.ends, with: try LoaderOffsets.read(connection), before: known)
            try facts.read(connection)
            try connection.execute("COMMIT")
        }
    }

    private mutating func readJournals(_ folder: String) {
        do {
            for stream in try JournalStatus.streams(in: folder) {
                let status = try JournalStatus(folder: folder, stream: stream, quota: nil)
                let first = max(status.checkpoint + 1, status.firstSeq ?? 1)
                let name = JournalName(stream: stream, journal: status.journal)
                unpublished[name] = RangeSet(min(first, status.lastSeq + 1)..<status.lastSeq + 1)
            }
        } catch {
            problems.append("\(error)")
        }
    }

    private static func dropped(
        _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> [JournalName: RangeSet<Int64>] {
        let rows = try connection.query(
            """
            SELECT stream, journal, gap_seq, lines FROM stream_events
            WHERE type = 'dropped' AND stream IS NOT NULL AND journal IS NOT NULL AND gap_seq > 0 AND lines > 0
            """, doing: "read which lines were dropped")
        var dropped: [JournalName: RangeSet<Int64>] = [:]
        for row in 0..<rows.rowCount {
            guard let stream = rows.text(row, 0), let journal = rows.text(row, 1), let first = rows.integer(row, 2),
                let count = rows.integer(row, 3)
            else { continue }
            let name = JournalName(stream: stream, journal: journal)
            let end = first.addingReportingOverflow(count)
            if !end.overflow { dropped[name, default: RangeSet()].insert(contentsOf: first..<end.partialValue) }
        }
        return dropped
    }

    /// Compares Kafka's ends with the offsets that were read after them; those of before show whether a log is another one,
    /// as loaders settle what comes while the ends are read.
    private mutating func compare(
        _ ends: [TopicPartition: (low: Int64, high: Int64)], with offsets: [TopicPartition: Int64?],
        before: [TopicPartition: Int64?]
    ) {
        for (partition, end) in ends.sorted(by: { $0.key < $1.key }) {
            let next = (offsets[partition] ?? nil) ?? end.low
            if let settled = before[partition] ?? nil, settled > end.high {
                problems.append(
                    "\(partition) ends at offset \(end.high) in Kafka, but \(settled) is settled: the topic was created"
                        + " again")
            } else if next < end.low {
                facts.holes.append(
                    LedgerReport.Hole(
                        topic: partition.topic, partition: Int64(partition.partition), firstOffset: next,
                        messages: end.low - next, foundAt: "\(Timestamp.now())", isPassed: false))
            }
            let first = max(end.low, next)
            if first < end.high { unsettled[partition] = first..<end.high }
        }
    }
}

/// `loader_offsets`, as far as reports need it.
enum LoaderOffsets {
    /// The next offset of each partition; nil before its first batch.
    ///
    /// - Parameters:
    ///   - connection: to PostgreSQL.
    ///   - topic: nil for all topics that count; a name for that one, dismissed or not.
    /// - Returns: the partitions that a loader claimed once.
    /// - Throws: `PostgresError` when they cannot be read.
    static func read(
        _ connection: borrowing PostgresConnection, topic: String? = nil
    ) throws(PostgresError) -> [TopicPartition: Int64?] {
        let rows = try connection.query(
            """
            SELECT topic, partition, next_offset FROM loader_offsets
            WHERE \(topic == nil ? Dismissals.partitionCounts : "topic = $1")
            """, topic.map { [$0] } ?? [], doing: "read offsets")
        var offsets: [TopicPartition: Int64?] = [:]
        for row in 0..<rows.rowCount {
            guard let topic = rows.text(row, 0), let partition = rows.integer(row, 1) else { continue }
            offsets.updateValue(rows.integer(row, 2), forKey: TopicPartition(topic, Int32(clamping: partition)))
        }
        return offsets
    }
}

/// What PostgreSQL knows beside the ledger that a report names.
struct LedgerFacts {
    var gaps = LedgerReport.Gaps()
    var holes: [LedgerReport.Hole] = []
    var rejected = LedgerReport.Rejected()
    /// Lines that the disk had changed before they were published.
    var damaged: Int64 = 0
    /// The topics and journals that do not count.
    var forgotten: [Dismissals.Entry] = []

    fileprivate mutating func read(_ connection: borrowing PostgresConnection) throws {
        try readGaps(connection)
        try readHoles(connection)
        try readRejects(connection)
        forgotten = try Dismissals.entries(inEffect: true, connection)
    }

    /// Condition on `stream_gaps`: no journal of the stream has what came in that time.
    static let isOpen = "status = 'open' AND \(Dismissals.gapCounts) AND NOT (\(StreamCoverage.isCovered))"

    private mutating func readGaps(_ connection: borrowing PostgresConnection) throws {
        let sum = try connection.query(
            """
            SELECT count(*), coalesce(sum(extract(epoch FROM coalesce(ended_at, now()) - started_at)), 0)::bigint
            FROM stream_gaps WHERE \(Self.isOpen)
            """, doing: "count gaps")
        (gaps.open, gaps.seconds) = (sum.integer(0, 0) ?? 0, sum.integer(0, 1) ?? 0)
        let covered = try connection.query(
            """
            SELECT count(*) FROM stream_gaps
            WHERE (status = 'covered' OR status = 'open' AND \(StreamCoverage.isCovered)) AND \(Dismissals.gapCounts)
            """, doing: "count covered gaps")
        gaps.covered = covered.integer(0, 0) ?? 0
        let answer = try connection.query(
            """
            SELECT stream, journal, \(rfc3339("started_at")), \(rfc3339("ended_at")), cause
            FROM stream_gaps WHERE \(Self.isOpen) ORDER BY started_at DESC LIMIT 5
            """, doing: "read gaps")
        gaps.last = answer.rows.reversed().map { row in
            LedgerReport.Gap(
                stream: row[0] ?? "", journal: row[1] ?? "", startedAt: row[2] ?? "", endedAt: row[3], cause: row[4])
        }
    }

    private mutating func readHoles(_ connection: borrowing PostgresConnection) throws {
        let answer = try connection.query(
            """
            SELECT topic, partition, first_offset, coalesce(messages, end_offset - first_offset), \(rfc3339("found_at")),
                passed_at IS NOT NULL
            FROM kafka_holes WHERE status = 'open' AND \(Dismissals.holeCounts)
            ORDER BY topic, partition, first_offset
            """, doing: "read holes")
        let recorded = (0..<answer.rowCount).map { row in
            LedgerReport.Hole(
                topic: answer.text(row, 0) ?? "", partition: answer.integer(row, 1) ?? 0,
                firstOffset: answer.integer(row, 2) ?? 0, messages: answer.integer(row, 3),
                foundAt: answer.text(row, 4) ?? "", isPassed: answer.text(row, 5) == "t")
        }
        // What a loader has recorded already is not found a second time.
        let found = holes.filter { hole in !recorded.contains { $0.place == hole.place } }
        holes = recorded + found
    }

    private mutating func readRejects(_ connection: borrowing PostgresConnection) throws {
        let answer = try connection.query(
            """
            SELECT CASE WHEN reason = 'damaged_on_disk' OR detail LIKE 'damaged_on_disk%' THEN 'damaged'
                WHEN reason = 'refused_by_kafka' THEN 'kafka' WHEN reason = 'database' THEN 'postgresql'
                ELSE 'content' END, count(*)
            FROM rejects GROUP BY 1
            """, doing: "count rejects")
        for row in 0..<answer.rowCount {
            let count = answer.integer(row, 1) ?? 0
            switch answer.text(row, 0) {
            case "damaged": damaged = count
            case "kafka": rejected.kafka = count
            case "postgresql": rejected.postgresql = count
            default: rejected.content = count
            }
        }
    }
}
