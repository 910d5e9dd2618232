import Core
import Postgres

/// Finds what slows a database of tweets, or fills it, beside what `LoaderDoctor` asks. Reads only.
struct DatabaseDoctor: ~Copyable {
    private let connection: PostgresConnection
    private let longest: Duration

    /// - Parameters:
    ///   - connection: to the database.
    ///   - longest: how long a transaction may be open.
    init(_ connection: consuming PostgresConnection, longest: Duration = .seconds(3600)) {
        self.connection = connection
        self.longest = longest
    }

    /// Everything, of a database that has the schema.
    func findings() throws -> [DoctorFinding] {
        let upkeep = [try partitions(), try transactions(), try locks(), try vacuum(), try compression()]
        // A table that is locked exclusively would hold up the look at what `locks` has found.
        try connection.execute("SET lock_timeout = '2s'")
        do {
            return upkeep + (try LedgerDoctor.findings(connection))
                + [try holes(), try rejects(), try DatabaseSize(connection).finding]
        } catch let error as PostgresError where error.sqlstate == "55P03" {
            return upkeep + [
                .warning("content", "a table is locked: \(error)", remedy: "see locks; then run doctor again")
            ]
        }
    }

    private func text(_ sql: String) throws(PostgresError) -> String {
        let answer = try connection.query(sql, doing: "ask PostgreSQL")
        return answer.rowCount > 0 ? answer.text(0, 0) ?? "" : ""
    }

    /// A partition can be attached by the owner of the parent alone (CREATE TABLE … PARTITION OF).
    private func partitions() throws(PostgresError) -> DoctorFinding {
        let name = "partitions"
        let isOwner = try text(
            """
            SELECT bool_and(pg_has_role(c.relowner, 'USAGE') AND has_schema_privilege(c.relnamespace, 'CREATE'))
            FROM pg_class c WHERE c.oid IN (to_regclass('tweets'), to_regclass('tweet_rules'))
            """)
        if isOwner == "t" { return .ok(name, "the role may create those of new months") }
        return .fail(
            name,
            "the role may not create the partitions of new months: it must own tweets and tweet_rules",
            remedy: "ALTER TABLE ... OWNER TO the role, and GRANT CREATE ON SCHEMA", .operator(.credentials))
    }

    /// Vacuum removes nothing that such a transaction may still see.
    private func transactions() throws(PostgresError) -> DoctorFinding {
        let found = try text(
            """
            SELECT string_agg(format('pid %s (%s) for %s min', pid, coalesce(nullif(application_name, ''), 'no name'),
                (extract(epoch FROM now() - xact_start) / 60)::int), ', ' ORDER BY xact_start)
            FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start <= now() - interval '\(longest.milliseconds) ms'
                AND backend_type = 'client backend'
            """)
        guard !found.isEmpty else {
            let seesAll = try text("SELECT pg_has_role('pg_read_all_stats', 'USAGE')") == "t"
            let whose = seesAll ? "none" : "none of this role (others need GRANT pg_read_all_stats)"
            return .ok("transactions", "\(whose) is open for more than \(longest.short)")
        }
        return .warning(
            "transactions", "open: \(found)", remedy: "SELECT pg_terminate_backend(PID), once it is known whose it is")
    }

    /// Who waits for a lock, and for whom; PostgreSQL shows both to every role.
    private func locks() throws(PostgresError) -> DoctorFinding {
        let longest = min(longest, .seconds(60))
        let found = try text(
            """
            SELECT string_agg(format('pid %s waits for pid %s since %s s (%s)', pid, array_to_string(pg_blocking_pids(pid), ' and '),
                extract(epoch FROM clock_timestamp() - waitstart)::int, coalesce(relation::regclass::text, locktype)), ', ')
            FROM pg_locks WHERE NOT granted AND waitstart <= clock_timestamp() - interval '\(longest.milliseconds) ms'
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            """)
        guard !found.isEmpty else { return .ok("locks", "nobody waits for one for more than \(longest.short)") }
        return .warning(
            "locks", found,
            remedy: "look at what the second pid does (pg_stat_activity); SELECT pg_terminate_backend(PID)")
    }

    private func vacuum() throws(PostgresError) -> DoctorFinding {
        if try text("SELECT current_setting('autovacuum')") == "off" {
            return .warning("autovacuum", "it is off: tables grow and queries slow down", remedy: "autovacuum = on")
        }
        let tables = try text(
            """
            SELECT string_agg(c.relname, ', ' ORDER BY c.relname) FROM pg_class c
            WHERE c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('schema_version'))
                AND EXISTS (SELECT FROM unnest(c.reloptions) o WHERE o ~* '^autovacuum_enabled=(f|of|n|0)')
            """)
        guard !tables.isEmpty else { return .ok("autovacuum", "on") }
        return .warning(
            "autovacuum", "it is off for \(tables)", remedy: "ALTER TABLE ... RESET (autovacuum_enabled)")
    }

    private func compression() throws(PostgresError) -> DoctorFinding {
        let method = try text(
            "SELECT attcompression FROM pg_attribute WHERE attrelid = to_regclass('tweets') AND attname = 'payload'")
        if method == "l" { return .ok("compression", "lz4") }
        let isThere = try text(
            "SELECT 'lz4' = ANY (enumvals) FROM pg_settings WHERE name = 'default_toast_compression'")
        guard isThere == "t" else {
            return .ok("compression", "pglz: this server was built without lz4, which is three times as fast")
        }
        return .warning(
            "compression", "payloads are compressed with pglz, three times as slow as lz4",
            remedy: "ALTER TABLE tweets ALTER COLUMN payload SET COMPRESSION lz4")
    }

    private func holes() throws(PostgresError) -> DoctorFinding {
        let found = try text(
            """
            SELECT string_agg(DISTINCT topic || '-' || partition, ', ') FROM kafka_holes WHERE status = 'open'
            """)
        guard !found.isEmpty else { return .ok("holes", "none is open") }
        return .warning(
            "holes", "Kafka deleted messages before they were loaded: \(found)",
            remedy: "docs/operations.md, \"Offsets that Kafka no longer has\"")
    }

    private func rejects() throws(PostgresError) -> DoctorFinding {
        let found = try text(
            """
            SELECT string_agg(format('%s %s', n, reason), ', ' ORDER BY n DESC)
            FROM (SELECT reason, count(*) n FROM rejects WHERE rejected_at > now() - interval '1 day' GROUP BY reason) r
            """)
        guard !found.isEmpty else { return .ok("rejects", "none in the last day") }
        return .warning("rejects", "in the last day: \(found)", remedy: "tweet-loader rejects list")
    }
}
