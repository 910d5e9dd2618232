import Postgres

/// Brings chosen rows of one relation into its table, straight or through the session's staging table.
struct TableWriting {
    let rows: RelationRows

    /// Copies rows straight into their table.
    ///
    /// - Throws: `PostgresError`; a unique violation when one of them is there already.
    func copy(
        _ chosen: [RelationRows.Row], into relation: Relation, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        try copy(chosen, into: relation.table, of: relation, connection)
    }

    /// Copies rows into the staging table.
    func stage(
        _ chosen: [RelationRows.Row], of relation: Relation, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        try copy(chosen, into: relation.staging, of: relation, after: relation.createStagingSQL, connection)
    }

    /// Merges rows, of which no two have the same key, through the staging table; returns how many were new or changed.
    @discardableResult
    func merge(
        _ chosen: [RelationRows.Row], into relation: Relation, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Int {
        guard !chosen.isEmpty else { return 0 }
        try stage(chosen, of: relation, connection)
        return try connection.query(relation.mergeSQL, doing: "merge into \(relation.table)").affectedRows
    }

    private func copy(
        _ chosen: [RelationRows.Row], into table: String, of relation: Relation, after statement: String? = nil,
        _ connection: borrowing PostgresConnection
    ) throws(PostgresError) {
        guard !chosen.isEmpty else { return }
        try connection.copy(
            into: table, columns: relation.columns, bytes: rows[relation].buffer.storage,
            rows: chosen.map { $0.bytes }, after: statement)
    }
}
