import Postgres

/// Which of some tweets are stored, and whether a rule matched them.
struct StoredTweets {
    private var isMatched: [Int64: Bool] = [:]

    /// Looks them up id by id, as a join might read a whole partition, and with the bounds of its partition: choosing one for each
    /// id takes longer than the look, the more so the more there are.
    ///
    /// - Parameters:
    ///   - tweets: which ones.
    ///   - connection: to the database.
    /// - Throws: `PostgresError`.
    init(among tweets: [RelationRows.Row], _ connection: borrowing PostgresConnection) throws(PostgresError) {
        guard !tweets.isEmpty else { return }
        let parts = tweets.idsByPartition
        let selects = parts.enumerated().map { number, part in
            """
            SELECT wanted.id, found.matched FROM unnest($\(number + 1)::bigint[]) AS wanted (id)
            CROSS JOIN LATERAL (SELECT t.matched FROM tweets AS t
                WHERE t.id = wanted.id AND \(part.partition.condition(on: "t.id")) LIMIT 1) AS found
            """
        }
        let answer = try connection.query(
            selects.joined(separator: " UNION ALL "), parts.map { arrayLiteral($0.ids) }, doing: "look up tweets")
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
