import Postgres

/// Compares the listeners of a stream by the posts of the minutes that all of them have counted.
enum ListenerTallies {
    /// Names the listeners that hear less than half of what another one of the stream hears, over the last minutes.
    ///
    /// - Parameter connection: to the database.
    /// - Returns: a line for each.
    /// - Throws: `PostgresError` when PostgreSQL cannot be asked.
    static func problems(_ connection: borrowing PostgresConnection) throws(PostgresError) -> [String] {
        let answer = try connection.query(sql, doing: "compare the listeners of the streams")
        return answer.rows.map { row in
            "stream \(row[0] ?? ""): journal \(row[1] ?? "") received \(row[2] ?? "") posts in \(row[4] ?? "") minutes in which"
                + " another journal received \(row[3] ?? "")"
        }
    }

    /// Minutes of the last quarter of an hour, as far as there are ten that several journals have; less is chance.
    private static let sql = """
        WITH tallies AS (
            SELECT stream, journal, at, max(lines) AS lines FROM stream_events
            WHERE type = 'tally' AND at > now() - interval '15 minutes' AND stream IS NOT NULL
            GROUP BY stream, journal, at
        ), shared AS (
            SELECT t.* FROM tallies t
            WHERE EXISTS (SELECT FROM tallies o WHERE o.stream = t.stream AND o.at = t.at AND o.journal <> t.journal)
        ), sums AS (
            SELECT stream, journal, sum(lines)::bigint AS posts, count(*) AS minutes,
                max(sum(lines)::bigint) OVER (PARTITION BY stream) AS most
            FROM shared GROUP BY stream, journal
        )
        SELECT stream, journal, posts, most, minutes FROM sums
        WHERE minutes >= 10 AND most >= 100 AND posts * 2 < most ORDER BY stream, journal
        """
}
