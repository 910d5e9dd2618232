import FoundationEssentials
import PipelineKit

/// What the ledger says about completeness, as `verify` shows it.
struct LedgerReport: Report {
    struct Journal: Encodable {
        var stream: String
        var journal: String
        /// How many numbers are settled, and the highest number that is known.
        var settled: Int64
        var last: Int64
        /// How many are in Kafka and not settled yet.
        var inKafka: Int64
        /// How many are in neither.
        var missing: Int64
        /// Which, for instance `17, 40-41`.
        var missingNumbers: String
    }

    struct Gap: Encodable {
        var stream: String
        var journal: String
        var startedAt: String
        var endedAt: String?
        var cause: String?
    }

    /// Messages that Kafka deleted before they were loaded.
    struct Hole: Encodable {
        var topic: String
        var partition: Int64
        var firstOffset: Int64
        /// How many messages; nil when Kafka's offsets began anew, so that nobody knows.
        var messages: Int64?
        var foundAt: String
        /// Whether the loader went on behind it.
        var isPassed: Bool
    }

    var journals: [Journal]
    var openGaps: [Gap]
    var openHoles: [Hole]
    /// What was found of the messages that Kafka still has; nil when that was not asked.
    var rows: RowCheck?
    /// Messages in Kafka behind the settled offsets; nil when Kafka did not answer.
    var lag: Int64?
    var kafkaProblem: String?

    /// Whether nothing is missing: no number, no message that Kafka deleted, no row.
    var isComplete: Bool {
        journals.allSatisfy { $0.missing == 0 } && openHoles.isEmpty && (rows?.missing ?? 0) == 0
    }

    /// Asks Kafka for its ends, PostgreSQL for what is settled, and Kafka for what lies between: in this order a message
    /// that is settled meanwhile counts as settled.
    static func make(_ settings: LoaderSettings) throws -> LedgerReport {
        let names = try onDatabase(settings.conninfo, role: .writer) { connection in
            try LoaderStatus(connection).partitions.map { TopicPartition($0.topic, $0.partition) }
        }
        var problem: String?
        var ends: [TopicPartition: (low: Int64, high: Int64)] = [:]
        let kafka = try KafkaEnds(settings.kafka, group: settings.group)
        do { ends = try kafka.read(names) } catch { problem = "\(error)" }
        let stored = try onDatabase(settings.conninfo, role: .writer) { connection in try Stored(connection) }
        var unsettled: (found: [JournalName: SequenceSet], unread: Int64) = ([:], 0)
        let ranges = stored.unsettled(ends)
        do { unsettled = try kafka.numbers(in: ranges) } catch { problem = "\(error)" }
        if unsettled.unread > 0 { problem = "\(unsettled.unread) messages could not be read from Kafka in time" }
        return LedgerReport(stored, unsettled.found, lag: ranges.values.reduce(0) { $0 + Int64($1.count) }, problem)
    }

    /// What PostgreSQL knows, in one snapshot.
    private struct Stored {
        var ledger: [JournalName: SequenceSet]
        var offsets: [TopicPartition: Int64?]
        var gaps: [Gap]
        var holes: [Hole]

        init(_ connection: borrowing PostgresConnection) throws {
            try connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            let dismissed = try Dismissals.journals(connection)
            ledger = try StreamLedger.read(connection).filter { !dismissed.contains($0.key.journal) }
            offsets = [:]
            let rows = try connection.query(
                "SELECT topic, partition, next_offset FROM loader_offsets WHERE \(Dismissals.partitionCounts)",
                doing: "read offsets")
            for row in 0..<rows.rowCount {
                guard let topic = rows.text(row, 0), let partition = rows.integer(row, 1) else { continue }
                offsets.updateValue(rows.integer(row, 2), forKey: TopicPartition(topic, Int32(clamping: partition)))
            }
            gaps = try Self.gaps(connection)
            holes = try Self.holes(connection)
            try connection.execute("COMMIT")
        }

