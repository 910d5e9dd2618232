import Core
import Postgres
import TweetFormat

/// What a transaction adds to `hour_counts`, and takes away from it: posts by hour, stream and rule.
///
/// Rows that are new are counted as they are sent. Stored at the end of the transaction, because every writer adds to the row
/// of the current hour, which stays locked until the commit.
struct HourCounts: Sendable {
    /// A row of the table; rule 0 is the stream itself.
    private struct Key: Hashable {
        /// Number of the hour since 1970.
        let hour: Int64
        /// UTF-8: strings that look alike are equal, names of streams are not.
        let stream: [UInt8]
        let rule: Int64

        static func isBefore(_ left: Key, _ right: Key) -> Bool {
            if left.hour != right.hour { return left.hour < right.hour }
            return left.stream != right.stream
                ? left.stream.lexicographicallyPrecedes(right.stream) : left.rule < right.rule
        }
    }

    /// A tweet on a stream.
    private struct Post: Hashable {
        let tweet: Int64
        let stream: [UInt8]
    }

    private var counts: [Key: (posts: Int64, tag: String?)] = [:]
    /// Posts with new rules that may have had others on the same stream before, with the number of new ones.
    private var unsure: [Post: Int64] = [:]

    /// The hour in which a tweet was posted, as `utc_hour` computes it.
    private static func hour(of tweet: Int64) -> Int64 {
        Snowflake.timestamp(of: tweet).map { $0.milliseconds / 3_600_000 } ?? lastHourBeforeSnowflakes
    }

    /// 2010-11-04T00:00:00Z.
    private static let lastHourBeforeSnowflakes: Int64 = 358_008

    /// Counts rows of `tweet_rules` that are new, of tweets that had none.
    ///
    /// - Parameters:
    ///   - rows: in the order of tweets; all rows of one tweet come from one line.
    ///   - table: that they are in.
    mutating func add(_ rows: [RelationRows.Row], of table: RelationRows.Table) {
        var stream: [UInt8] = []
        var last: Int64?
        for row in rows {
            let bytes = table.field(2, of: row) ?? []
            if !bytes.elementsEqual(stream) { stream = Array(bytes) }
            let hour = Self.hour(of: row.key)
            if row.key != last { counts[Key(hour: hour, stream: stream, rule: 0), default: (0, nil)].posts += 1 }
            last = row.key
            guard row.detail != 0 else { continue }
            let key = Key(hour: hour, stream: stream, rule: row.detail)
            if let place = counts.index(forKey: key) {
                counts.values[place].posts += 1
            } else {
                counts[key] = (1, table.field(3, of: row).map { String(decoding: $0, as: UTF8.self) })
            }
        }
    }

    /// Counts rows of `tweet_rules` that a merge found to be new; the tweets may have had others.
    ///
    /// - Parameter merged: tweet, rule, stream and tag of each.
    mutating func add(merged: borrowing PostgresResult) {
        for row in 0..<merged.rowCount {
            guard let (post, rule, tag) = Self.rule(row, of: merged) else { continue }
            unsure[post, default: 0] += 1
            if rule != 0 { add(1, post, rule: rule, tag: tag) }
        }
    }

    /// Takes away what was counted for rows of `tweet_rules` that are deleted, with all others of these tweets.
    ///
    /// - Parameter deleted: tweet, rule, stream and tag of each.
    mutating func remove(_ deleted: borrowing PostgresResult) {
        var posts: Set<Post> = []
        for row in 0..<deleted.rowCount {
            guard let (post, rule, tag) = Self.rule(row, of: deleted) else { continue }
            if posts.insert(post).inserted { add(-1, post) }
            if rule != 0 { add(-1, post, rule: rule, tag: tag) }
        }
    }

    private static func rule(
        _ row: Int, of result: borrowing PostgresResult
    ) -> (post: Post, rule: Int64, tag: String?)? {
        guard let tweet = result.integer(row, 0), let rule = result.integer(row, 1), let stream = result.text(row, 2)
        else { return nil }
        return (Post(tweet: tweet, stream: Array(stream.utf8)), rule, result.text(row, 3))
    }

    /// Adds to the posts of a rule; without one, to those of the stream.
    private mutating func add(_ count: Int64, _ post: Post, rule: Int64 = 0, tag: String? = nil) {
        let key = Key(hour: Self.hour(of: post.tweet), stream: post.stream, rule: rule)
        counts[key, default: (0, tag)].posts += count
    }

    /// Adds what another part of the same transaction counted.
    mutating func add(_ other: HourCounts) {
        counts.merge(other.counts) { ($0.posts + $1.posts, $0.tag ?? $1.tag) }
        unsure.merge(other.unsure, uniquingKeysWith: +)
    }

    /// Finds out which merged posts are new on their stream: those that have no rules there but the merged ones.
    ///
    /// Two transactions that add the first rules of a post to a stream would each see none of the other: the lock on the tweet
    /// makes the second one look after the first has committed. To be called before rules are deleted.
    mutating func resolve(_ connection: borrowing PostgresConnection) throws(PostgresError) {
        guard !unsure.isEmpty else { return }
        let posts = unsure.keys.sorted { $0.tweet < $1.tweet }
        let tweets = arrayLiteral(posts.map(\.tweet))
        _ = try connection.query(
            "SELECT FROM tweets WHERE id = ANY ($1::bigint[]) ORDER BY id FOR NO KEY UPDATE", [tweets],
            doing: "lock tweets with new rules")
        let found = try connection.query(
            """
            SELECT (SELECT count(*) FROM tweet_rules r WHERE r.tweet_id = p.tweet_id AND r.stream = p.stream)
            FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS p (tweet_id, stream, place) ORDER BY p.place
            """, [tweets, arrayLiteral(posts.map { String(decoding: $0.stream, as: UTF8.self) })],
            doing: "look up rules of tweets")
        for (row, post) in posts.enumerated() where found.integer(row, 0) == unsure[post] { add(1, post) }
        unsure = [:]
    }

    /// Adds the counts to the table, row by row in the same order as every writer.
    func store(_ connection: borrowing PostgresConnection) throws(PostgresError) {
        let rows = counts.filter { $0.value.posts != 0 }.sorted { Key.isBefore($0.key, $1.key) }
        guard !rows.isEmpty else { return }
        _ = try connection.query(
            """
            INSERT INTO hour_counts AS h (hour, stream, rule_id, posts, tag)
            SELECT to_timestamp(c.hour * 3600), c.stream, c.rule_id, c.posts, c.tag
            FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::text[])
                AS c (hour, stream, rule_id, posts, tag)
            ON CONFLICT (hour, stream, rule_id) DO UPDATE
            SET posts = h.posts + excluded.posts, tag = coalesce(excluded.tag, h.tag)
            """,
            [
                arrayLiteral(rows.map { $0.key.hour }),
                arrayLiteral(rows.map { String(decoding: $0.key.stream, as: UTF8.self) }),
                arrayLiteral(rows.map { $0.key.rule }), arrayLiteral(rows.map { $0.value.posts }),
                arrayLiteral(rows.map { $0.value.tag }),
            ], doing: "count posts by hour")
    }
}
