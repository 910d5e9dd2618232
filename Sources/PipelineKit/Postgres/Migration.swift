import Core

/// Migrates a database to the schema of this binary, and rejects a schema that the binary does not know.
package enum Migration {
    /// The schema versions that this binary works with; it writes the highest.
    package static let supported = 3...3

    /// Two migrations at once wait for each other; the number is arbitrary but must not change.
    private static let advisoryLock: Int64 = 7_205_759_403_792_793

    /// What `apply(to:)` did.
    package enum Outcome: Equatable, Sendable {
        /// The schema was created, in this version.
        case created(Int)
        /// The schema was brought from a version to this one.
        case migrated(from: Int, to: Int)
        /// The database already has this version.
        case unchanged(Int)
    }

    /// Creates the schema, or brings an older one to the current version, in one transaction. Calling it again changes
    /// nothing.
    ///
    /// - Throws: `DatabaseError` for a schema that is newer, or that no migration leads from, and for tables of others;
    ///   `PostgresError` otherwise.
    package static func apply(to connection: borrowing PostgresConnection) throws -> Outcome {
        try connection.execute("BEGIN")
        do {
            try connection.execute("SELECT pg_advisory_xact_lock(\(advisoryLock))", doing: "wait for other migrations")
            let found = try version(in: connection)
            let outcome = try bring(connection, from: found)
            try connection.execute("COMMIT")
            return outcome
        } catch {
            // If this fails, the connection is closed, and the transaction with it.
            try? connection.execute("ROLLBACK")
            throw error
        }
    }

    /// What `apply(to:)` would do now.
    ///
    /// - Throws: as `apply(to:)`.
    package static func outlook(on connection: borrowing PostgresConnection) throws -> Outcome {
        guard let found = try version(in: connection) else { return .created(supported.upperBound) }
        guard found < supported.upperBound, steps(from: found) != nil else {
            try check(found)
            return .unchanged(found)
        }
        return .migrated(from: found, to: supported.upperBound)
    }

    private static func bring(_ connection: borrowing PostgresConnection, from found: Int?) throws -> Outcome {
        guard let found else {
            try create(in: connection)
            return .created(supported.upperBound)
        }
        guard found < supported.upperBound, let steps = steps(from: found) else {
            try check(found)
            return .unchanged(found)
        }
        for (version, sql) in steps { try connection.execute(sql, doing: "migrate to version \(version)") }
        return .migrated(from: found, to: supported.upperBound)
    }

    /// The migrations that lead from a version to the current one, in order; nil when one is missing.
    private static func steps(from found: Int) -> [(version: Int, sql: String)]? {
        let versions = found + 1...supported.upperBound
        let steps = versions.compactMap { version in SQLFiles.migrations[version].map { (version, $0) } }
        return steps.count == versions.count ? steps : nil
    }

    /// Checks that this binary knows the database's schema.
    ///
    /// - Throws: `DatabaseError` with what to do when it does not; `PostgresError`.
    package static func check(_ connection: borrowing PostgresConnection) throws {
        guard let found = try version(in: connection) else {
            let path = try searchPath(of: connection).map { "; \($0)" } ?? ""
            throw DatabaseError(
                .operator(.settings),
                "the database has no schema of this project yet: run `tweet-loader migrate` first\(path)")
        }
        try check(found)
    }

    private static func check(_ found: Int) throws(DatabaseError) {
        let known = "this tweet-loader works with version \(supported.lowerBound) to \(supported.upperBound)"
        if found < supported.lowerBound {
            throw DatabaseError(
                .operator(.settings), "the database's schema has version \(found), \(known): run `tweet-loader migrate`"
            )
        }
        if found > supported.upperBound {
            throw DatabaseError(
                .operator(.settings),
                "the database's schema has version \(found), \(known): install a newer tweet-loader")
        }
    }

    /// The schemas in which tables are looked up, and what set them; nil when that is PostgreSQL's default.
    private static func searchPath(of connection: borrowing PostgresConnection) throws(PostgresError) -> String? {
        guard let found = try connection.setting("search_path"), found.value != "\"$user\", public" else { return nil }
        return "search_path is \(found.value), set by \(found.source)"
    }

    private static func version(in connection: borrowing PostgresConnection) throws(PostgresError) -> Int? {
        let table = try connection.query("SELECT to_regclass('schema_version')", doing: "look for the schema")
        guard table.text(0, 0) != nil else { return nil }
        let answer = try connection.query("SELECT max(version) FROM schema_version", doing: "read the schema's version")
        return answer.integer(0, 0).map(Int.init)
    }

    private static func create(in connection: borrowing PostgresConnection) throws {
        do { try connection.execute(SQLFiles.schema, doing: "create the schema") } catch {
            // No schema in search_path exists: the transaction is over, so the setting is looked up after it.
            if error.sqlstate == "3F000" {
                try connection.execute("ROLLBACK")
                let path = try searchPath(of: connection) ?? "search_path names no schema that exists"
                throw DatabaseError(
                    .operator(.settings), "the tables cannot be created: \(path); create that schema or correct it")
            }
            guard error.sqlstate == "42P07" else { throw error }
            throw DatabaseError(
                .operator(.settings),
                "the database already has tables with these names: \(error.serverMessage)\n"
                    + "give this project a database or schema of its own "
                    + "(for instance DATABASE_URL='postgresql://.../tweets')")
        }
    }
}
