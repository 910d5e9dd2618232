import Core
import Postgres

/// A change of the type of `tweets.payload`: PostgreSQL rewrites the whole table for it.
struct PayloadChange {
    let from: String
    let to: String
    private let sql: String
    /// What the table has on disk, with its indexes, in bytes; nil for a table without rows.
    private let bytes: Int64?
    /// The size as PostgreSQL writes it.
    private let size: String

    /// The change that leads to a mode; nil when the column has that type, or any will do.
    ///
    /// - Throws: `PostgresError`.
    init?(to mode: PayloadMode?, _ connection: borrowing PostgresConnection) throws(PostgresError) {
        guard let mode, let wanted = mode.columnType, let sql = mode.alterSQL else { return nil }
        let found = try connection.query(PayloadMode.columnTypeSQL, doing: "look at the payload column")
        guard found.rowCount == 1, let type = found.text(0, 0), type != wanted else { return nil }
        (from, to, self.sql) = (type, wanted, sql)
        let table = try connection.query(
            """
            SELECT EXISTS (SELECT FROM tweets), sum(pg_total_relation_size(relid)),
                pg_size_pretty(sum(pg_total_relation_size(relid))) FROM pg_partition_tree('tweets')
            """, doing: "look at the size of tweets")
        bytes = table.text(0, 0) == "t" ? table.integer(0, 1) ?? 0 : nil
        size = table.text(0, 2) ?? ""
    }

    /// Whether there is something to rewrite, and so a reason to ask.
    var hasRows: Bool { bytes != nil }

    /// Rewrites the table.
    func apply(_ connection: borrowing PostgresConnection) throws(PostgresError) {
        try connection.execute(sql, doing: "change the payload column")
    }

    /// What an operator has to know before this is done.
    ///
    /// - Throws: `PostgresError` of the trial by which the duration is estimated.
    func warning(_ connection: borrowing PostgresConnection) throws -> String {
        var lines = ["tweets.payload is \(from) and would become \(to)"]
        if let bytes {
            let trial = try Trial(sql, connection)
            let seconds = trial.seconds * Double(bytes) / Double(max(trial.bytes, 1)) * Trial.overhead
            lines.append(
                "PostgreSQL rewrites the whole table, \(size), which takes about \(Self.duration(seconds)) (estimated from "
                    + "\(groupedDigits(trial.rows)) rows that were converted on trial: \(Int(trial.rate)) MB/s in the end)"
            )
            lines.append(
                "meanwhile tweets can be neither read nor loaded, and the disk needs space for both copies; stop the loaders, and start "
                    + "them again with PAYLOAD=\(to)")
        }
        if from == "json" {
            lines.append(
                "the exact bytes of the lines are lost: jsonb keeps no spaces, no order of keys and no repeated keys; there is "
                    + "no way back")
        }
        return lines.joined(separator: "\n")
    }

    private static func duration(_ seconds: Double) -> String {
        seconds < 1 ? "1 s" : shortAge(Int64(seconds.rounded(.up)))
    }

    /// The same conversion with some rows, in a temporary table that is dropped afterwards.
    private struct Trial {
        /// A temporary table has no indexes and is not written to the log: with both the whole takes longer. Measured on two
        /// cores with 1.6 KB a tweet.
        static let overhead = 2.0
        private static let mostRows = 20_000

        let rows: Int64
        let bytes: Int64
        let seconds: Double

        /// The estimated rate of the whole change, in MB/s.
        var rate: Double { Double(bytes) / seconds / Self.overhead / 1_000_000 }

        init(_ sql: String, _ connection: borrowing PostgresConnection) throws(PostgresError) {
            try connection.execute(
                "BEGIN; CREATE TEMPORARY TABLE payload_trial ON COMMIT DROP AS SELECT * FROM tweets LIMIT \(Self.mostRows)",
                doing: "try the change of the payload column")
            let size = try connection.query(
                "SELECT count(*), pg_total_relation_size('payload_trial') FROM payload_trial",
                doing: "look at the size of the trial")
            (rows, bytes) = (size.integer(0, 0) ?? 0, size.integer(0, 1) ?? 0)
            let begin = ContinuousClock.now
            try connection.execute(
                sql.replacing("ALTER TABLE tweets ", with: "ALTER TABLE payload_trial "),
                doing: "try the change of the payload column")
            seconds = max(Double((ContinuousClock.now - begin).milliseconds) / 1000, 0.001)
            try connection.execute("ROLLBACK")
        }
    }
}
