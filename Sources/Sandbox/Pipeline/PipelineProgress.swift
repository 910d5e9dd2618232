import Core
import TweetFormat

/// How far lines have come, as each part says itself.
package struct PipelineProgress: Sendable, Equatable {
    /// Lines that the simulator has completely written, repeats included.
    package var sent = 0
    /// Journal lines that Kafka has acknowledged, events of the producer included.
    package var published: Int64 = 0
    /// Rows in `tweets`; nil while PostgreSQL does not answer.
    package var stored: Int64?
    /// Journal lines that the loader has settled; nil while PostgreSQL does not answer.
    package var settled: Int64?

    /// Published and not settled.
    package var lag: Int64? { settled.map { max(0, published - $0) } }
}

/// What came of it all, as the table and the ledger say.
package struct PipelineOutcome: Sendable {
    /// Lines of X that the producer has journalled, and the loader settled.
    package var received: Int64 = 0
    package var stored: Int64 = 0
    package var rejected: Int64 = 0
    /// Lines received for rows that were there already.
    package var duplicates: Int64 { received - stored - rejected }
    /// The simulator's judgement.
    package var verdict = Verdict()
}

extension LocalPipeline {
    /// How far lines have come by now.
    package func progress() -> PipelineProgress {
        var progress = PipelineProgress()
        progress.sent = simulator.channels.reduce(0) { $0 + $1.record.writtenCount }
        progress.published = acknowledged
        guard postgres.isRunning else { return progress }
        let sql = "SELECT (SELECT count(*) FROM tweets WHERE matched), (\(Self.settledSQL))"
        let counts = (try? query(sql))?.split(separator: "|").compactMap { Int64($0) } ?? []
        if counts.count == 2 { (progress.stored, progress.settled) = (counts[0], counts[1]) }
        return progress
    }

    /// Counts and judges; waits for nothing.
    ///
    /// - Throws: `Failure` when PostgreSQL does not answer.
    package func outcome() throws(Failure) -> PipelineOutcome {
        var outcome = PipelineOutcome()
        let ids = try query("SELECT id FROM tweets WHERE matched")
            .split(separator: "\n").compactMap { Int64($0) }
        let counts = try query(
            "SELECT (\(Self.settledSQL)) - (SELECT count(*) FROM stream_events), (SELECT count(*) FROM rejects)"
        ).split(separator: "|").compactMap { Int64($0) }
        guard counts.count == 2 else { throw Failure(.badData, "PostgreSQL did not answer with two counts") }
        outcome.stored = Int64(ids.count)
        (outcome.received, outcome.rejected) = (counts[0], counts[1])
        outcome.verdict = simulator.judge(stored: ids, rejected: try rejectedIDs(), gaps: try declaredGaps())
        return outcome
    }

    /// Runs SQL in the pipeline's database, as `PostgresSandbox.query` does.
    package func query(_ sql: String) throws(Failure) -> String {
        try postgres.query(sql, database: database)
    }

    private var acknowledged: Int64 {
        let streams = [settingsStream, Service.sample.settings["STREAM_NAME"] ?? ""]
        return streams.reduce(0) { $0 + acknowledged(of: $1) }
    }

    /// A publisher's checkpoint (`Checkpoint`), read without the producer: it may be dead or just replacing it.
    private func acknowledged(of stream: String) -> Int64 {
        let path = "\(journalFolder)/\(stream)/checkpoint.json"
        let text = (try? readTextFile(path)) ?? ""
        let digits = text.split(separator: "\"acknowledged\":").last?.prefix { $0.isNumber }
        return digits.flatMap { Int64($0) } ?? 0
    }

    private var settingsStream: String { environment["STREAM_NAME"] ?? "default" }

    private func rejectedIDs() throws(Failure) -> Set<Int64> {
        let values = try query("SELECT encode(value, 'hex') FROM rejects WHERE value IS NOT NULL")
        return Set(values.split(separator: "\n").compactMap { LineID.find(in: bytes(hex: $0)) })
    }

    private func bytes(hex: Substring) -> [UInt8] {
        let digits = hex.utf8.compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
        return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] * 16 + digits[$0 + 1]) }
    }

    /// From just after the newest tweet that came before, where there is one, else from when nothing came any more.
    private func declaredGaps() throws(Failure) -> [DeclaredGap] {
        let rows = try query(
            """
            SELECT (extract(epoch FROM started_at) * 1000)::bigint, (extract(epoch FROM ended_at) * 1000)::bigint,
                newest_id
            FROM stream_gaps
            """)
        return rows.split(separator: "\n").compactMap { row in
            let columns = row.split(separator: "|", omittingEmptySubsequences: false)
            guard columns.count == 3, let start = Int64(columns[0]) else { return nil }
            let end = Int64(columns[1]).map { Timestamp(milliseconds: $0) }
            let newest = Int64(columns[2]).flatMap { Snowflake.timestamp(of: $0) }
            return DeclaredGap(from: newest ?? Timestamp(milliseconds: start), to: end, slack: .seconds(1))
        }
    }

    private static let settledSQL = """
        SELECT coalesce(sum(upper(r) - lower(r)), 0)::bigint FROM (
            SELECT unnest(range_agg(s)) AS r FROM (
                SELECT stream, journal, unnest(settled) AS s FROM stream_ledger
                UNION ALL SELECT stream, journal, unnest(settled) FROM stream_ledger_pending
            ) AS parts GROUP BY stream, journal
        ) AS whole
        """
}
