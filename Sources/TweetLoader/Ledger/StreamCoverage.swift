import Postgres

/// What several journals of one stream have received together: a time that one of them has is not missing.
enum StreamCoverage {
    /// Marks gaps that have ended as `covered` when other journals of the stream have all of their time: they were connected,
    /// or filled a gap of their own. Worked out from stored events and gaps, so that the order of journals does not matter.
    ///
    /// - Parameters:
    ///   - streams: the streams that something has happened to.
    ///   - connection: to the database.
    /// - Throws: `PostgresError` when PostgreSQL rejects it.
    static func update(_ streams: Set<String>, _ connection: borrowing PostgresConnection) throws(PostgresError) {
        _ = try connection.query(
            """
            UPDATE stream_gaps SET status = 'covered'
            WHERE status = 'open' AND ended_at IS NOT NULL AND stream = ANY ($1::text[]) AND \(isCovered)
            """, [arrayLiteral(streams.sorted())], doing: "note gaps that other journals cover")
    }

    /// Condition on `stream_gaps`: other journals of the stream have all of its time, until now when it has not ended.
    ///
    /// A connection counts until its gap begins; one without a gap counts until the newest post that came on it, of those that
    /// were made up to an hour after the gap.
    static let isCovered = """
        EXISTS (SELECT FROM stream_events other
            WHERE other.stream = stream_gaps.stream AND other.journal <> stream_gaps.journal)
        AND (SELECT coalesce(range_agg(c.covered), '{}') FROM (\(times)) c)
            @> tstzrange(stream_gaps.started_at, greatest(stream_gaps.started_at, \(end)), '[]')
        """

    /// X delivers a post some seconds after it was made, and the loader is a little later.
    private static let end = "coalesce(stream_gaps.ended_at, now() - interval '1 minute')"

    /// The times that other journals of a gap's stream have.
    private static let times = """
        SELECT tstzrange(s.at, greatest(s.at, s.until), '[]') AS covered
        FROM (
            SELECT e.at, coalesce((
                    SELECT min(g.started_at) FROM stream_gaps g
                    WHERE g.stream = e.stream AND g.journal = e.journal AND g.opened_seq > e.seq
                ), (
                    SELECT t.received_at FROM tweets t
                    WHERE t.stream = e.stream AND t.journal = e.journal AND t.connection = e.connection
                        AND t.id > (\(tweetID("stream_gaps.started_at - interval '1 hour'")))
                        AND t.id < (\(tweetID("\(end) + interval '1 hour'")))
                    ORDER BY t.id DESC LIMIT 1
                ), e.at) AS until
            FROM stream_events e
            WHERE e.stream = stream_gaps.stream AND e.journal <> stream_gaps.journal AND e.type = 'connected'
                AND e.at <= \(end)
        ) s
        WHERE s.until >= stream_gaps.started_at
        UNION ALL
        SELECT tstzrange(g.started_at, greatest(g.started_at, g.ended_at), '[]')
        FROM stream_gaps g
        WHERE g.stream = stream_gaps.stream AND g.journal <> stream_gaps.journal
            AND g.status IN ('repaired_exactly', 'repaired_approximately')
        """

    /// SQL for the least id that a post of a moment can have (X: "Snowflake", as in `tweet_time`).
    private static func tweetID(_ moment: String) -> String {
        "((extract(epoch FROM \(moment)) * 1000)::bigint - 1288834974657) << 22"
    }
}
