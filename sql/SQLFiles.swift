/// The SQL files of this folder, held in the binary so that it needs no file at run time.
package enum SQLFiles {
    /// The whole current schema (`schema.sql`).
    package static var schema: String { String(decoding: PackageResources.schema_sql, as: UTF8.self) }

    /// What takes a database from the version before to a version, by that version (`migrations/`).
    package static var migrations: [Int: String] {
        [
            2: String(decoding: PackageResources._002_sql, as: UTF8.self),
            3: String(decoding: PackageResources._003_sql, as: UTF8.self),
        ]
    }
}
