import Postgres

/// Leaves out lines that were read for accounts which were removed since: they come late, or are replayed.
enum RemovedAccounts {
    /// Takes the rows of such lines out of a batch; the lines are settled as all others are.
    ///
    /// - Parameters:
    ///   - batch: before it is written.
    ///   - isLocking: whether a removal that begins now waits for the end of the transaction, so that it finds the batch's rows.
    ///   - connection: to the database.
    /// - Returns: whether there were any.
    /// - Throws: `PostgresError`.
    @discardableResult
    static func discard(
        from batch: inout Batch, locking isLocking: Bool = false, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Bool {
        let entries = batch.rows[.timelineEntries]
        guard !entries.rows.isEmpty else { return false }
        let accounts = arrayLiteral(Set(entries.rows.map(\.detail)).sorted().map { Optional($0) })
        if isLocking {
            _ = try connection.query(
                "SELECT FROM x_accounts WHERE user_id = ANY ($1::bigint[]) ORDER BY user_id FOR KEY SHARE", [accounts],
                doing: "lock accounts")
        }
        let answer = try connection.query(
            """
            SELECT r.user_id, CASE WHEN a.user_id IS NOT NULL
                THEN (extract(epoch FROM r.removed_at - interval '5 seconds') * 1000)::bigint END
            FROM removed_accounts r LEFT JOIN x_accounts a USING (user_id) WHERE r.user_id = ANY ($1::bigint[])
            """, [accounts], doing: "look for removed accounts")
        guard answer.rowCount > 0 else { return false }
        // An account that was added again gets what was read for it since. X's clock says when: it has whole seconds and differs
        // a little from PostgreSQL's, so the five seconds before count as later.
        var ends: [Int64: Int64] = [:]
        for row in 0..<answer.rowCount {
            if let account = answer.integer(row, 0) { ends[account] = answer.integer(row, 1) ?? .max }
        }
        let lines = entries.rows.filter { entries.lastTime(of: $0) < ends[$0.detail] ?? .min }.map(\.line)
        batch.discard(messages: Set(lines))
        return !lines.isEmpty
    }
}
