import Glibc

/// Loads the rows that landed in a database once more by psql's `\copy`, into the same tables with the same indexes.
struct CopyReference {
    let postgres: PostgresSandbox
    let database: String

    private struct Table {
        let name: String
        let columns: String
        let rows: Int64
    }

    /// What was loaded, and how long it took.
    struct Result {
        let tables: Int
        let rows: Int64
        /// Seconds of each format.
        let text: Double
        let binary: Double

        func figures(_ shape: LoadShape) -> [Figure] {
            let name = "copy_\(shape.name)"
            return [
                Figure("\(name)_rows", Double(rows), "rows", "  rows in \(tables) tables"),
                Figure(
                    "\(name)_text_rows_per_second", Double(rows) / text, "rows/s", "  the same rows by \\copy, text"),
                Figure(
                    "\(name)_binary_rows_per_second", Double(rows) / binary, "rows/s",
                    "  the same rows by \\copy, binary"),
            ]
        }
    }

    /// Measures both formats.
    ///
    /// - Throws: `Failure` with psql's message.
    func run(_ shape: LoadShape) throws -> Result {
        let tables = try tables()
        let copy = "\(database)_copy"
        try postgres.query("CREATE DATABASE \(copy) TEMPLATE \(database) OWNER tweets", database: "postgres")
        defer { _ = try? postgres.query("DROP DATABASE \(copy) WITH (FORCE)", database: "postgres") }
        let seconds = try ["text", "binary"].map { format in
            tellProgress("loader: \(shape.rawValue): the same rows by \\copy, \(format)")
            return try load(tables, into: copy, format)
        }
        return Result(
            tables: tables.count, rows: tables.reduce(0) { $0 + $1.rows }, text: seconds[0], binary: seconds[1])
    }

    /// The tables with rows, but for those in which the loader keeps account.
    private func tables() throws -> [Table] {
        let found = try postgres.query(
            """
            SELECT c.oid::regclass, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
            FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
            WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
                AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
                AND c.relname NOT IN ('schema_version', 'loader_offsets', 'hour_counts') AND c.relname NOT LIKE 'stream\\_%'
            GROUP BY c.oid ORDER BY c.oid
            """, database: database)
        return try found.split(separator: "\n").compactMap { line in
            let parts = line.split(separator: "|", maxSplits: 1).map(String.init)
            let rows = Int64(try postgres.query("SELECT count(*) FROM \(parts[0])", database: database)) ?? 0
            return rows > 0 ? Table(name: parts[0], columns: parts[1], rows: rows) : nil
        }
    }

    /// Seconds for all tables, one after the other, without what psql takes to start.
    private func load(_ tables: [Table], into copy: String, _ format: String) throws -> Double {
        let start = try (0..<3).map { _ in try time("SELECT 1", in: copy) }.min() ?? 0
        try postgres.query("TRUNCATE \(tables.map(\.name).joined(separator: ", "))", database: copy)
        for (index, table) in tables.enumerated() {
            try postgres.query(
                "COPY (SELECT \(table.columns) FROM \(table.name)) TO '\(file(index))' (FORMAT \(format))",
                database: database)
        }
        try postgres.query("CHECKPOINT", database: copy)
        var seconds = 0.0
        for (index, table) in tables.enumerated() {
            let command = "\\copy \(table.name) (\(table.columns)) FROM '\(file(index))' (FORMAT \(format))"
            seconds += try time(command, in: copy) - start
            unsafe unlink(file(index))
        }
        return seconds
    }

    private func file(_ index: Int) -> String { "\(postgres.path)/copy-\(index)" }

    private func time(_ command: String, in database: String) throws -> Double {
        let start = ContinuousClock.now
        // Over TCP, as the loader's connections are.
        try postgres.query(command, database: database, role: "tweets", isOverTCP: true)
        return start.duration(to: .now).seconds
    }
}