        private static func gaps(_ connection: borrowing PostgresConnection) throws -> [Gap] {
            let answer = try connection.query(
                """
                SELECT stream, journal, \(rfc3339("started_at")), \(rfc3339("ended_at")), cause
                FROM stream_gaps WHERE status = 'open' AND \(Dismissals.gapCounts) ORDER BY started_at
                """, doing: "read gaps")
            return answer.rows.map { row in
                Gap(
                    stream: row[0] ?? "", journal: row[1] ?? "", startedAt: row[2] ?? "", endedAt: row[3], cause: row[4]
                )
            }
        }

        private static func holes(_ connection: borrowing PostgresConnection) throws -> [Hole] {
            let answer = try connection.query(
                """
                SELECT topic, partition, first_offset, end_offset - first_offset, \(rfc3339("found_at")),
                    passed_at IS NOT NULL
                FROM kafka_holes WHERE status = 'open' AND \(Dismissals.holeCounts) ORDER BY topic, partition, first_offset
                """, doing: "read holes")
            return (0..<answer.rowCount).map { row in
                Hole(
                    topic: answer.text(row, 0) ?? "", partition: answer.integer(row, 1) ?? 0,
                    firstOffset: answer.integer(row, 2) ?? 0, messages: answer.integer(row, 3),
                    foundAt: answer.text(row, 4) ?? "", isPassed: answer.text(row, 5) == "t")
            }
        }

        /// The offsets that Kafka has and PostgreSQL has not settled.
        func unsettled(_ ends: [TopicPartition: (low: Int64, high: Int64)]) -> [TopicPartition: Range<Int64>] {
            var ranges: [TopicPartition: Range<Int64>] = [:]
            for (partition, end) in ends {
                let next = max(end.low, (offsets[partition] ?? nil) ?? end.low)
                if next < end.high { ranges[partition] = next..<end.high }
            }
            return ranges
        }
    }

    private init(
        _ stored: Stored, _ inKafka: [JournalName: SequenceSet], lag: Int64, _ kafkaProblem: String?
    ) {
        journals = Set(stored.ledger.keys).union(inKafka.keys).sorted().map { name in
            let settled = stored.ledger[name] ?? SequenceSet([])
            let known = settled.union(inKafka[name] ?? SequenceSet([]))
            return Journal(
                stream: name.stream, journal: name.journal, settled: settled.count, last: known.last,
                inKafka: known.count - settled.count, missing: known.missing.count,
                missingNumbers: known.missing.description)
        }
        openGaps = stored.gaps
        openHoles = stored.holes
        self.lag = kafkaProblem == nil ? lag : nil
        self.kafkaProblem = kafkaProblem
    }
}

extension LedgerReport {
    var text: String {
        var lines: [String] = []
        for journal in journals {
            var line = "\(journal.stream) \(journal.journal): \(journal.settled) of \(journal.last) settled"
            if journal.inKafka > 0 { line += ", \(journal.inKafka) still in Kafka" }
            line += journal.missing == 0 ? ", none missing" : ", \(journal.missing) missing: \(journal.missingNumbers)"
            lines.append(line)
        }
        if journals.isEmpty { lines.append("the ledger is empty: nothing with sequence numbers was loaded yet") }
        for gap in openGaps {
            lines.append(
                "gap: \(gap.stream) \(gap.journal) from \(gap.startedAt) to \(gap.endedAt ?? "now")"
                    + " (\(gap.cause ?? "unknown"))")
        }
        for hole in openHoles {
            let end = hole.messages.map { "\(hole.firstOffset + $0 - 1), \($0) messages" } ?? "the old end, unknown"
            lines.append(
                "hole: \(hole.topic)-\(hole.partition) offsets \(hole.firstOffset) to \(end)"
                    + (hole.isPassed ? "" : "; the partition stands still (--on-hole)"))
        }
        if let rows { lines.append(rows.text) }
        if let kafkaProblem {
            lines.append("what is still in Kafka is unknown, and may be part of what is missing: \(kafkaProblem)")
        }
        let missing = journals.reduce(0) { $0 + $1.missing }
        lines.append(isComplete ? "complete" : "missing=\(missing + (rows?.missing ?? 0))")
        return lines.joined(separator: "\n")
    }
}
