import Postgres

/// Which of some tweets are stored, and whether a rule matched them.
struct StoredTweets {
    private var isMatched: [Int64: Bool] = [:]

    /// Asks id by id, as a join might read every partition.
    ///
    /// - Throws: `PostgresError`.
    init(among tweets: [RelationRows.Row], _ connection: borrowing PostgresConnection) throws(PostgresError) {
        guard !tweets.isEmpty else { return }
        let answer = try connection.query(
            """
            SELECT wanted.id, found.matched FROM unnest($1::bigint[]) AS wanted (id)
            CROSS JOIN LATERAL (SELECT t.matched FROM tweets AS t WHERE t.id = wanted.id LIMIT 1) AS found
            """, [arrayLiteral(tweets.map(\.key))], doing: "look up tweets")
        isMatched.reserveCapacity(answer.rowCount)
        for row in 0..<answer.rowCount {
            if let id = answer.integer(row, 0) { isMatched[id] = answer.text(row, 1) == "t" }
        }
    }

    /// Whether a tweet is stored.
    func contains(_ id: Int64) -> Bool { isMatched[id] != nil }

    /// Whether a tweet is stored that a rule matched.
    func hasMatched(_ id: Int64) -> Bool { isMatched[id] == true }
}
