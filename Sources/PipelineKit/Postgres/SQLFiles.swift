import CSQLFiles

/// The SQL files of `sql/`, held in the binary.
enum SQLFiles {
    /// The whole current schema (`schema.sql`).
    static var schema: String { unsafe String(cString: sql_file_schema()) }

    /// What takes a database from the version before to a version, by that version (`migrations/`).
    static var migrations: [Int: String] {
        unsafe [2: String(cString: sql_file_migration_2()), 3: String(cString: sql_file_migration_3())]
    }
}
