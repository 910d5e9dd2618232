import Postgres

/// Applies tombstones: each deletes all versions of its tweet and what hangs on them, and is counted.
///
/// Comes after the rows of its batch: a tweet that stands in the same batch is deleted too, wherever it stands. Media and polls
/// go with the oldest tweet that attached them. Users stay, and so do tweets that the deleted one referred to.
enum TweetDeletions {
    /// Applies the tombstones, counts the deleted tweets, and takes their posts away from those of their hours; tombstones that
    /// PostgreSQL rejects alone are returned as rejects.
    static func apply(
        of batch: borrowing Batch, _ outcome: inout TweetWriter.Outcome, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> [Batch.Reject] {
        guard !batch.deletions.isEmpty else { return [] }
        let (all, messages) = (batch.deletions, batch.messages)
        let failed = try connection.isolating(all[...]) { piece throws(PostgresError) in
            let deleted = try apply(Array(piece), messages, connection)
            outcome.hours.remove(deleted)
            outcome.deletedTweets += Int(deleted.integer(0, 4) ?? 0)
        }
        return failed.map { deletion, error in
            Batch.Reject(
                message: deletion.message, reason: "database", sqlstate: error.sqlstate, detail: error.serverMessage)
        }
    }

    private static func apply(
        _ deletions: [(message: Int, id: Int64)], _ all: [Batch.Message], _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> PostgresResult {
        let messages = deletions.map { all[$0.message] }
        let ids = arrayLiteral(deletions.map { $0.id })
        _ = try connection.query(lockSQL, [ids], doing: "lock deleted tweets")
        return try connection.query(
            sql,
            [
                ids, arrayLiteral(messages.map(\.partition.topic)),
                arrayLiteral(messages.map { Int64($0.partition.partition) }), arrayLiteral(messages.map(\.offset)),
            ], doing: "delete tweets")
    }

    /// Waits for writers that add rules to these tweets, so that the statement after it sees the rules.
    private static let lockSQL = """
        SELECT FROM tweets WHERE id = ANY (ARRAY(
            SELECT unnest($1::bigint[]) UNION SELECT other.tweet_id FROM tweet_versions AS known
            JOIN tweet_versions AS other USING (chain_id) WHERE known.tweet_id = ANY ($1)))
        ORDER BY id FOR UPDATE
        """

    /// All parts of one statement see the same rows, so their order does not matter (PostgreSQL, "Data-Modifying Statements
    /// in WITH"). Arrays of ids keep it at looks into the keys. Each row has a deleted rule, if there is any, and the number of
    /// deleted tweets.
    private static let sql = """
        WITH stones AS MATERIALIZED (
            SELECT * FROM unnest($1::bigint[], $2::text[], $3::integer[], $4::bigint[])
                AS stone (id, topic, partition, message)
        ), versions AS MATERIALIZED (
            SELECT id AS stone, id FROM stones
            UNION SELECT known.tweet_id, other.tweet_id FROM tweet_versions AS known
            JOIN tweet_versions AS other USING (chain_id) WHERE known.tweet_id = ANY ($1)
        ), gone AS MATERIALIZED (
            SELECT id, media_keys, poll_ids FROM tweets WHERE id = ANY (ARRAY(SELECT id FROM versions))
        ), rules AS (
            DELETE FROM tweet_rules WHERE tweet_id = ANY (ARRAY(SELECT id FROM versions))
            RETURNING tweet_id, rule_id, stream, tag
        ), errors AS (
            DELETE FROM tweet_errors WHERE tweet_id = ANY (ARRAY(SELECT id FROM versions))
        ), chains AS (
            DELETE FROM tweet_versions WHERE tweet_id = ANY (ARRAY(SELECT id FROM versions))
        ), pictures AS (
            DELETE FROM media WHERE media_key = ANY (ARRAY(SELECT unnest(media_keys) FROM gone))
                AND tweet_id = ANY (ARRAY(SELECT id FROM versions))
        ), votes AS (
            DELETE FROM polls WHERE id = ANY (ARRAY(SELECT unnest(poll_ids) FROM gone))
                AND tweet_id = ANY (ARRAY(SELECT id FROM versions))
        ), deleted AS (
            DELETE FROM tweets WHERE id = ANY (ARRAY(SELECT id FROM gone)) RETURNING id
        ), recorded AS (
            INSERT INTO tweet_deletions (tweet_id, tweets, kafka_topic, kafka_partition, kafka_offset)
            SELECT s.id, (SELECT count(*) FROM versions AS v JOIN gone USING (id) WHERE v.stone = s.id),
                s.topic, s.partition, s.message
            FROM stones AS s ON CONFLICT DO NOTHING
        )
        SELECT rules.*, sum.tweets FROM (SELECT count(*) AS tweets FROM deleted) AS sum LEFT JOIN rules ON true
        """
}
