import Postgres

/// A role that may read the project's tables and views, but no tokens and no timelines of accounts, and change nothing.
enum ReaderRole {
    /// Gives a role the right to read; it must exist.
    ///
    /// Partitions need no right of their own: PostgreSQL checks the table that a query names. Tables of others in the same
    /// schema are left out: they have another owner.
    /// - Parameters:
    ///   - name: of the role.
    ///   - connection: as the owner of the tables.
    /// - Returns: what was done.
    /// - Throws: `DatabaseError` when there is no such role; `PostgresError`.
    static func grant(_ name: String, _ connection: borrowing PostgresConnection) throws -> String {
        let found = try connection.query(
            "SELECT rolsuper FROM pg_roles WHERE rolname = $1", [name], doing: "look for the role")
        guard found.rowCount == 1 else {
            throw DatabaseError(
                .operator(.settings),
                "there is no role \(quotedName(name)): create it first, as a superuser or a role with CREATEROLE: "
                    + "CREATE ROLE \(quotedName(name)) LOGIN PASSWORD '...'")
        }
        let grants = try connection.query(sql, [name], doing: "look for the tables").rows.compactMap { $0[0] }
        try connection.execute("BEGIN; \(grants.joined(separator: "; ")); COMMIT", doing: "grant the right to read")
        return "\(quotedName(name)) may read \(grants.count { $0.hasPrefix("GRANT SELECT") }) tables and views"
    }

    private static let sql = """
        WITH own AS (SELECT relnamespace, relowner FROM pg_class WHERE oid = 'tweets'::regclass)
        SELECT format('GRANT USAGE ON SCHEMA %s TO %I', n.oid::regnamespace, $1::text)
        FROM own, pg_namespace n WHERE n.oid IN (own.relnamespace, partition_schema()::regnamespace)
            AND NOT has_schema_privilege($1::text, n.oid, 'USAGE')
        UNION ALL
        SELECT format('GRANT SELECT ON %s TO %I', c.oid::regclass, $1::text)
        FROM own JOIN pg_class c ON c.relnamespace = own.relnamespace AND c.relowner = own.relowner
        WHERE c.relkind IN ('r', 'p', 'v') AND c.relname NOT IN ('x_tokens', 'timeline_entries')
        """
}
