import Core
import FoundationEssentials

/// The PostgreSQL of a measurement, with a database that is made anew for each run.
struct BenchDatabase {
    let postgres: PostgresSandbox
    /// Whether statement times are asked for and the server can count them.
    let countsStatements: Bool

    /// A server as one that takes loads would be set: a checkpoint in the middle would hit one measurement and spare another.
    private static let settings = ["max_wal_size": "16GB", "checkpoint_timeout": "1h", "shared_buffers": "1GB"]

    /// Starts the server.
    ///
    /// - Parameter countsStatements: whether pg_stat_statements counts what each statement takes, which costs a little.
    /// - Throws: `Failure` when it does not start.
    init(countsStatements: Bool) throws {
        self.countsStatements = countsStatements
        var settings = Self.settings
        if countsStatements {
            settings["shared_preload_libraries"] = "pg_stat_statements"
            settings["pg_stat_statements.track"] = "all"
        }
        postgres = try PostgresSandbox(fsync: true, settings: settings)
    }

    /// Runs `body` with the URL of a database that has the schema and is dropped afterwards.
    func with<Result>(_ name: String, _ topic: FilledTopic, _ body: (String) throws -> Result) throws -> Result {
        let url = try postgres.createDatabase(name)
        defer { _ = try? postgres.query("DROP DATABASE \(name) WITH (FORCE)", database: "postgres") }
        try BenchService.loader(topic.kafka, database: url).run("migrate")
        if countsStatements { try postgres.query("CREATE EXTENSION pg_stat_statements", database: name) }
        try postgres.query("CHECKPOINT", database: name)
        if countsStatements { try postgres.query("SELECT pg_stat_statements_reset()", database: name) }
        return try body(url)
    }

    /// The statements that took longest in a database, as figures of seconds; empty when nothing is counted.
    func statements(in database: String, _ prefix: String) throws -> [Figure] {
        guard countsStatements else { return [] }
        let found = try postgres.query(
            """
            SELECT round((total_exec_time + total_plan_time)::numeric / 1000, 3), calls,
                left(regexp_replace(query, '\\s+', ' ', 'g'), 60)
            FROM pg_stat_statements JOIN pg_roles r ON r.oid = userid
            WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND r.rolname = 'tweets'
                AND toplevel
            ORDER BY 1 DESC LIMIT 12
            """, database: database)
        return found.split(separator: "\n").enumerated().compactMap { place, line in
            let parts = line.split(separator: "|", maxSplits: 2).map(String.init)
            guard parts.count == 3, let seconds = Double(parts[0]) else { return nil }
            return Figure("\(prefix)_statement_\(place + 1)", seconds, "s", "  \(parts[1]) × \(parts[2])")
        }
    }
}
