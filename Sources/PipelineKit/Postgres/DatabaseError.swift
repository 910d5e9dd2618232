import Core

/// Why a database cannot be used as it is, or does not have what a command needs.
///
/// A `PostgresError` is one failure of PostgreSQL; this is what it means for whoever uses the database.
package struct DatabaseError: DisposedError {
    /// `wait` when PostgreSQL is unreachable or accepts nothing; `retry` when others hold it in use; `reject` for content that is
    /// not what was written; `operator` for a schema, an encoding, a setting, a password or a right.
    package let disposition: Disposition
    package let description: String

    /// - Parameters:
    ///   - disposition: what to do about it.
    ///   - description: the place, the reason, and the remedy.
    package init(_ disposition: Disposition, _ description: String) {
        (self.disposition, self.description) = (disposition, description)
    }
}
